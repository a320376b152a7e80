"""What every recipe needs, prepared once in a work folder: images, texts, vocabulary, targets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from updp_core.domain import Rejection, SourceStudy
from updp_core.errors import UsageError
from updp_core.findings.labeler import findings_in
from updp_core.imageset import TRAIN, ImageSet, append, open_set, phantom_set, trim, visit_of
from updp_core.intake import read_source
from updp_core.intake.pixels import decode_png, letterbox, to_uint8
from updp_core.lexicon import load_lexicon
from updp_core.phantom.report import write_report
from updp_core.report import filter_report
from updp_core.report.filter import prompt_text

from .captions import keywords, label_caption, targets_of, texts_of
from .tokens import build_vocabulary


@dataclass(frozen=True)
class Material:
    """A training set with everything the recipes read: texts of each image, targets (N, K) by name, vocabulary."""

    title: str
    data: ImageSet
    texts: list[list[str]]
    names: tuple[str, ...]
    targets: np.ndarray
    vocab: dict[str, int]

    def with_findings(self) -> Material:
        """Itself, for a recipe that learns findings. Raises UsageError where no study has one."""
        if not self.names:
            raise UsageError("Nothing is found in any of these studies: raise --limit, or name the labels by --labels.")
        return self

    def short(self, index: int, rng: np.random.Generator) -> str:
        """A keyword caption of an image."""
        row = self.data.rows[index]
        return (
            keywords(_visit(row["patient"], row["visit"]), rng) if "visit" in row else label_caption(row["labels"], rng)
        )

    def without_letters(self) -> np.ndarray:
        """Indices of the images that carry no letters: what a generator learns from."""
        return np.array([i for i, row in enumerate(self.data.rows) if not row.get("annotated")], np.int64)


_visits: dict[tuple[int, int], Any] = {}


def _visit(patient: int, visit: int) -> Any:
    key = (patient, visit)
    if key not in _visits:
        _visits[key] = visit_of({"patient": patient, "visit": visit})
    return _visits[key]


def source_set(
    folder: Path,
    source: Path,
    size: int = 256,
    labels: str = "",
    columns: Mapping[str, str] | None = None,
    limit: int | None = None,
    say: Callable[[str], None] = print,
) -> ImageSet:
    """A training set of an archive (any intake source), letterboxed to (size, size); going on where a call stopped.

    Only filtered reports and numbered patients are stored. `labels` names a manifest column of finding labels joined
    by "|", from which reports are made by template; otherwise findings are read from the reports.
    """
    lexicon = load_lexicon()
    numbers: dict[str, int] = {}
    columns = dict(columns or {}) | ({"report_text": labels} if labels else {})
    done, refused = trim(folder, size), 0

    def batches() -> Iterator[tuple[np.ndarray, list[dict[str, Any]]]]:
        nonlocal refused
        seen = 0
        for study in read_source(source, columns=columns or None):
            if isinstance(study, Rejection):
                refused += 1
                continue
            assert isinstance(study, SourceStudy)
            number = numbers.setdefault(study.patient_key, len(numbers))
            seen += 1
            if seen <= done:
                continue
            if limit is not None and seen > limit:
                return
            row: dict[str, Any] = {"patient": number, "annotated": False, "text": ""}
            if labels:
                found = [part.strip() for part in study.report.split("|")]
                row["labels"] = {part: True for part in found if part and part.casefold() != "no finding"}
            else:
                filtered = filter_report(study.report, lexicon, study.header, policy="remove").text
                row["text"] = prompt_text(filtered, lexicon)
                row["labels"] = {k: True for k, v in findings_in(filtered).items() if v}
            if seen % 100 == 0:
                say(f"{folder.name}: {seen} images, {refused} rejected")
            yield to_uint8(letterbox(decode_png(study.png).astype(np.uint16), size))[None], [row]

    append(folder, size, batches())
    found = open_set(folder)
    if not len(found):
        raise UsageError("No image of this source can be trained on: import it once to see the reasons.")
    return found


def prepare(
    work: Path,
    source: Path | None = None,
    patients: int = 2400,
    size: int = 256,
    labels: str = "",
    limit: int | None = None,
    vocabulary: int = 6000,
    workers: int = 1,
    say: Callable[[str], None] = print,
) -> Material:
    """Material from phantoms (default) or from an archive; what is already in `work` is not made again."""
    if source is None:
        title = f"phantoms of {patients} patients (seeds from {TRAIN.start})"
        data = phantom_set(work / "phantoms", TRAIN, patients, size, workers, say=say)
    else:
        title = "an archive of the user's own"
        data = source_set(work / "source", source, size, labels, limit=limit, say=say)
    texts = cached(work / "texts.json", lambda: [texts_of(row, 4, seed=i) for i, row in enumerate(data.rows)])
    if len(texts) < len(data):
        texts += [texts_of(row, 4, seed=len(texts) + i) for i, row in enumerate(data.rows[len(texts) :])]
    names, targets = targets_of(data.rows)
    vocab = cached(work / "vocab.json", lambda: build_vocabulary(_corpus(data, texts), vocabulary))
    return Material(title, data, texts, names, targets, vocab)


def _corpus(data: ImageSet, texts: Sequence[Sequence[str]]) -> list[str]:
    """What the vocabulary is learned from: captions, and for phantoms whole reports with their planted PHI too."""
    corpus = [text for options in texts[::4] for text in options]
    if data.rows and "visit" in data.rows[0]:
        corpus += [write_report(_visit(row["patient"], row["visit"]), 11).text for row in data.rows[::5]]
    return corpus


def cached(file: Path, make: Callable[[], Any]) -> Any:
    """The JSON in `file`, made and written first where it is missing."""
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(make()), encoding="utf-8")
    return json.loads(file.read_text(encoding="utf-8"))
