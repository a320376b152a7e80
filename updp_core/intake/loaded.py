"""What a layout asks a decoder process for, and what it gets back."""

from __future__ import annotations

import functools
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from updp_core.domain import NOTHING_ASSUMED, Assume, Rejection, SourceStudy
from updp_core.errors import IntakeError
from updp_core.intake.pool import Pool, shared_pool


@dataclass(frozen=True)
class Loaded:
    """An image that may go on; the keys and the header are empty where the file carries no header.

    `png` is the normalised image, 16-bit greyscale of `size` (H, W); `sha256` is of the source file.
    """

    png: bytes
    size: tuple[int, int]
    sha256: str
    bit_depth: int
    view: str
    flags: tuple[str, ...]
    patient_key: str = ""
    study_key: str = ""
    report_keys: Sequence[tuple[str, str]] = ()
    embedded_report: str = ""
    header: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Pending:
    """An image to read: its name in a rejection, its file, the view that is stated of it, and what makes the study.

    `study` is called once the image is there; it may raise IntakeError.
    """

    source: str
    path: Path
    view: str
    study: Callable[[Loaded], SourceStudy]
    dicom: bool = False
    """Whether only DICOM will do, whatever the file's name and first bytes say."""


Afterwards = Callable[[], Iterable[Rejection]]
"""Rejections that can only be told once every image before them has become a study or not."""


def decoded(
    items: Iterable[Pending | Rejection | Afterwards], pool: Pool | None = None, assume: Assume = NOTHING_ASSUMED
) -> Iterator[SourceStudy | Rejection]:
    """The studies of these images, in order, read ahead by the decoder processes."""
    for item, future in (pool or shared_pool()).ahead(items, functools.partial(_request, assume)):
        if isinstance(item, Pending):
            try:
                yield item.study(_loaded(*future.result()))
            except IntakeError as error:
                yield Rejection(item.source, str(error))
        elif isinstance(item, Rejection):
            yield item
        else:
            yield from item()


def structured_report(path: Path) -> tuple[str, str, dict[str, tuple[str, ...]]] | None:
    """See `structured.structured_report`; read by a decoder process. Raises IntakeError."""
    answer, _ = shared_pool().ask({"what": "report", "path": _hex(path)}).result()
    if answer["report"] is None:
        return None
    study, text, header = answer["report"]
    return str(study), str(text), {kind: tuple(values) for kind, values in header.items()}


def _request(assume: Assume, item: Pending | Rejection | Afterwards) -> dict[str, Any] | None:
    if not isinstance(item, Pending):
        return None
    return {
        "what": "dicom" if item.dicom else "image",
        "path": _hex(item.path),
        "view": item.view,
        "assume": vars(assume),
    }


def _hex(path: Path) -> str:
    """The path as ASCII that keeps every byte: names need not be UTF-8."""
    return os.fsencode(path.absolute()).hex()


def _loaded(answer: Mapping[str, Any], png: bytes) -> Loaded:
    """The answer of a child, which is believed no more than a file: its types and the PNG's head are checked."""
    try:
        told = dict(answer["loaded"])
        height, width = told["size"]
        if png[:26] != b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">IIBB", width, height, 16, 0):
            raise ValueError
        return Loaded(
            png=png,
            size=(height, width),
            sha256=str(told["sha256"]),
            bit_depth=int(told["bit_depth"]),
            view=str(told["view"]),
            flags=tuple(map(str, told["flags"])),
            patient_key=str(told["patient_key"]),
            study_key=str(told["study_key"]),
            report_keys=[(str(kind), str(key)) for kind, key in told["report_keys"]],
            embedded_report=str(told["embedded_report"]),
            header={str(kind): tuple(map(str, values)) for kind, values in told["header"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError, struct.error):
        raise IntakeError("its decoder gave an answer that makes no sense: the file is damaged") from None
