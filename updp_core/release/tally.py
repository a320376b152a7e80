"""What a release says of its pairs, and the counts over them: cut down to what may leave before it is counted."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from updp_core import __version__
from updp_core.evaluation import statistics
from updp_core.evidence.pair import publishable
from updp_core.methods import derivation_of
from updp_core.release import allowed
from updp_core.release.pair import ReleasePair, public_decision
from updp_core.release.verifying import FORMAT

_LINE = ("method", "derivation", "lexicon", "domain", "approval", "preset", "report_policy")
COUNTED = (*_LINE, "verdicts", "overrides", "models")


def told(pair: ReleasePair, include_prompts: bool) -> dict[str, Any]:
    """The fields of a pair's line in the manifest that do not name its files and ids."""
    withheld = pair.recipe_withheld
    return {
        "derivation": derivation_of(pair.method, pair.settings).kind,
        "out_of_domain": pair.out_of_domain,
        "prompt": pair.prompt if include_prompts and not withheld else None,
        "method": allowed.method(pair.method),
        "settings": None if withheld else allowed.settings(pair.settings),
        "models": None if withheld else allowed.models(pair.models),
        # No seed: with it and the source, an image can be drawn again and compared.
        # Not the digest: with the shipped lists at hand, it would confirm a guess at a name that somebody added.
        "lexicon": {"version": int(pair.lexicon_version)},
        "evidence": allowed.evidence(publishable(pair.evidence)),
        "gates": allowed.gates(pair.gates),
        "decisions": [public_decision(decision) for decision in pair.decisions],
    }


class Tally:
    """Counts over pairs, one at a time, in memory that does not grow with them but by a group key each."""

    def __init__(self) -> None:
        self.pairs = self.recipes_withheld = 0
        self.patients: set[str] = set()
        self.studies: set[tuple[str, str]] = set()
        self.counts: dict[str, Counter[str]] = {name: Counter() for name in COUNTED}
        self.gates: dict[str, Counter[str]] = {}
        self.sentences: Counter[str] = Counter()
        self.ranks: list[tuple[str, bool, float]] = []

    def add(self, pair: ReleasePair, line: Mapping[str, Any]) -> None:
        """Count a pair by what its line (see `told`) says, so that nothing leaves by way of a count."""
        self.pairs += 1
        self.recipes_withheld += pair.recipe_withheld
        self.patients.add(pair.patient_key)
        self.studies.add((pair.patient_key, pair.study_key))
        self.sentences[derivation_of(pair.method, pair.settings).sentence] += 1
        domain = {True: "outside", False: "inside", None: "not measured"}[pair.out_of_domain]
        alone = any(d.get("verdict") == "approve" and d.get("how") != "batch" for d in line["decisions"])
        for name, value in (
            ("method", line["method"]),
            ("derivation", line["derivation"]),
            ("lexicon", f"version {line['lexicon']['version']}"),
            ("preset", allowed.settings(pair.settings).get("preset", allowed.NOT_TOLD)),
            ("domain", domain),
            ("approval", "single" if alone else "batch"),
            ("report_policy", allowed.report_policy(pair.report_policy)),
        ):
            self.counts[name][value] += 1
        for name, state in line["gates"].items():
            self.gates.setdefault(name, Counter())[state] += 1
        for decision in line["decisions"]:
            self.counts["verdicts"][f"{decision.get('verdict')} by {decision.get('role')}"] += 1
            self.counts["overrides"].update(decision.get("overrides", []))
        for part, digest in (line["models"] or {}).items():
            self.counts["models"][f"{part} {digest}"] += 1
        found = allowed.rank(pair.evidence.get("identity") or {})
        among = found.get("equals", found.get("patients"))  # earlier versions ranked among all patients
        if isinstance(found.get("rank"), int) and isinstance(among, int):
            self.ranks.append((pair.patient_key, found["rank"] == 1, 1 / among))

    def description(
        self,
        header: Mapping[str, Any],
        *,
        include_prompts: bool,
        manifest: str | None = None,
        signed_by: str | None = None,
        day: dt.date | None = None,
    ) -> dict[str, Any]:
        """What release.json holds; `manifest` (its sha256) is None before it is written."""
        return {
            "format": FORMAT,
            "software": f"UPDP {__version__}",
            "day": (day or dt.datetime.now(dt.UTC).date()).isoformat(),
            "pairs": self.pairs,
            "patients": len(self.patients),
            "studies": len(self.studies),
            "manifest_sha256": manifest,
            "signed_by": signed_by,
            "prompts_included": include_prompts,
            "recipes_withheld": self.recipes_withheld,
            "true_patient_first": first_ranks(self.ranks),
            "counts": {name: dict(sorted(counter.items())) for name, counter in self.counts.items()},
            "gate_states": {name: dict(sorted(counter.items())) for name, counter in sorted(self.gates.items())},
            "header": allowed.header(header),
        }


def first_ranks(ranks: Sequence[tuple[str, bool, float]]) -> dict[str, Any] | None:
    """How many of the pairs measured have their true patient ranked first, with Wilson's interval over patients,
    and how many would by chance; None where it was measured of none.

    `ranks`: a pair each, (group key of the patient, ranked first, its chance of that).
    """
    if not ranks:
        return None
    keys, first, chance = (np.asarray(column) for column in zip(*ranks, strict=True))
    value, low, high = statistics.share(first, keys)
    shares = {"share": value, "low": low, "high": high, "chance": float(chance.mean())}
    return {
        "pairs": len(first),
        "first": int(first.sum()),
        **{name: float(f"{v:.2g}") for name, v in shares.items()},
    }
