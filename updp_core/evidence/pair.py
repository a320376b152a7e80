"""The evidence of a pair: measures by models that took no part in making it, and what of them may leave."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from updp_core.domain import Image8, Image16, MethodInput, Prompt, Proposal, Span
from updp_core.evidence import appearance, distance, ocr
from updp_core.evidence.gates import EQUALS, PEOPLE, RULES
from updp_core.findings import labeler
from updp_core.findings.levels import fewest_out
from updp_core.findings.terms import FINDINGS
from updp_core.intake.pixels import letterbox
from updp_core.lexicon import Lexicon
from updp_core.report import residual
from updp_core.report.filter import own_identifiers

JUDGE_SIZE = 256
PRESENT = 0.5
MARGIN = 0.25
RELIABLE = 0.9
"""The share of originals with a finding in which a judge sees it, from which its silence counts."""


class Judges(Protocol):
    """What the evidence asks of independent models (updp_core.backends.judges). Images: float32 (B, S, S) in 0..1.

    `reference` holds, of training images, "mean" and "std" (D,) of their features and a "bank" (N, D) of standardised
    ones; without a bank, distances are not measured.
    """

    @property
    def finding_names(self) -> Sequence[str]: ...

    @property
    def present(self) -> Mapping[str, float]: ...
    @property
    def sensitivity(self) -> Mapping[str, float]: ...
    @property
    def reference(self) -> Mapping[str, NDArray[Any]]: ...

    def findings(self, images: NDArray[np.float32]) -> NDArray[np.float32]: ...
    def identity(self, images: NDArray[np.float32]) -> NDArray[np.float32]: ...
    def score(self, images: NDArray[np.float32], texts: Sequence[str]) -> NDArray[np.float32]: ...
    def features(self, images: NDArray[np.float32]) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class IdentityBank:
    """Identity embeddings of originals, (N, d) l2-normalised, the opaque patient key of each, and the findings that its
    report asserts."""

    patients: tuple[str, ...]
    embeddings: NDArray[np.float32]
    findings: tuple[frozenset[str], ...]


_NOBODY: dict[str, Any] = {"others": None, "patients": 0, "leave_out": []}


@dataclass(frozen=True)
class Company:
    """Who else of a workspace's `people` patients is told the same of: `sharing` counts them by combination of
    findings, the patient in question included with the combinations `own` (None: with the one that is asked for).
    `least` others are enough company."""

    sharing: Mapping[frozenset[str], int] | None
    people: int
    own: Collection[frozenset[str]] | None = None
    least: float = 1

    def of(self, together: frozenset[str]) -> dict[str, Any]:
        """How many other patients share this combination, and what to leave out so that enough do: see `fewest_out`.
        None below PEOPLE."""
        if self.sharing is None:
            return _NOBODY
        if self.people < PEOPLE:
            return _NOBODY | {"patients": self.people}
        others = self.others(together)
        return {
            "others": others.get(together, 0),
            "patients": self.people,
            "leave_out": list(fewest_out(together, others, self.least) or ()),
        }

    def others(self, together: frozenset[str]) -> dict[frozenset[str], int]:
        """The patients besides the one in question, by what is told of them."""
        own = {together} if self.own is None else set(self.own)
        return {told: max(0, count - (told in own)) for told, count in (self.sharing or {}).items()}


def identity_bank(
    images: Sequence[Image16],
    patients: Sequence[str],
    findings: Sequence[frozenset[str]],
    judges: Judges,
    batch: int = 32,
) -> IdentityBank:
    """Embed the originals (H, W) uint16 of all records once; `patients` holds one opaque key an image, `findings` what
    its report asserts."""
    parts = [judges.identity(for_judges(images[i : i + batch])) for i in range(0, len(images), batch)]
    embeddings = np.concatenate(parts).astype(np.float32) if parts else np.zeros((0, 1), "f4")
    return IdentityBank(tuple(patients), embeddings, tuple(findings))


def measure(
    inputs: Sequence[MethodInput],
    proposals: Sequence[Proposal],
    lexicon: Lexicon,
    judges: Judges | None,
    *,
    headers: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
    patients: Mapping[str, str] | None = None,
    bank: IdentityBank | None = None,
    sharing: Mapping[frozenset[str], int] | None = None,
    people: int = 0,
    own: Mapping[str, Collection[frozenset[str]]] | None = None,
    company: float = 1,
    surrogates: Mapping[str, Sequence[Span]] | None = None,
    left_out: Mapping[str, Sequence[str]] | None = None,
) -> list[dict[str, Any]]:
    """JSON-able evidence for each proposal, in order; `inputs` holds at least the records of the proposals.

    A measure that cannot be taken is None, and its gate "unknown". `headers` (record id -> identifiers) widens the
    search for residual PHI; `patients` (record id -> opaque key) and `bank` are what the rank of the true patient is
    taken among (without a bank: the originals of `inputs`); `sharing` counts the patients of the workspace by their
    combination of findings, this record's patient included (see `combination`), and there are `people` in all; `own`
    (record id -> combinations) says where its patient was counted, by default with what this report tells, and
    `company` how many others shall share what is told;
    `surrogates` (record id -> spans) are the invented stand-ins in the filtered reports, `left_out` (record id ->
    findings) what the privacy level does not tell: an image that shows it shows something that its report lacks. No
    text of a report is returned.
    """
    by_id = {item.id: item for item in inputs}
    made = [(by_id[p.record], p.image) for p in proposals if p.image is not None]
    prompts = [p.prompt_text for p in proposals if p.image is not None]
    judged = iter(_judged(made, judges, patients, bank, prompts, left_out or {}))
    return [
        {
            **_textual(
                by_id[proposal.record],
                proposal,
                lexicon,
                (headers or {}).get(proposal.record),
                (surrogates or {}).get(proposal.record, ()),
                Company(sharing, people, (own or {}).get(proposal.record), company),
            ),
            **(next(judged) if proposal.image is not None else {}),
        }
        for proposal in proposals
    ]


def combination(report: str) -> frozenset[str]:
    """The findings that a report asserts: what `sharing` counts patients by."""
    return frozenset(name for name, present in labeler.findings_in(report).items() if present)


def for_judges(images: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    """Images (H, W), uint8 or uint16, as the judges take them: float32 (B, 256, 256) in 0..1, letterboxed."""
    whole = [image.astype(np.uint16) * np.uint16(257) if image.dtype == np.uint8 else image for image in images]
    return np.stack([letterbox(image, JUDGE_SIZE).astype(np.float32) / 65535.0 for image in whole])


def _textual(
    record: MethodInput,
    proposal: Proposal,
    lexicon: Lexicon,
    header: Mapping[str, Sequence[str]] | None,
    surrogates: Sequence[Span],
    company: Company,
) -> dict[str, Any]:
    """The measures that need no judge: alignment, residual PHI, forbidden words, rarity, findings of the report."""
    spans = residual(record.filtered_report, lexicon, header, surrogates)
    hits = forbidden_kinds(proposal.prompt_text, lexicon, header)
    together, given = combination(record.filtered_report), bool(record.filtered_report.strip())
    return {
        "alignment": _alignment(proposal.prompt),
        "residual_phi": {"count": len(spans), "kinds": sorted({span.category for span in spans})},
        "forbidden_in_prompt": {"count": len(hits), "kinds": sorted(set(hits))},
        "findings": {"report": labeler.statuses(record.filtered_report)},
        "report": {"given": given},
        "rarity": {
            "findings": sorted(together),
            **(company.of(together) if given else _NOBODY),
        },
        "method": dict(proposal.method_evidence),
    }


def forbidden_kinds(prompt: str, lexicon: Lexicon, header: Mapping[str, Sequence[str]] | None) -> list[str]:
    """The category of each forbidden piece of a prompt: blacklist, patterns, and the study's own identifiers."""
    own = own_identifiers(prompt, lexicon, header)
    return [hit.category for hit in lexicon.forbidden_in(prompt)] + [span.category for span in own]


