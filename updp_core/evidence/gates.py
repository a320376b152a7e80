"""Gates: what the evidence of a pair says to the two people who decide, as data and pure functions.

A gate compares one value with one limit. Its action (warn or block) and its limit are defaults that a privacy officer's
policy may change; a measure that could not be taken gives the state "unknown", never "clear".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from updp_core.errors import UsageError

EQUALS = 10
"""Patients with equal findings below whom a rank or a likeness says nothing."""
PEOPLE = 100
"""Patients below whom nearly every combination of findings is the only one."""

GateState = Literal["clear", "warn", "block", "unknown"]
Action = Literal["warn", "block"]
Need = Literal["judges", "report"]
Cause = Literal["", "missing", "domain", "report", "unseen"]
"""Why a gate is unknown: the measure is missing; the judges do not know such images; there is no report; the judge sees
in neither image what the report states."""


@dataclass(frozen=True)
class Gate:
    """One gate of one pair. `value` and `threshold` are numbers in the unit that `explanation` names."""

    name: str
    value: float | int | None
    threshold: float | int
    state: GateState
    explanation: str
    title: str = ""
    worse: Literal["above", "below"] = "above"
    cause: Cause = ""


@dataclass(frozen=True)
class Leaves:
    """The name under which a gate's value stands in a release, and its range; whole numbers where it counts."""

    name: str
    low: float
    high: float
    counts: bool = False


@dataclass(frozen=True)
class Rule:
    """How a gate reads the evidence. `path` leads to the value; it fails where the value is `worse` than `limit`.

    The three sentences may name {value}, {limit} and the fields of the same part of the evidence. What a `hard` gate
    finds must not leave: no policy changes it, nobody overrides it. The state of each gate leaves in a release; its
    value only where `leaves` says as what, and never where it was read from the original.

    `advice` says what a reader can do where it fails. A gate that `needs` the judges is never clear on an original that
    they do not know, one that needs the report never where there is none, none where the evidence names fewer than
    `least` to compare with, and none while the list at `unseen` holds something: the judge sees that in neither image.
    A gate that fails goes on failing.
    """

    title: str
    path: tuple[str, str]
    worse: Literal["above", "below"]
    limit: float | int
    action: Action
    clear: str
    fails: str
    unknown: str
    hard: bool = False
    leaves: Leaves | None = None
    advice: str = ""
    needs: tuple[Need, ...] = ()
    unseen: tuple[str, str] | None = None
    least: tuple[str, int] | None = None


_CAUSES: Mapping[Cause, str] = {
    "domain": "Not measurable: the judges do not know images like this original, so their word means nothing here.",
    "report": "Not measurable: this record has no report to compare with.",
    "unseen": "Not measurable: the judge sees {unjudged} in neither image, so it cannot tell whether it was lost.",
}
_NO_JUDGE = "Not measured: the judges, models that took no part in making this image, are not available here."

