"""PriCheXy-Net: a U-Net moves pixels by a smooth field so that a verifier no longer knows the patient.

After Packhaeuser et al. (MICCAI 2023), written from the paper: grid = identity - mu * smoothed U(x). Masks of findings
move by the same call (`updp_core.backends.obfuscator.warp`). The paper's own figures come from a frozen verifier; an
attacker that is trained again on warped images does better, and so does any that looks past a few pixels of movement.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from updp_core.backends import files
from updp_core.config import Settings, setting
from updp_core.domain import MethodInput, Step
from updp_core.methods.altered import alter, check, folder_of
from updp_core.methods.base import Entry, obfuscation

if TYPE_CHECKING:
    import torch

    from updp_core.backends.obfuscator import UNet

NAME, TITLE = "prichexy-net", "PriCheXy-Net (learned warp)"


@dataclass(frozen=True)
class Config:
    """The reach of the warp, the image side, and the weights."""

    mu: float = setting(0.03, "Reach of the warp in half image sides; 0 gives the source back (paper: 0.01)", 0, 1)
    size: int = setting(256, "Image side in pixels", 8, 4096)
    model: str = setting("", "Folder of the weights [default: the starter's, trained on phantoms]")


@dataclass(frozen=True, eq=False)
class PrichexyNet:
    """The method with its network loaded."""

    config: Config
    net: UNet
    digest: str
    device: str
    name: str = NAME
    title: str = TITLE
    releasable: bool = True

    @classmethod
    def load(cls, settings: Settings, config: Config) -> PrichexyNet:
        """Raises ModelUnavailable where the weights are missing."""
        from updp_core.backends.obfuscator import load_unet  # torch

        folder, device = folder_of(config.model, NAME), files.pick_device(settings.device)
        return cls(config, load_unet(folder, NAME, "warp", device), files.digest(folder), device)

    def settings(self) -> dict[str, Any]:
        return {"method": self.name, **asdict(self.config), "obfuscator": {"name": NAME, "sha256": self.digest}}

    def propose(self, records: Sequence[MethodInput], *, seeds: Sequence[int]) -> Iterator[Step]:
        """One step of stage "image" for each record. The warp follows from the image; the seeds have no part."""
        return alter(records, seeds, self.config.size, self._warped)

    def _warped(self, image: torch.Tensor) -> tuple[torch.Tensor, dict[str, float]]:
        import torch

        from updp_core.backends.obfuscator import smooth, warp

        with torch.no_grad():
            image = image.to(self.device)
            field = self.net(image)
            moved = smooth(field).square().sum(dim=1).sqrt() * self.config.mu * self.config.size / 2
            known = {"moved_px_mean": round(float(moved.mean()), 3), "moved_px_max": round(float(moved.max()), 3)}
            return warp(image, field, self.config.mu), known


ENTRY = Entry(
    name=NAME,
    title=TITLE,
    holds="Hides a patient from the verifier it was trained against; texture and devices stay, and so does much else.",
    releasable=True,
    derivation=lambda settings: obfuscation("moved by a warp", "moved by a smooth displacement field", "PriCheXy-Net"),
    defaults=lambda settings: Config(),
    check=lambda settings: check(NAME),
    make=lambda settings, lexicon, config: PrichexyNet.load(settings, config),
)
