"""Legible text in an image, by RapidOCR with the models inside its package: no network, loaded once, quiet.

A name, a date or a number could reach a released image as written text. The marks that radiographers leave (a side,
"AP ERECT", "PORTABLE") single out nobody and are no finding; everything else of three characters or more is.
"""

from __future__ import annotations

import re
import threading
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from updp_core.domain import Image8

MIN_SCORE = 0.6
MIN_CHARACTERS = 3
_MARKS = re.compile(
    "(?:L|R|LEFT|RIGHT|AP|PA|ERECT|UPRIGHT|SUPINE|SITTING|STANDING|SEMI|SEMIERECT|PORTABLE|MOBILE|CHEST|INSP|EXP)+"
)
# Read at about this size: letters of six pixels at 256 px are found at 512, and larger images only cost time.
READ_SIZE = 512
_reading = threading.Lock()


@lru_cache(maxsize=1)
def _engine() -> Any:
    from rapidocr import RapidOCR

    return RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.use_cls": False,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )


def read_text(image: Image8) -> list[str]:
    """Pieces of legible text in an image (H, W) uint8, read with a score of 0.6 or more, without the usual marks.

    These are words of an image that may be a person's: show them to reviewers, and write them into no log.
    """
    return [text for text, _ in read_boxes(image)]


def read_boxes(image: Image8) -> list[tuple[str, tuple[float, float, float, float]]]:
    """As `read_text`, each with its box (left, top, right, bottom) in fractions of width and height."""
    from PIL import Image

    height, width = image.shape
    scale = READ_SIZE / max(height, width)
    if scale > 1:
        size = (round(width * scale), round(height * scale))
        image = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
    with _reading:
        found = _engine()(np.repeat(image[..., None], 3, axis=2), use_cls=False)
    if found.txts is None:
        return []
    return [
        (text, _box(corners, image.shape))
        for text, score, corners in zip(found.txts, found.scores, found.boxes, strict=True)
        if score >= MIN_SCORE and _tells_something(text)
    ]


def _tells_something(text: str) -> bool:
    characters = "".join(c for c in text.upper() if c.isalnum())
    return len(characters) >= MIN_CHARACTERS and not _MARKS.fullmatch(characters)


def _box(corners: NDArray[np.float32], shape: tuple[int, ...]) -> tuple[float, float, float, float]:
    height, width = shape[:2]
    x, y = corners[:, 0] / width, corners[:, 1] / height
    left, top, right, bottom = (round(float(np.clip(v, 0, 1)), 4) for v in (x.min(), y.min(), x.max(), y.max()))
    return left, top, right, bottom