def _alignment(prompt: Prompt | None) -> dict[str, float | None] | None:
    if prompt is None:
        return None
    soft, before, after = prompt.alignment_soft, prompt.alignment_before, prompt.alignment_after
    return {"before": _round(before), "after": _round(after), "soft": _round(soft)}


def _judged(
    made: Sequence[tuple[MethodInput, Image8]],
    judges: Judges | None,
    patients: Mapping[str, str] | None,
    bank: IdentityBank | None,
    prompts: Sequence[str],
    left_out: Mapping[str, Sequence[str]],
) -> list[dict[str, Any]]:
    """The measures of images, batched over all pairs; those of the judges are left out where there are none."""
    if not made:
        return []
    rows: list[dict[str, Any]] = []
    for _, image in made:
        boxes = [box for _, box in ocr.read_boxes(image)]
        rows.append({"image_text": {"count": len(boxes), "boxes": [list(box) for box in boxes]}})
    originals = for_judges([record.image for record, _ in made])
    if known := appearance.load_appearance():
        for row, found in zip(rows, appearance.domain(originals, known), strict=True):
            row["domain"] = found
    if judges is None:
        return rows
    synthetic = for_judges([image for _, image in made])
    ids_original, ids_synthetic = judges.identity(originals), judges.identity(synthetic)
    keys = [(patients or {}).get(record.id, record.id) for record, _ in made]
    if bank is None:
        bank = IdentityBank(tuple(keys), ids_original, tuple(combination(record.report) for record, _ in made))
    score_original, score_synthetic = judges.score(originals, prompts), judges.score(synthetic, prompts)
    seen_original, seen_synthetic = judges.findings(originals), judges.findings(synthetic)
    copies = _copies(judges, synthetic)
    for i, row in enumerate(rows):
        row["identity"] = {
            "similarity": _round(ids_original[i] @ ids_synthetic[i]),
            **_among_equals(ids_synthetic[i], keys[i], ids_original[i], combination(made[i][0].report), bank),
        }
        prompted = bool(prompts[i].strip())
        row["prompt_score"] = {
            "original": _round(score_original[i]) if prompted else None,
            "synthetic": _round(score_synthetic[i]) if prompted else None,
        }
        row["findings"] = _compare(
            labeler.statuses(made[i][0].filtered_report),
            dict(zip(judges.finding_names, map(float, seen_original[i]), strict=True)),
            dict(zip(judges.finding_names, map(float, seen_synthetic[i]), strict=True)),
            judges.present,
            judges.sensitivity,
            left_out.get(made[i][0].id, ()),
        )
        row["memorisation"] = copies[i]
    return rows


