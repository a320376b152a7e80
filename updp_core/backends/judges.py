"""The judges: finding classifier, re-identification and image-text score, kept apart from what is optimised."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from updp_core.backends import files
from updp_core.config import STARTER
from updp_core.errors import ModelUnavailable

_REMEDY = "Run `python -m updp_core train judges`, or restore the folder data/models/starter/judges."


@dataclass(frozen=True)
class JudgeShape:
    """Shape of the network; `findings` names the outputs of the finding head in order, `size` the input side (px)."""

    findings: tuple[str, ...]
    vocab: int
    size: int = 256
    widths: tuple[int, ...] = (32, 64, 128, 256)
    blocks: tuple[int, ...] = (1, 1, 1, 1)
    identity: int = 128
    score: int = 128
    word: int = 128


class _Block(nn.Module):
    """Two 3x3 convolutions with batch norm and a shortcut."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, 1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
            nn.Conv2d(after, after, 3, 1, 1, bias=False),
            nn.BatchNorm2d(after),
        )
        self.short: nn.Module = nn.Identity()
        if stride > 1 or before != after:
            self.short = nn.Sequential(
                nn.AvgPool2d(stride) if stride > 1 else nn.Identity(), nn.Conv2d(before, after, 1)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.body(x) + self.short(x))


class JudgeNetwork(nn.Module):
    """ResNet trunk from a quarter of the input resolution on, average and maximum pooling, three heads, GRU texts."""

    def __init__(self, shape: JudgeShape) -> None:
        super().__init__()
        self.shape = shape
        first = shape.widths[0]
        layers: list[nn.Module] = [
            nn.Conv2d(1, first, 7, 4, 3, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(inplace=True),
        ]
        before = first
        for level, (width, count) in enumerate(zip(shape.widths, shape.blocks, strict=True)):
            for n in range(count):
                layers.append(_Block(before, width, 2 if level and not n else 1))
                before = width
        self.trunk = nn.Sequential(*layers)
        self.finding_head = nn.Linear(2 * before, len(shape.findings))
        self.identity_head = nn.Sequential(
            nn.Linear(2 * before, 2 * shape.identity), nn.ReLU(), nn.Linear(2 * shape.identity, shape.identity)
        )
        self.score_head = nn.Linear(2 * before, shape.score)
        self.words = nn.Embedding(shape.vocab, shape.word, padding_idx=0)
        self.gru = nn.GRU(shape.word, shape.word, batch_first=True, bidirectional=True)
        self.text_head = nn.Linear(2 * shape.word, shape.score)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 1, S, S) in 0..1 -> (B, 2 * last width): mean and maximum over the map."""
        return self.pooled(self.fields(x))

    def fields(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 1, S, S) in 0..1 -> (B, last width, S / 32, S / 32): the map before pooling."""
        return self.trunk((x - 0.5) / 0.25)

    def pooled(self, y: torch.Tensor) -> torch.Tensor:
        """A map (B, C, h, w) -> (B, 2 C): its mean and its maximum."""
        return torch.cat([y.mean(dim=(2, 3)), y.amax(dim=(2, 3))], dim=1)

    def read(self, ids: torch.Tensor) -> torch.Tensor:
        """Token ids (B, L), 0 is padding -> (B, score), not normalised."""
        mask = ids != 0
        # Packed, so that the backward direction starts at each text's own end and not in the padding.
        packed = nn.utils.rnn.pack_padded_sequence(
            self.words(ids), mask.sum(dim=1).clamp_min(1).cpu(), batch_first=True, enforce_sorted=False
        )
        y, _ = nn.utils.rnn.pad_packed_sequence(self.gru(packed)[0], batch_first=True, total_length=ids.shape[1])
        return self.text_head(y.masked_fill(~mask.unsqueeze(-1), -1e4).amax(dim=1))


SENSITIVITY = "sensitivity.csv"
FEW = 15
"""Originals with a finding below which a share of them says little."""