# Where the judges' limits come from: phantoms of patients that took no part in training. Likeness 0.6 (627 images, 250
# patients): 94 % of pairs of one patient lie above it, 6 % of pairs of two. Score 0.35 (240 images): every image's own
# report lies above it (lowest 1 %: 0.60) and three quarters of other reports below. From which probability on a finding
# counts as seen is in the judges' own file. Alignment 0.25 is where only prompts from random tokens lie (the paper's
# lowest with BiomedCLIP: 0.24); it belongs to no encoder in particular, so look at the plot of all pairs.
RULES: Mapping[str, Rule] = {
    "residual_phi": Rule(
        "Identifiers left in the report",
        ("residual_phi", "count"),
        "above",
        0,
        "block",
        "The rules that filtered the report find no identifier left in it.",
        "The filtered report still holds {value} piece(s) that the rules take for identifiers.",
        "Not measured: the filtered report could not be checked.",
        hard=True,
        leaves=Leaves("residual_phi", 0, 10_000, counts=True),
        advice="Forbid the word (W), so that the report is filtered again; it cannot be approved as it is.",
    ),
    "forbidden_in_prompt": Rule(
        "Forbidden words in the prompt",
        ("forbidden_in_prompt", "count"),
        "above",
        0,
        "block",
        "The prompt holds no word that the blacklist forbids.",
        "The prompt holds {value} word(s) that the blacklist forbids.",
        "Not measured: the prompt could not be checked.",
        hard=True,
        leaves=Leaves("forbidden_in_prompt", 0, 10_000, counts=True),
        advice="Make another version (G); it cannot be approved as it is.",
    ),
    "image_text": Rule(
        "Text in the synthetic image",
        ("image_text", "count"),
        "above",
        0,
        "block",
        "No legible text was found in the synthetic image.",
        "Legible text was found in {value} place(s) of the synthetic image: a name or a number may be written there.",
        "Not measured: the text reader is not available here, and a release reads every image again.",
        leaves=Leaves("image_text", 0, 10_000, counts=True),
        advice="Look at the marked places at full size; make another version (G) or reject.",
    ),
    "alignment": Rule(
        "Prompt fits the original",
        ("alignment", "after"),
        "below",
        0.25,
        "warn",
        "The prompt describes the original image well for the encoder that wrote it (cosine {value}, from {before}).",
        "The prompt fits the original image poorly (cosine {value}): the synthetic image may show something else.",
        "Not measured: this method uses no prompt.",
        advice="Compare finding by finding; if the image misses what the report states, make other versions (G).",
    ),
    "prompt_score": Rule(
        "Synthetic image fits the prompt",
        ("prompt_score", "synthetic"),
        "below",
        0.35,
        "warn",
        "An encoder that took no part finds in the synthetic image what the prompt says (cosine {value}).",
        "An encoder that took no part hardly finds in the synthetic image what the prompt says (cosine {value}).",
        _NO_JUDGE,
        leaves=Leaves("prompt_score", -1, 1),
        advice="Look for each word of the prompt in the synthetic image; if one is missing, make other versions (G).",
        needs=("judges",),
    ),
    "identity_similarity": Rule(
        "Likeness to the patient",
        ("identity", "similarity"),
        "above",
        0.6,
        "warn",
        "To a model trained to recognise patients, the synthetic image is unlike this patient (cosine {value}; share "
        "as alike by chance among {equals} with equal findings: {alike_share}).",
        "To a model trained to recognise patients, the synthetic image resembles this patient (cosine {value}; share "
        "as alike by chance among {equals} with equal findings: {alike_share}).",
        "Not measured: it takes the judges and ten patients with equal findings, or disease would count as likeness.",
        least=("equals", EQUALS),
        advice="Compare rib cage, heart shape, clavicles and devices; if you would know the patient again, reject.",
        needs=("judges",),
    ),
    "identity_rank": Rule(
        "Rank of the true patient",
        ("identity", "rank"),
        "below",
        2,
        "warn",
        "Of {equals} patients with equal findings, {nearer} resemble the synthetic image more than the true one does.",
        "Of {equals} patients with equal findings, the true one resembles the synthetic image most, as by chance "
        "alone in {chance} of pairs.",
        "Not measured: it takes the judges and ten patients with equal findings to compare with.",
        least=("equals", EQUALS),
        advice="Compare rib cage, heart shape, clavicles and devices; if you would know the patient again, reject.",
        needs=("judges",),
    ),
    "findings_lost": Rule(
        "Findings lost",
        ("findings", "lost_count"),
        "above",
        0,
        "warn",
        "No stated finding that the judge sees in the original is missing in the synthetic image.",
        "Stated, seen by the judge in the original, and missing in the synthetic image: {lost}.",
        _NO_JUDGE,
        advice="Look for it in the synthetic image, with the heat map (H); if it is missing, make other versions (G).",
        needs=("judges", "report"),
        unseen=("findings", "unjudged"),
    ),
    "findings_invented": Rule(
        "Findings invented",
        ("findings", "invented_count"),
        "above",
        0,
        "warn",
        "The judge sees no finding in the synthetic image that neither report nor original shows.",
        "In the synthetic image, but neither in the report nor, for the judge, in the original: {invented}.",
        _NO_JUDGE,
        advice="Look for it in both images, with the heat map (H); if only the synthetic one shows it, reject.",
        needs=("judges", "report"),
    ),
    "memorisation": Rule(
        "Copy of a training image",
        ("memorisation", "percentile"),
        "below",
        1.0,
        "warn",
        "The synthetic image is no closer to any training image than unlike images are to each other "
        "(percentile {value}).",
        "The synthetic image is very close to a training image and may repeat it (percentile {value}).",
        _NO_JUDGE,
        leaves=Leaves("memorisation_percentile", 0, 100),
        advice="Make another version (G): with another seed the image is another one.",
        needs=("judges",),
    ),
    "source_pixels": Rule(
        "Source pixels in the image",
        ("derivation", "source_pixels"),
        "above",
        0,
        "warn",
        "The image was drawn from words: no pixel of the original reached it.",
        "The image was made from the original's own pixels: anatomy, devices and texture may still name the patient.",
        "Not measured: the method that made this image is not part of this version.",
        advice="It leaves only where the policy names its method; if you would know the patient again, reject.",
    ),
    "domain": Rule(
        "Known to the models",
        ("domain", "percentile"),
        "above",
        97.0,
        "warn",
        "The original looks like the images on which starter models and judges were trained (percentile {value}).",
        "The original is unlike the images on which starter models and judges were trained: what they make of it, and "
        "say of it, may be wrong.",
        "Not measured: the reference file data/models/starter/appearance.npz is missing.",
        advice="Rely on your own eyes for this pair, not on the evidence; approving it takes a reason.",
    ),
    "rarity": Rule(
        "Rare combination of findings",
        ("rarity", "others"),
        "below",
        1,
        "warn",
        "{value} other patient(s) of {patients} share this combination of findings.",
        "Only {value} other patient(s) of {patients} share this combination of findings, which singles a person out "
        "whatever the pixels show: to clear it, leave out {leave_out}.",
        "Not measured: it takes the reports of 100 patients, since among few nearly every combination is the only one.",
        least=("patients", PEOPLE),
        advice="Leave out what makes it rare; or ask whether these findings would name the patient to somebody who "
        "knows them, and if so, reject.",
        needs=("report",),
    ),
}