def _among_equals(
    embedding: NDArray[np.float32],
    patient: str,
    original: NDArray[np.float32],
    findings: frozenset[str],
    bank: IdentityBank,
) -> dict[str, Any]:
    """How the true patient stands among the `equals`, patients with an original of equal findings, him included: only
    anatomy tells them apart. How many are `nearer` to the synthetic image, by their nearest such image (none: rank 1),
    what share is as alike as he is or more (`alike_share`), and how often chance puts him first. Below EQUALS the rank
    is None."""
    best: dict[str, float] = {patient: float(original @ embedding)}
    for key, cosine, theirs in zip(bank.patients, bank.embeddings @ embedding, bank.findings, strict=True):
        if theirs == findings:
            best[key] = max(best.get(key, -1.0), float(cosine))
    nearer, others = sum(value > best[patient] for key, value in best.items() if key != patient), len(best) - 1
    return {
        "rank": nearer + 1 if len(best) >= EQUALS else None,
        "nearer": nearer,
        "equals": len(best),
        "alike_share": round(nearer / others, 3) if others else None,
        "chance": round(1 / len(best), 3),
    }


def _compare(
    report: Mapping[str, str],
    original: Mapping[str, float],
    synthetic: Mapping[str, float],
    present: Mapping[str, float],
    sensitivity: Mapping[str, float],
    left_out: Sequence[str] = (),
) -> dict[str, Any]:
    """Findings of the three sides. The judge is no radiologist, so it is only compared with itself: a finding is lost
    where the report states it and the judge sees it in the original and clearly less in the synthetic image, and
    invented the other way round. What the report leaves open is neither. A stated finding that the judge sees nowhere
    is `unjudged`; but lost (`missing`) where the judge misses it in fewer than one of ten originals that show it.
    `present` says from which probability on the judge sees a finding (else PRESENT)."""
    known = [name for name in FINDINGS if name in synthetic]
    seen = {n: tuple(side[n] >= present.get(n, PRESENT) for side in (original, synthetic)) for n in known}
    clear = {n: abs(original[n] - synthetic[n]) >= MARGIN for n in known}
    stated = [n for n in known if report.get(n) == "present"]
    nowhere = [n for n in stated if seen[n] == (False, False)]
    missing = [n for n in nowhere if sensitivity.get(n, 0.0) >= RELIABLE]
    lost = [n for n in stated if (seen[n] == (True, False) and clear[n]) or n in missing]
    invented = [n for n in known if seen[n] == (False, True) and clear[n] and report.get(n) in (None, "absent")]
    invented += [n for n in known if n in left_out and seen[n][1] and n not in invented]
    return {
        "report": dict(report),
        "original": {name: _round(original[name], 3) for name in known},
        "synthetic": {name: _round(synthetic[name], 3) for name in known},
        "shown": [n for n in known if seen[n][1]],
        "lost": lost,
        "invented": invented,
        "missing": missing,
        "unjudged": [n for n in nowhere if n not in missing],
        "sensitivity": {n: sensitivity[n] for n in known if n in sensitivity},
        "left_out": list(left_out),
        "lost_count": len(lost),
        "invented_count": len(invented),
    }


