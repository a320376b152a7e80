"""The allow-list of what a release may say of settings, gates, evidence and decisions, field by field.

Deny by default: a field that is not named here does not leave, whatever it holds; a value outside of its field's type
and range leaves as "not told". So no path, name, digest or key of the workspace can ride along in a new or a nested
field.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, get_args

from updp_core.backends import files
from updp_core.backends.presets import PRESETS
from updp_core.config import STARTER, Settings, hub_name
from updp_core.domain import Role, Verdict
from updp_core.evidence.gates import RULES, Action, GateState
from updp_core.findings.levels import LEVELS
from updp_core.findings.terms import FINDINGS
from updp_core.methods import METHODS, Entry
from updp_core.methods.settings import Setting, listed
from updp_core.report.filter import POLICIES

NOT_TOLD = "not told"
OWN_MODEL = "a model of the sender"
Check = Callable[[Any], Any]
"""The value as it leaves."""


def one_of(*values: str) -> Check:
    """One of these texts."""
    return lambda value: value if isinstance(value, str) and value in values else NOT_TOLD


def whole(low: int, high: int) -> Check:
    """An integer of a range."""
    return lambda value: value if type(value) is int and low <= value <= high else NOT_TOLD


def number(low: float, high: float) -> Check:
    """A number of a range, to six significant digits: more would be a mark."""

    def check(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            return NOT_TOLD
        return value if isinstance(value, int) else float(f"{value:.6g}")

    return check


def flag(value: Any) -> Any:
    """True or false."""
    return value if isinstance(value, bool) else NOT_TOLD


def or_none(check: Check) -> Check:
    """What `check` takes, or nothing."""
    return lambda value: None if value is None else check(value)


def group(checks: Mapping[str, Check]) -> Check:
    """A mapping of these fields; others vanish."""

    def check(value: Any) -> Any:
        if not isinstance(value, Mapping):
            return NOT_TOLD
        return {name: inner(value[name]) for name, inner in checks.items() if name in value}

    return check


def each(names: Iterable[str], inner: Check) -> Check:
    """A mapping whose keys are some of `names`, sorted; others vanish."""
    return group(dict.fromkeys(sorted(names), inner))


def some_of(names: Iterable[str]) -> Check:
    """A list of some of `names`, sorted; others vanish."""
    known = frozenset(names)
    return lambda value: sorted(known & {item for item in value if isinstance(item, str)})


def level(value: Any) -> Any:
    """A privacy level."""
    return value if not isinstance(value, bool) and value in LEVELS else NOT_TOLD


def digest(value: Any) -> Any:
    """A SHA-256 in hex."""
    return value if isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value) else NOT_TOLD


def day(value: Any) -> Any:
    """A day in ISO 8601; the time of day goes."""
    try:
        return dt.date.fromisoformat(str(value)[:10]).isoformat()
    except ValueError:
        return NOT_TOLD


def _public_models() -> Iterator[tuple[str, str]]:
    """Models that anybody can have: (the name as candidates state it, the name as releases do)."""
    for preset in PRESETS.values():
        for part, source in (("encoder", preset.encoder), ("generator", preset.generator), *preset.parts.items()):
            path = source.removeprefix(files.LOCAL)
            shipped = path.startswith(str(STARTER))
            yield (f"{files.LOCAL}{path}", f"starter/{part}") if shipped else (source, source)
            if not shipped:  # as versions before 0.8 state it
                yield hub_name(source)[0], hub_name(source)[0]


PUBLIC_MODELS = dict(_public_models())


def model(value: Any) -> Any:
    """The public name of a model; the sender's own, whose names and paths may name people, are all called alike."""
    return (value and PUBLIC_MODELS.get(value, OWN_MODEL)) if isinstance(value, str) else NOT_TOLD


PROMPT: Mapping[str, Check] = {
    "init": one_of("report", "random"),
    "length": whole(1, 1000),
    "steps": whole(0, 100_000),
    "optimizer": one_of("adam", "gradient"),
    "learning_rate": number(0, 1000),
    "projections": whole(0, 10_000),
    "select": one_of("tokens", "best", "last"),
    "whole_words": flag,
    "top_k": whole(0, 100_000),
    "bias": number(-1000, 1000),
    "temperature": number(0, 1000),
    "whitelist": one_of("bias", "only"),
    "iterations": whole(0, 10_000),
}
"""Settings of the prompt optimisation, each named on purpose: a test holds them to PromptConfig."""

