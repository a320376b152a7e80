"""Source images through a small network, record by record: shared by the methods that alter the source's own pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from updp_core.backends import files
from updp_core.config import STARTER, Settings
from updp_core.domain import Image16, MethodInput, Proposal, Step
from updp_core.errors import ModelUnavailable, UsageError
from updp_core.intake.pixels import letterbox
from updp_core.methods.base import reason_of

if TYPE_CHECKING:
    import torch

    from updp_core.backends.obfuscator import Kind, UNet

# An image (1, 1, S, S) in 0..1 and its seed -> the altered one, and what is to be known of it.
Alter = Callable[["torch.Tensor", int], tuple["torch.Tensor", dict[str, float]]]
# The same without a seed, with the network and the method's Config given.
Change = Callable[["UNet", "torch.Tensor", Any], tuple["torch.Tensor", dict[str, float]]]


@dataclass(frozen=True, eq=False)
class Altered:
    """A method that puts the source through one U-Net, with the network loaded.

    `config` has `size` and `model` among its fields; `change(net, image, config)` makes of an image (1, 1, S, S) in
    0..1 the altered one and says what is to be known of it. The result follows from the image; the seeds have no part.
    """

    name: str
    title: str
    config: Any
    change: Change
    net: UNet
    digest: str
    device: str
    releasable: bool = True

    @classmethod
    def load(cls, name: str, title: str, kind: Kind, change: Change, settings: Settings, config: Any) -> Altered:
        """Raises ModelUnavailable where the weights are missing."""
        from updp_core.backends.obfuscator import load_unet  # torch

        folder, device = folder_of(config.model, name), files.pick_device(settings.device)
        return cls(name, title, config, change, load_unet(folder, name, kind, device), files.digest(folder), device)

    def settings(self) -> dict[str, Any]:
        return {"method": self.name, **asdict(self.config), "obfuscator": {"name": self.name, "sha256": self.digest}}

    def propose(self, records: Sequence[MethodInput], *, seeds: Sequence[int]) -> Iterator[Step]:
        """One step of stage "image" for each record."""
        return alter(records, seeds, self.config.size, self._changed)

    def _changed(self, image: torch.Tensor, seed: int) -> tuple[torch.Tensor, dict[str, float]]:
        import torch

        with torch.no_grad():
            return self.change(self.net, image.to(self.device), self.config)


def folder_of(model: str, name: str) -> Path:
    """The folder of a method's weights: the one named by the setting `model`, else the starter's."""
    return (files.local_folder(model) or Path(model)) if model else STARTER / name


def check(name: str) -> None:
    """Raise ModelUnavailable where the starter's weights of the method `name` are not here."""
    if missing := [file for file in ("config.json", "model.safetensors") if not (STARTER / name / file).is_file()]:
        raise ModelUnavailable(
            f"The model of {name} lacks {', '.join(missing)}.",
            f"Run `python -m updp_core train {name}`, or name a folder by the setting `model`.",
        )


def alter(records: Sequence[MethodInput], seeds: Sequence[int], size: int, function: Alter) -> Iterator[Step]:
    """One step of stage "image" for each record, with its proposal; a record that fails says why, and others go on."""
    if len(records) != len(seeds):
        raise UsageError("There must be one seed for each record.")
    for n, (record, seed) in enumerate(zip(records, seeds, strict=True), start=1):
        image, problem = None, ""
        known: dict[str, float] = {}
        try:
            made, known = function(as_tensor(letterbox(record.image, size)), seed)
            image = (made[0, 0].clamp(0, 1) * 255).round().cpu().numpy().astype(np.uint8)
        except Exception as error:
            problem = reason_of(error)
        yield Step("image", n, len(records), (Proposal(record.id, seed, image, None, "", known, problem),))


def as_tensor(image: Image16) -> torch.Tensor:
    """(S, S) uint16 over its full range -> (1, 1, S, S) float32 in 0..1."""
    import torch

    return torch.from_numpy(image.astype(np.float32) / 65535)[None, None]
