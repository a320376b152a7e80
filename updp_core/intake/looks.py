"""Does the picture look like an upright, rightly polarised frontal chest?"""

from __future__ import annotations

from updp_core.domain import Image16


def remarks(image: Image16, photometric: str = "") -> tuple[str, ...]:
    """Flags for the reviewer."""
    return ()