GENERATION: Mapping[str, Check] = {
    "steps": whole(0, 10_000),
    "guidance_scale": number(0, 1000),
    "scheduler": one_of("dpmsolver++", "ddim", "unipc", "model"),
    "strength": or_none(number(0, 1)),
    "size": or_none(whole(1, 10_000)),
    "candidates": whole(1, 1000),
}
"""Settings of the generator, each named on purpose: a test holds them to GeneratorConfig."""

_LEVEL: Mapping[str, Check] = {"level": level, "k": whole(2, 100_000)}
privacy = group({**_LEVEL, "own": group(_LEVEL)})
"""The privacy level, and the pair's own where it has one; not which findings they left out of whom."""
_MODEL = group({"name": model, "sha256": digest})
_COMMON: Mapping[str, Check] = {
    "method": one_of(*METHODS),
    "preset": one_of(*PRESETS),
    "encoder": _MODEL,
    "generator": _MODEL,
    "obfuscator": group({"sha256": digest}),
    "prompt": group(PROMPT),
    "generation": group(GENERATION),
    "privacy": privacy,
}


def of_setting(setting: Setting) -> Check:
    """What a method's own setting may leave as: within its range or among its choices. A free text never leaves."""
    kinds: Mapping[str, Check] = {
        "int": whole(int(setting.low or 0), int(setting.high or 10**9)),
        "number": number(setting.low or 0, setting.high or 1e9),
        "choice": one_of(*setting.choices),
        "switch": flag,
        "text": lambda value: NOT_TOLD,
    }
    return or_none(kinds[setting.kind]) if setting.optional else kinds[setting.kind]


def _own(entry: Entry) -> Mapping[str, Check]:
    rows = listed(entry.defaults(Settings()))
    return {row.name: of_setting(row) for row in rows if "." not in row.name and row.kind != "text"}


_BY_METHOD = {name: group({**_own(entry), **_COMMON}) for name, entry in METHODS.items()}


def settings(value: Any) -> Any:
    """Of a method's `settings()`. Not the digest of the lexicon: it would confirm a guess at a name that was added."""
    named = value.get("method") if isinstance(value, Mapping) else None
    return (_BY_METHOD[named] if isinstance(named, str) and named in _BY_METHOD else group(_COMMON))(value)


method = one_of(*METHODS)
report_policy = one_of(*POLICIES)
rank = group({"rank": whole(1, 10**7), "equals": whole(2, 10**7), "patients": whole(2, 10**7)})
models = each(("encoder", "generator", "obfuscator"), digest)
gates = each(RULES, one_of(*get_args(GateState)))
_findings = each(FINDINGS, one_of("present", "absent", "uncertain"))
_measures = [rule.leaves for rule in RULES.values() if rule.leaves]
evidence = group(
    {
        **{m.name: or_none(whole(int(m.low), int(m.high)) if m.counts else number(m.low, m.high)) for m in _measures},
        "findings": group({"report": _findings, "synthetic": some_of(FINDINGS), "lost": some_of(FINDINGS)}),
    }
)
decision = group(
    {
        "verdict": one_of(*get_args(Verdict)),
        "role": one_of(*get_args(Role)),
        "day": day,
        "how": one_of("single", "batch"),
        "overrides": some_of(RULES),
    }
)
HEADER: Mapping[str, Check] = {
    "preset": one_of(*PRESETS),
    "method": method,
    "report_policy": report_policy,
    "agreement": group({"pairs": whole(0, 10**9), "agree": whole(0, 10**9), "kappa": or_none(number(-1, 1))}),
    "lexicon_version": whole(0, 10**9),
    "policy": group({"verdicts": whole(1, 2), "audit_head": digest, "privacy": privacy}),
    "gates": gates,
    "thresholds": each(RULES, group({"limit": number(-1e9, 1e9), "action": one_of(*get_args(Action))})),
    "counts": group({"approved": whole(0, 10**9)}),
}
"""What the caller says of the whole release. The head of the audit chain leaves on purpose: it anchors the chain."""
header = group(HEADER)
