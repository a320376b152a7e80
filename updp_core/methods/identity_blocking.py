"""Identity-blocking: the patches that identify most are drawn anew from a code that may tell little.

Inspired by "divide and conquer" de-identification (Tian et al., ICCV 2025), of which the abstract alone was at hand:
how patches are ranked, what the code is and how it is limited are ours (`updp_core.backends.blocking`). With rho 0 the
source comes back; every patch that is not blocked is the source's own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from updp_core.backends import files
from updp_core.backends.encoder import Encoder, load_encoder
from updp_core.config import STARTER, Settings, setting
from updp_core.domain import MethodInput, Step
from updp_core.methods.altered import alter, check, folder_of
from updp_core.methods.base import Entry, Slider, obfuscation

if TYPE_CHECKING:
    import torch

    from updp_core.backends.blocking import Blocker

NAME, TITLE = "identity-blocking", "Identity-blocking (inspired by divide and conquer)"


@dataclass(frozen=True)
class Config:
    """The share of patches that is blocked, how little the code may tell, the image side, and the weights."""

    rho: float = setting(0.5, "Share of patches blocked, those that identify most first; 0 gives the source back", 0, 1)
    beta: float = setting(0.1, "Weight of the code's rate: the higher, the less the code tells", 0.001, 1)
    size: int = setting(256, "Image side in pixels", 8, 4096)
    model: str = setting("", "Folder of the weights [default: the starter's, trained on phantoms]")


@dataclass(frozen=True, eq=False)
class IdentityBlocking:
    """The method with verifier, decoder and the starter's encoder loaded."""

    config: Config
    net: Blocker
    encoder: Encoder
    digest: str
    device: str
    name: str = NAME
    title: str = TITLE
    releasable: bool = True

    @classmethod
    def load(cls, settings: Settings, config: Config) -> IdentityBlocking:
        """Raises ModelUnavailable where the weights are missing, or learned from another encoder."""
        from updp_core.backends.blocking import load_blocker  # torch

        folder, device = folder_of(config.model, NAME), files.pick_device(settings.device)
        encoder = load_encoder(STARTER / "encoder", settings.device)
        net = load_blocker(folder, lambda: encoder.digest, device)
        return cls(config, net, encoder, files.digest(folder), device)

    def settings(self) -> dict[str, Any]:
        told = {"name": self.name, "sha256": self.digest}
        encoder = {"name": self.encoder.name, "sha256": self.encoder.digest}
        return {"method": self.name, **asdict(self.config), "obfuscator": told, "encoder": encoder}

    def propose(self, records: Sequence[MethodInput], *, seeds: Sequence[int]) -> Iterator[Step]:
        """One step of stage "image" for each record; the seed draws its code."""
        return alter(records, seeds, self.config.size, self._drawn)

    def _drawn(self, image: torch.Tensor, seed: int) -> tuple[torch.Tensor, dict[str, float]]:
        import torch

        from updp_core.backends.blocking import blocked, composed, rate

        source = (image[0, 0] * 65535).round().numpy().astype("uint16")
        image = image.to(self.device)
        mask = blocked(self.net.saliency(image), self.config.rho)
        with torch.no_grad():
            features = self.encoder.encode_image([source]).float().to(self.device)
            mean, spread = self.net.code(features, torch.full((1,), self.config.beta, device=self.device))
            noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(seed)).to(self.device)
            made = composed(image, mask, self.net.draw(image, mask, mean + (spread / 2).exp() * noise))
        known = {
            "blocked": round(float(mask.mean()), 4),
            "code_bits": round(float(rate(mean, spread)) / math.log(2), 2),
        }
        return made, known


ENTRY = Entry(
    name=NAME,
    title=TITLE,
    holds="Hides what the blocked patches showed, as far as the code does not tell it; all other patches stay.",
    releasable=True,
    derivation=lambda settings: obfuscation(
        "partly drawn anew", "drawn anew in some patches by a neural network", "identity-blocking"
    ),
    defaults=lambda settings: Config(),
    check=lambda settings: check(NAME),
    make=lambda settings, lexicon, config: IdentityBlocking.load(settings, config),
    sliders=(Slider("rho", (0.25, 0.5, 1.0), 0, 1, 0.05), Slider("beta", (0.001, 0.1, 1.0), 0.001, 1, 0.001)),
)
