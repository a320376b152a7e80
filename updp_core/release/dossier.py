"""dossier.html: what a regulator asks of a release, in one page without script that prints.

It says what release.json and the models' cards hold, and nothing else, so that it is cut down to what may leave by the
same allow-list. What was not measured is said to be so.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from updp_core.evaluation import cards
from updp_core.evidence.gates import RULES
from updp_core.methods import METHODS, derivation_of
from updp_core.release import allowed, dicom, signature
from updp_core.release.text import weaknesses

ACTIONS = {
    "X": "X: removed, not in the object",
    "Z": "Z: present and empty",
    "U": "U: a new random UID; equal only where the same new object or examination is meant",
    "D": "D: a new value, with nothing of the source in it",
}
"""The action codes of PS3.15 table E.1-1a that the writer uses."""
REPORT_POLICIES = {
    "placeholder": "a placeholder with the kind of identifier, such as [NAME], stands in its place",
    "remove": "it is taken out",
    "surrogate": "an invented stand-in, drawn with a secret key, stands in its place",
    allowed.NOT_TOLD: "it is not recorded how it was replaced",
}
KINDS = {
    "text": "drawn from words",
    "image": "drawn from the noised source image",
    "obfuscation": "the source image's own pixels, altered",
}

_ENV = Environment(
    loader=PackageLoader("updp_core.release", "."),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def dossier(description: Mapping[str, Any], derivations: Mapping[str, int]) -> str:
    """The page of a release. `description` is what release.json holds; `derivations` maps each sentence on what images
    were made from to pairs."""
    counts = description["counts"]
    thresholds = description["header"].get("thresholds", {})
    gates = [
        {
            "title": rule.title,
            "fails": f"{rule.worse} {thresholds.get(name, {}).get('limit', rule.limit):g}",
            "action": thresholds.get(name, {}).get("action", rule.action),
            "states": description["gate_states"].get(name, {}),
        }
        for name, rule in RULES.items()
    ]
    return _ENV.get_template("dossier.html").render(
        of=description,
        counts=counts,
        derivations=dict(sorted(derivations.items())),
        methods={METHODS[name].title if name in METHODS else name: n for name, n in counts["method"].items()},
        kinds={KINDS[kind]: n for kind, n in counts["derivation"].items()},
        report_policies={REPORT_POLICIES[name]: n for name, n in counts["report_policy"].items()},
        codes=dicom.CODES,
        actions={ACTIONS[code]: names for code, names in header_actions().items()},
        gates=gates,
        first=description["true_patient_first"],
        agreement=_whole(description["header"].get("agreement")),
        overrides={RULES[name].title: n for name, n in counts["overrides"].items()},
        weak=[*weaknesses(description), *_missed(description)],
        checks=signature.CHECKS,
        **figures(description),
    )


def _whole(agreement: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The agreement where all of it was told."""
    told = agreement is not None and all(isinstance(agreement.get(name), int) for name in ("pairs", "agree"))
    return {"kappa": None, **agreement} if agreement and told else None


@functools.cache
def header_actions() -> dict[str, list[str]]:
    """Action code -> attributes, read off an object that the writer of releases makes; "X" stands for all others."""
    sample = dicom.dicom_bytes(
        np.zeros((8, 8), np.uint8),
        patient="p",
        study_uid=dicom.new_uid(),
        version="0",
        today=dt.date(2000, 1, 1),
        derivation=derivation_of("updp", {}),
    )
    found: dict[str, list[str]] = {"X": ["every attribute that is not named here, private ones included"]}
    for _, name, action in dicom.header_actions(sample):
        found.setdefault(action, []).append(name)
    return {code: found[code] for code in ACTIONS if code in found}


def figures(description: Mapping[str, Any]) -> dict[str, Any]:
    """The models' measured figures: {"figures": rows of cards.rows, "how": str, "why_not": str}.

    They count only where encoder and generator of every pair are the very ones that were measured, by digest.
    """
    result, pairs, counts = cards.read(), description["pairs"], description["counts"]["models"]
    if result is None:
        return {"figures": [], "how": "", "why_not": "Not measured: no figures lie beside the models of the sender."}
    known = result.get("models", {})
    if not all(counts.get(f"{part} {known.get(part, '')}") == pairs for part in ("encoder", "generator")):
        why = (
            "Not measured for the models that made these pairs: figures exist for the starter models alone, as shipped."
        )
        return {"figures": [], "how": "", "why_not": why}
    return {"figures": cards.rows(result), "how": cards.how(result), "why_not": ""}


def _missed(description: Mapping[str, Any]) -> list[str]:
    rows = [row for row in figures(description)["figures"] if row["missed"]]
    return [f"A bar was missed. {row['measure']}: {row['value']}, where the bar is {row['bar']}." for row in rows]
