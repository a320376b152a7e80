"""One pair on its way out: what the Workbench hands over, why it may be refused, and what of it is written."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from updp_core.domain import Image8, Span
from updp_core.errors import ReleaseError
from updp_core.evidence.pair import forbidden_kinds
from updp_core.lexicon import Lexicon
from updp_core.release import allowed
from updp_core.report import residual


@dataclass(frozen=True)
class ReleasePair:
    """One approved pair, as the Workbench hands it over. Never written as it stands.

    `candidate` serves only to name a refused pair to the caller. `patient_key` and `study_key` are opaque group keys of
    the workspace; the release gets fresh ids that keep the grouping and nothing else. `identifiers` (kind -> values,
    as in SourceStudy.header) are searched for in report and prompt, and are not written; `surrogates` are the invented
    stand-ins of the report, which look like PHI and are none, and `report_policy` says how it was filtered. `evidence`
    and `decisions` are cut down to what may leave; `gates` maps a gate's name to its state. Method and settings tell
    what the image was made from. `recipe_withheld` keeps prompt, settings and models back: the seed followed from the
    source file, so that whoever holds the file could draw the image again.
    """

    candidate: int | str
    image: Image8
    report: str
    prompt: str
    method: str
    lexicon_version: int
    patient_key: str = field(repr=False)
    study_key: str = field(repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict, repr=False)
    gates: Mapping[str, str] = field(default_factory=dict)
    decisions: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    out_of_domain: bool | None = None
    identifiers: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)
    surrogates: Sequence[Span] = ()
    report_policy: str = ""
    recipe_withheld: bool = False


@dataclass(frozen=True)
class Refusal:
    """A candidate that failed a residual check, and why. `reason` never quotes what was found."""

    candidate: int | str
    reason: str


class ReleaseRefused(ReleaseError):
    """Pairs failed the residual checks. Nothing was written. `refusals` lists every one of them."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        self.refusals = tuple(refusals)
        first = "; ".join(f"candidate {r.candidate}: {r.reason}" for r in self.refusals[:5])
        more = f" (and {len(self.refusals) - 5} more)" if len(self.refusals) > 5 else ""
        super().__init__(
            f"Nothing was released: {len(self.refusals)} pair(s) failed the last check. {first}{more}. "
            "Regenerate or reject them, then release again."
        )


def residual_reasons(pair: ReleasePair, lexicon: Lexicon, read_image_text: Callable[[Image8], list[str]]) -> list[str]:
    """Why this pair must not leave, in words that quote nothing of it; empty where nothing was found."""
    reasons = []
    if not pair.report.strip():
        reasons.append("its filtered report is empty")
    if spans := residual(pair.report, lexicon, pair.identifiers or None, pair.surrogates):
        kinds = ", ".join(sorted({span.category for span in spans}))
        reasons.append(f"its filtered report still holds {len(spans)} piece(s) of PHI ({kinds})")
    if hits := forbidden_kinds(pair.prompt, lexicon, pair.identifiers or None):
        kinds = ", ".join(sorted(set(hits)))
        reasons.append(f"its prompt holds {len(hits)} forbidden term(s) ({kinds})")
    if found := read_image_text(pair.image):
        reasons.append(f"its synthetic image holds legible text in {len(found)} place(s)")
    return reasons


def png_bytes(image: Image8) -> bytes:
    """An 8-bit grayscale PNG with the chunks IHDR, IDAT and IEND only: no text, no time, no profile."""
    from PIL import Image

    if image.dtype != np.uint8 or image.ndim != 2:
        raise ReleaseError("A released image must be 8-bit grayscale (H, W). Generate this candidate again.")
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(out, format="PNG", optimize=False)
    return out.getvalue()


def public_decision(decision: Mapping[str, Any]) -> dict[str, Any]:
    """Verdict, role, day (never a time of day, a name or a comment), how it was given, and overridden gates."""
    said = {key: value for key, value in decision.items() if value not in (None, "", [], ())}
    return dict(allowed.decision(said))
