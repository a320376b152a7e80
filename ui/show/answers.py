"""What the page Insight says in words: about the workspace, beside what was measured of the shipped models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ui.show import render

SHIPPED = ("identity_accuracy.updp", "identity_accuracy.findings_alone", "finding_auc.updp", "finding_auc.original")
FEW = 30
"""Below so many measured pairs a share says little, and the page says so."""


def answers(found: Mapping[str, Any], measured: Mapping[str, Any]) -> str:
    """The answers, each a heading and sentences; `measured` is what was measured of the starter models."""
    rows = {row["name"]: row for row in measured["rows"]}
    shipped = [rows[name] for name in SHIPPED if name in rows]
    findings = found["findings"]
    lost = sum(row["lost"] for row in findings)
    stated = sum(row["stated"] for row in findings)
    return render(
        "insight/answers.html",
        found=found,
        shipped=shipped,
        same=all(model["same"] for model in measured["models"]) and bool(measured["models"]),
        safety=_safety(found),
        lost=lost,
        stated=stated,
        FEW=FEW,
        agreement=_agreement(found["agreement"]),
    )


def _safety(found: Mapping[str, Any]) -> tuple[str, str]:
    """(kind, sentence): what the measures of privacy say of the pairs as they stand; never that it is safe."""
    first, over = found["first"], found["likeness"]["over"]
    if first is None:
        return "warn", "Not measurable yet: it takes the judges, and pairs of at least ten patients."
    if first["low"] > first["chance"]:
        return "stop", "Not by this measure: the true patient is found more often than by chance."
    if over:
        return "warn", "Not every pair: some are too much like their patient. Look at them below."
    return "", "Nothing measured here speaks against it. That is evidence for your decision, no proof of anonymity."


def _agreement(agreement: Mapping[str, Any]) -> str:
    if not agreement.get("pairs"):
        return "No pair has been read twice yet: set a share of blind second readings in the policy."
    kappa = agreement.get("kappa")
    said = f"Of {agreement['pairs']} pairs read twice, blind, the readers agree on {agreement['agree']}"
    return said + (f" (Cohen's kappa {kappa:.2f})." if kappa is not None else ".")
