"""Privacy-Net: a U-Net draws the source image anew so that a verifier no longer knows the patient.

After Kim et al. (2021), as PriCheXy-Net's paper compares with it; written from the description. The slider mixes the
redrawn image into the source: the weight of the verifier itself is set when the network is trained.
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

NAME, TITLE = "privacy-net", "Privacy-Net (redrawn by a U-Net)"


@dataclass(frozen=True)
class Config:
    """How much of the redrawn image is taken, the image side, and the weights."""

    share: float = setting(1.0, "Share of the redrawn image in each pixel; 0 gives the source back", 0, 1)
    size: int = setting(256, "Image side in pixels", 8, 4096)
    model: str = setting("", "Folder of the weights [default: the starter's, trained on phantoms]")


@dataclass(frozen=True, eq=False)
class PrivacyNet:
    """The method with its network loaded."""

    config: Config
    net: UNet
    digest: str
    device: str
    name: str = NAME
    title: str = TITLE
    releasable: bool = True

    @classmethod
    def load(cls, settings: Settings, config: Config) -> PrivacyNet:
        """Raises ModelUnavailable where the weights are missing."""
        from updp_core.backends.obfuscator import load_unet  # torch

        folder, device = folder_of(config.model, NAME), files.pick_device(settings.device)
        return cls(config, load_unet(folder, NAME, "image", device), files.digest(folder), device)

    def settings(self) -> dict[str, Any]:
        return {"method": self.name, **asdict(self.config), "obfuscator": {"name": NAME, "sha256": self.digest}}

    def propose(self, records: Sequence[MethodInput], *, seeds: Sequence[int]) -> Iterator[Step]:
        """One step of stage "image" for each record. The image follows from the source; the seeds have no part."""
        return alter(records, seeds, self.config.size, self._redrawn)

    def _redrawn(self, image: torch.Tensor) -> tuple[torch.Tensor, dict[str, float]]:
        import torch

        from updp_core.backends.obfuscator import redraw

        with torch.no_grad():
            image = image.to(self.device)
            made = redraw(image, self.net(image), self.config.share)
            return made, {"changed_mean": round(float((made - image).abs().mean()), 4)}


ENTRY = Entry(
    name=NAME,
    title=TITLE,
    holds="Hides what its network does not redraw, fine texture first; shape of chest and heart stays.",
    releasable=True,
    derivation=lambda settings: obfuscation("redrawn by a network", "redrawn by a neural network", "Privacy-Net"),
    defaults=lambda settings: Config(),
    check=lambda settings: check(NAME),
    make=lambda settings, lexicon, config: PrivacyNet.load(settings, config),
)