def _copies(judges: Judges, synthetic: NDArray[np.float32]) -> list[dict[str, Any]]:
    """Distance of each synthetic image to the nearest image of the judges' bank, with its reference percentile."""
    stored = judges.reference
    if "bank" not in stored:
        return [{"distance": None, "percentile": None} for _ in synthetic]
    return distance.copies((judges.features(synthetic) - stored["mean"]) / stored["std"], _reference(judges))


_measured: list[tuple[Judges, distance.Reference]] = []


def _reference(judges: Judges) -> distance.Reference:
    """The training images measured against each other, kept for the judges in use (it takes seconds to make)."""
    for known, reference in _measured:
        if known is judges:
            return reference
    _measured[:] = [(judges, distance.reference_of(judges.reference["bank"]))]
    return _measured[0][1]


def _shown(findings: Mapping[str, Any]) -> list[str]:
    """What the judge sees in the synthetic image; evidence of versions without "shown" was read at PRESENT."""
    if "shown" in findings:
        return list(findings["shown"])
    return [n for n, p in (findings.get("synthetic") or {}).items() if p >= PRESENT]


def _round(value: Any, digits: int = 4) -> float | None:
    number = float(value)
    return round(number, digits) if np.isfinite(number) else None


def publishable(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """What of the evidence may leave: only what follows from released material.

    A cosine with the original, to four digits, is a fingerprint of the original: whoever holds candidates for it could
    compute theirs and find the one that matches. So measures that read the original (alignment, likeness, rank, domain,
    its findings, rarity) leave as the states of their gates only.
    """
    findings = evidence.get("findings") or {}
    return {
        **{
            rule.leaves.name: (evidence.get(rule.path[0]) or {}).get(rule.path[1])
            for rule in RULES.values()
            if rule.leaves
        },
        "findings": {
            "report": dict(findings.get("report") or {}),
            "synthetic": sorted(_shown(findings)),
            "lost": list(findings.get("lost") or []),
        },
    }