def gates(evidence: Mapping[str, Any], thresholds: Mapping[str, Mapping[str, Any]] | None = None) -> list[Gate]:
    """Every gate of RULES, in its order, for the evidence of one pair.

    `thresholds` maps a gate's name to {"limit": number} and/or {"action": "warn" | "block"}; what it does not name
    keeps its default. Raises UsageError for an unknown gate, key or action.
    """
    thresholds = check_thresholds(thresholds or {})
    domain = _gate("domain", RULES["domain"], evidence, thresholds.get("domain", {}), frozenset())
    lacking: set[Need] = {"judges"} if domain.state in ("warn", "block") else set()
    lacking |= {"report"} if (evidence.get("report") or {}).get("given") is False else set()
    return [_gate(name, rule, evidence, thresholds.get(name, {}), frozenset(lacking)) for name, rule in RULES.items()]


def check_thresholds(thresholds: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """A policy's changes to the gates, checked; raises UsageError with what a valid value looks like."""
    checked: dict[str, dict[str, Any]] = {}
    for name, change in thresholds.items():
        if name not in RULES:
            raise UsageError(f"There is no gate {name!r}. Gates are: {', '.join(RULES)}.")
        if unknown := set(change) - {"limit", "action"}:
            raise UsageError(f"Gate {name} has no setting {sorted(unknown)[0]!r}; it has 'limit' and 'action'.")
        limit, action = change.get("limit"), change.get("action")
        number = isinstance(limit, int | float) and not isinstance(limit, bool) and math.isfinite(limit)
        if limit is not None and not number:
            raise UsageError(f"The limit of gate {name} must be a number, such as {RULES[name].limit}.")
        if action is not None and action not in ("warn", "block"):
            raise UsageError(f"The action of gate {name} must be 'warn' or 'block', not {action!r}.")
        checked[name] = {key: value for key, value in change.items() if value is not None}
        default = {"limit": RULES[name].limit, "action": RULES[name].action}
        if RULES[name].hard and {**default, **checked[name]} != default:
            raise UsageError(f"The gate {name} always blocks: what it finds must not leave.")
    return checked


def hard(name: str) -> bool:
    """Whether nobody may override this gate; a gate that this version does not know is none of them."""
    return name in RULES and RULES[name].hard


def worst(states: Mapping[str, str]) -> GateState:
    """The state that a pair's queue entry shows: block before warn before unknown before clear."""
    order: tuple[GateState, ...] = ("block", "warn", "unknown", "clear")
    return next((state for state in order if state in states.values()), "clear")


def risk(found: list[Gate]) -> float:
    """One number to sort a queue by, from 0 (all clear): block counts 10, warn 1, unknown 0.25."""
    weight = {"block": 10.0, "warn": 1.0, "unknown": 0.25, "clear": 0.0}
    return sum(weight[gate.state] for gate in found)


def _gate(
    name: str, rule: Rule, evidence: Mapping[str, Any], change: Mapping[str, Any], lacking: frozenset[Need]
) -> Gate:
    part = evidence.get(rule.path[0]) or {}
    value = part.get(rule.path[1])
    limit, action = change.get("limit", rule.limit), change.get("action", rule.action)
    state: GateState
    cause: Cause = ""
    if "report" in lacking and "report" in rule.needs:
        value, state, cause = None, "unknown", "report"
    elif value is None or not math.isfinite(value):
        value, state, cause = None, "unknown", "missing"
    elif (value > limit) if rule.worse == "above" else (value < limit):
        state, sentence = action, rule.fails
    elif "judges" in lacking and "judges" in rule.needs:
        state, cause = "unknown", "domain"
    elif rule.unseen and (evidence.get(rule.unseen[0]) or {}).get(rule.unseen[1]):
        state, cause = "unknown", "unseen"
    elif rule.least and part.get(rule.least[0], 0) < rule.least[1]:
        state, cause = "unknown", "missing"
    else:
        state, sentence = "clear", rule.clear
    if cause:
        sentence = _CAUSES.get(cause, rule.unknown)
    return Gate(name, value, limit, state, _fill(sentence, part, value, limit), rule.title, rule.worse, cause)


def beyond_measure(rows: Sequence[Mapping[str, Any]]) -> list[Cause]:
    """Why the evidence of a pair cannot tell whether it may leave, from its gates as dicts: "domain", "report"."""
    failing = any(row["name"] == "domain" and row["state"] in ("warn", "block") for row in rows)
    without = any(row.get("cause") == "report" for row in rows)
    return [*(["domain"] if failing else []), *(["report"] if without else [])]  # type: ignore[list-item]


class _Fields(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "unknown"


def _fill(sentence: str, part: Mapping[str, Any], value: float | None, limit: float) -> str:
    shown = _Fields({key: _plain(item) for key, item in part.items()}, value=_plain(value), limit=_plain(limit))
    return sentence.format_map(shown)


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, list | tuple):
        return ", ".join(str(item).replace("_", " ") for item in value)
    return str(value)
