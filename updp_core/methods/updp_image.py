"""UPDP from an image: the generator starts from the noised source and not from noise alone (paper, eq. 3).

More of the anatomy stays, and with it the patient: chest radiographs that are drawn so stay re-identifiable even at a
high strength. It is here to be measured, and leaves the house only where the policy names it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from updp_core.config import Settings, setting
from updp_core.lexicon import Lexicon
from updp_core.methods import updp
from updp_core.methods.base import FROM_IMAGE, Entry, Method, Slider

NAME, TITLE = "updp-image", "UPDP from the source image (leaks anatomy)"


@dataclass(frozen=True)
class Config(updp.Config):
    """UPDP's settings, with the share of the source that is noised away."""

    strength: float = setting(0.6, "Share of the source that is noised away; small leaves the source", 0, 1)


def load(settings: Settings, lexicon: Lexicon, config: Config) -> Method:
    """UPDP with a strength. Raises ModelUnavailable where a model is missing."""
    config = replace(config, generation=replace(config.generation, strength=config.strength))
    return replace(updp.Updp.load(settings, lexicon, config), name=NAME, title=TITLE)


ENTRY = Entry(
    name=NAME,
    title=TITLE,
    holds="Hides fine detail at a high strength; the source's anatomy shows through, and people were found by it.",
    releasable=True,
    derivation=lambda settings: FROM_IMAGE,
    defaults=Config.of,
    check=updp.ENTRY.check,
    make=load,
    sliders=(Slider("strength", (0.3, 0.6, 0.9), 0.2, 1, 0.05),),
)