@dataclass(frozen=True, eq=False, repr=False)
class Judges:
    """Loaded judges. Images are float32 (B, S, S) in 0..1, any square side: they are resized to the network's.

    `present` says from which probability on a finding counts as seen, where the judges were calibrated; `sensitivity`
    in which share of held-out originals that show a finding they see it, where that was measured (sensitivity.csv).
    """

    digest: str
    finding_names: tuple[str, ...]
    reference: Mapping[str, NDArray[Any]]
    network: JudgeNetwork
    device: str
    _tokenizer: Any
    present: Mapping[str, float] = field(default_factory=dict)
    sensitivity: Mapping[str, float] = field(default_factory=dict)

    def findings(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B, S, S) -> probabilities (B, F) in the order of `finding_names`."""
        return self._run(images, lambda f: self.network.finding_head(f).sigmoid())

    def heat(self, images: NDArray[np.float32], finding: str) -> NDArray[np.float32]:
        """What each field of the image adds to the logit of `finding`: (B, S, S) -> (B, h, w), signed.

        HiResCAM (Draelos and Carin 2020, arXiv:2011.08891): gradient times activation of the last convolution, summed
        over channels. The head is linear on mean and maximum, so the fields sum to the logit less its bias: what is
        shown is what was counted. Grad-CAM, which averages the gradients, would smear each maximum over the image.
        ValueError for a finding that the judges do not know.
        """
        column = self.finding_names.index(finding)
        out = [self._heat(x, column) for x in self._batches(images)]
        return np.concatenate(out) if out else np.zeros((0, 1, 1), np.float32)

    def _heat(self, x: torch.Tensor, column: int) -> NDArray[np.float32]:
        with torch.no_grad():
            fields = self.network.fields(x)
        with torch.enable_grad():
            fields.requires_grad_(True)
            logits = self.network.finding_head(self.network.pooled(fields))[:, column]
            (gradient,) = torch.autograd.grad(logits.sum(), fields)
        return (gradient * fields).sum(dim=1).detach().float().cpu().numpy()

    def identity(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B, S, S) -> (B, 128), l2-normalised: images of one patient lie close."""
        return self._run(images, lambda f: F.normalize(self.network.identity_head(f), dim=-1))

    def features(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B, S, S) -> (B, D) pooled features, for distances between sets of images."""
        return self._run(images, lambda f: f)

    def score(self, images: NDArray[np.float32], texts: Sequence[str]) -> NDArray[np.float32]:
        """Cosine (B,) of each image (B, S, S) with its text."""
        zi = torch.from_numpy(self._run(images, lambda f: F.normalize(self.network.score_head(f), dim=-1)))
        return (zi * self.text_features(texts)).sum(dim=-1).numpy()

    @torch.no_grad()
    def text_features(self, texts: Sequence[str]) -> torch.Tensor:
        """Texts -> (B, D), l2-normalised."""
        ids = self._tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt", verbose=False)[
            "input_ids"
        ]
        return F.normalize(self.network.read(ids.to(self.device)), dim=-1).cpu()

    def nearest(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Distance (B,) of each image to the nearest image of the training set's bank, in standardised features.

        Compare with `reference["train_nearest_p1"]`, the 1st percentile of the same distance among training images.
        """
        return nearest(standardised(self.features(images), self.reference), self.reference["bank"])

    def _batches(self, images: NDArray[np.float32], batch: int = 32) -> Iterator[torch.Tensor]:
        """Images (B, S, S) as tensors (b, 1, size, size) on the judges' device."""
        images = np.asarray(images, np.float32)
        if images.ndim != 3 or images.shape[1] != images.shape[2]:
            raise ValueError(f"Judges need images (B, S, S), got {images.shape}.")
        for start in range(0, len(images), batch):
            x = torch.from_numpy(images[start : start + batch])[:, None].to(self.device)
            if x.shape[-1] != self.network.shape.size:
                x = F.interpolate(x, size=(self.network.shape.size,) * 2, mode="bilinear", antialias=True)
            yield x

    @torch.no_grad()
    def _run(self, images: NDArray[np.float32], head: Any) -> NDArray[np.float32]:
        out = [head(self.network.features(x)).float().cpu().numpy() for x in self._batches(images)]
        width = out[0].shape[1] if out else 0
        return np.concatenate(out) if out else np.zeros((0, width), np.float32)


def standardised(features: NDArray[np.float32], reference: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    """Features (B, D) in units of the training set's standard deviation."""
    return ((features - reference["mean"]) / reference["std"]).astype(np.float32)


def nearest(a: NDArray[np.float32], bank: NDArray[np.float32]) -> NDArray[np.float32]:
    """Euclidean distance (A,) of each row of (A, D) to the nearest row of `bank` (N, D)."""
    out = np.empty(len(a), np.float32)
    norms = (bank**2).sum(axis=1)
    for start in range(0, len(a), 256):
        part = a[start : start + 256]
        d2 = (part**2).sum(axis=1)[:, None] + norms[None] - 2 * part @ bank.T
        out[start : start + 256] = np.sqrt(np.maximum(d2.min(axis=1), 0))
    return out


def load_judges(folder: Path = STARTER / "judges", device: str = "auto", reference: bool = True) -> Judges:
    """The judges in `folder`; without `reference` its statistics are not read (they are computed with the judges).

    Raises ModelUnavailable where files are missing or damaged.
    """
    from transformers import BertTokenizerFast  # type: ignore[attr-defined]

    folder, place = Path(folder), files.pick_device(device)
    needed = ("config.json", "judges.safetensors", "tokenizer.json", "reference.npz")[: 4 if reference else 3]
    if missing := [name for name in needed if not (folder / name).is_file()]:
        raise ModelUnavailable(f"The judges' folder lacks {', '.join(missing)}.", _REMEDY)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        present = config.pop("present", {})
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in config.items()}
        shape = JudgeShape(**values)
        network = JudgeNetwork(shape)
        files.read_half(network, folder / "judges.safetensors")
        statistics: dict[str, NDArray[Any]] = {}
        if reference:
            with np.load(folder / "reference.npz") as stored:
                statistics = {key: stored[key].astype(np.float32) for key in stored.files}
        tokenizer = BertTokenizerFast.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        raise ModelUnavailable(f"The judges cannot be loaded ({type(error).__name__}).", _REMEDY) from error
    network.to(place).eval().requires_grad_(False)
    digest = files.digest(folder)
    sensitivity = sensitivity_of(folder, digest)
    return Judges(digest, shape.findings, statistics, network, place, tokenizer, present, sensitivity)


def sensitivity_of(folder: Path, digest: str) -> dict[str, float]:
    """Finding -> share of the originals with it in which these judges see it, measured on held-out patients; a finding
    of fewer than FEW originals, and what was measured of other judges than `digest`, is left out."""
    path = folder / SENSITIVITY
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["judges"] == digest and int(row["originals"]) >= FEW]
    return {row["finding"]: round(int(row["seen"]) / int(row["originals"]), 3) for row in rows}
