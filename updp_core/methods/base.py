"""The seam behind which every method of de-identification stands: what a method does, and what its file says of it.

A method is batched and a generator of steps: progress, previews and early stop need no callbacks. What it makes for
a record is a Proposal; a record that fails carries its error there, and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from updp_core.config import Settings
from updp_core.domain import MethodInput, Step
from updp_core.errors import UpdpError
from updp_core.lexicon import Lexicon


class Method(Protocol):
    """A way of making a de-identified image, its models loaded.

    `settings()` is JSON: with the seed it determines the prompt exactly, models by digest included. `releasable` is
    False for methods that exist for comparison only.
    """

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def releasable(self) -> bool: ...

    def settings(self) -> dict[str, Any]: ...

    def propose(self, records: Sequence[MethodInput], *, seeds: Sequence[int]) -> Iterator[Step]: ...


@dataclass(frozen=True)
class Derivation:
    """What an image was made from, and the words for it that leave the house.

    `kind` stands in the manifest, `sentence` in a release's README. The other texts stand in a DICOM header:
    `image_type` is value 3 of (0008,0008), `conversion` the Conversion Type. `source_pixels` is True where the source
    image reaches the result other than through words: such images leave only where the policy names their method.
    """

    kind: Literal["text", "image", "obfuscation"]
    source_pixels: bool
    sentence: str
    image_type: str
    conversion: str
    series: str
    method: str
    description: str
    comment: str


FROM_TEXT = Derivation(
    kind="text",
    source_pixels=False,
    sentence="Synthetic: drawn by a diffusion model from a prompt of allowed words, without the source's pixels",
    image_type="SYNTHETIC",
    conversion="SYN",
    series="SYNTHETIC chest radiograph (UPDP)",
    method="UPDP: new synthetic image, no source pixels",
    description="SYNTHETIC IMAGE, not an acquisition of any person. Made by a text-to-image diffusion model from a "
    "de-identified prompt (UPDP). Not for diagnosis.",
    comment="SYNTHETIC. Not a radiograph of any person. Not for diagnosis.",
)
FROM_IMAGE = Derivation(
    kind="image",
    source_pixels=True,
    sentence="Synthetic, started from the noised source image, whose anatomy may remain",
    image_type="SYNTHETIC",
    conversion="SYN",
    series="SYNTHETIC chest radiograph (UPDP)",
    method="UPDP: synthetic image, started from source",
    description="SYNTHETIC IMAGE, not an acquisition of any person. Made by an image-to-image diffusion model that "
    "started from a noised source image: anatomy of the source may remain (UPDP). Not for diagnosis.",
    comment="SYNTHETIC, started from a source image whose anatomy may remain. Not for diagnosis.",
)


def obfuscation(what: str, how: str, system: str) -> Derivation:
    """The derivation of a method that alters the source's own pixels.

    `what` says it in at most 40 characters ("averaged and noised"), `how` in a sentence's predicate, and `system` is
    the method's own name.
    """
    return Derivation(
        kind="obfuscation",
        source_pixels=True,
        sentence=f"Not synthetic: the source's own pixels, {how}",
        image_type="OBFUSCATED",
        conversion="WSD",
        series="OBFUSCATED chest radiograph (UPDP)",
        method=f"UPDP: source pixels {what}",
        description=f"OBFUSCATED IMAGE. Pixels of a source image were {how} ({system}, UPDP). Not for diagnosis.",
        comment=f"OBFUSCATED source image ({what}). Not for diagnosis.",
    )


@dataclass(frozen=True)
class SettingSet:
    """Settings under one name, and where they come from. `changes` maps a setting's dotted name to its value."""

    doc: str
    changes: Mapping[str, Any]


@dataclass(frozen=True)
class Slider:
    """A setting that trades privacy against use, by its dotted name.

    The arena draws a method at the `values` of its first slider; the page offers `low` to `high` in steps of `step`.
    """

    name: str
    values: tuple[float, ...]
    low: float
    high: float
    step: float

    @property
    def label(self) -> str:
        """The setting's own name in words."""
        return spoken(self.name)


def spoken(name: str) -> str:
    """A setting's dotted name in words: "generation.guidance_scale" is the guidance scale."""
    return name.rpartition(".")[2].replace("_", " ")


@dataclass(frozen=True)
class Entry:
    """What a method's file says of it, before any model is loaded.

    `holds` is one sentence on what it can and cannot hide. `defaults` gives the method's Config (a frozen dataclass,
    see `updp_core.methods.settings`) under some Settings, and `sets` named changes to it. `derivation` reads the
    settings recorded with an image. `sliders` are what the page offers; the arena moves the first. `check` raises
    ModelUnavailable where the models cannot be had.
    """

    name: str
    title: str
    holds: str
    releasable: bool
    derivation: Callable[[Mapping[str, Any]], Derivation]
    defaults: Callable[[Settings], Any]
    check: Callable[[Settings], None]
    make: Callable[[Settings, Lexicon, Any], Method]
    sets: Mapping[str, SettingSet] = field(default_factory=dict)
    sliders: tuple[Slider, ...] = ()


def reason_of(error: Exception) -> str:
    """What a reviewer may read of a failure: our own messages, which hold no patient text; else its kind alone."""
    if isinstance(error, UpdpError):
        return str(error)
    return f"{type(error).__name__} while making this pair. Try it again, and report it if it persists."


def holds_strength(settings: Any) -> bool:
    """True where a `strength` is set anywhere in recorded settings: the image then started from the source's pixels."""
    if not isinstance(settings, Mapping):
        return False
    return settings.get("strength") is not None or any(holds_strength(item) for item in settings.values())


def from_text_or_image(settings: Mapping[str, Any]) -> Derivation:
    """The derivation of a method that draws from a text, and from the source too where a `strength` is set."""
    return FROM_IMAGE if holds_strength(settings) else FROM_TEXT
