"""Privacy levels: which of a report's findings are told, and which are left out because they could single a person out.

Level 0 tells all. Level 1 tells of each combination as much as at least k patients share. Level 2 tells acute findings
and devices for the purposes named. "custom" leaves out a list.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from updp_core.errors import UsageError
from updp_core.findings.terms import FINDINGS

Level = Literal[0, 1, 2, "custom"]
LEVELS: tuple[Level, ...] = (0, 1, 2, "custom")
PURPOSES: Mapping[str, tuple[str, ...]] = {
    "acute chest": ("pleural_effusion", "consolidation", "atelectasis", "edema", "pneumothorax"),
    "infection": ("consolidation", "pleural_effusion"),
    "heart failure": ("edema", "pleural_effusion"),
    "tubes and lines": ("central_line", "endotracheal_tube", "chest_tube", "pneumothorax"),
    "implants": ("pacemaker", "sternotomy_wires"),
}
"""What images are asked for -> the acute findings and devices that this takes."""


@dataclass(frozen=True)
class Privacy:
    """A level with what it needs: `k` patients of level 1, `purposes` of level 2, the list that "custom" leaves out."""

    level: Level = 0
    k: int = 10
    purposes: tuple[str, ...] = tuple(PURPOSES)
    leave_out: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As a candidate records it and a manifest tells it: the level with what it needs, JSON-able."""
        needs: dict[Level, dict[str, Any]] = {
            1: {"k": self.k},
            2: {"purposes": list(self.purposes)},
            "custom": {"leave_out": list(self.leave_out)},
        }
        return {"level": self.level, **needs.get(self.level, {})}

    def listed(self) -> frozenset[str]:
        """The findings that this level may tell; level 1 tells the part of them that enough patients share."""
        if self.level == 2:
            return frozenset(name for purpose in self.purposes for name in PURPOSES[purpose])
        return frozenset(FINDINGS) - (frozenset(self.leave_out) if self.level == "custom" else frozenset())


def privacy_of(wish: Mapping[str, Any]) -> Privacy:
    """A level as a policy or a run states it. Raises UsageError that says what a valid one looks like."""
    if not isinstance(wish, Mapping) or (unknown := sorted(set(wish) - {"level", "k", "purposes", "leave_out"})):
        detail = f" has no field {unknown[0]!r}; it" if isinstance(wish, Mapping) else ""
        raise UsageError(f'The privacy level{detail} looks like {{"level": 1, "k": 10}}.')
    level = wish.get("level", 0)
    if isinstance(level, bool) or level not in LEVELS:
        raise UsageError(f"The privacy level is one of: {', '.join(map(str, LEVELS))}.")
    k = wish.get("k", 10)
    if isinstance(k, bool) or not isinstance(k, int) or not 2 <= k <= 100_000:
        raise UsageError("The number of patients who share a combination is a whole number from 2 on.")
    purposes, out = (_names(wish.get(part), known) for part, known in (("purposes", PURPOSES), ("leave_out", FINDINGS)))
    return Privacy(level, k, tuple(PURPOSES) if wish.get("purposes") is None else purposes, out)


def _names(value: Any, known: Iterable[str]) -> tuple[str, ...]:
    names = [] if value is None else value
    if (
        isinstance(names, str)
        or not isinstance(names, Iterable)
        or (wrong := [n for n in names if n not in set(known)])
    ):
        unknown = f"There is no {wrong[0]!r}. " if not isinstance(names, str) and isinstance(names, Iterable) else ""
        raise UsageError(f"{unknown}Give a list of some of: {', '.join(known)}.")
    return tuple(name for name in known if name in names)


def told(privacy: Privacy, patients: Mapping[frozenset[str], Iterable[str]]) -> dict[frozenset[str], frozenset[str]]:
    """Each combination of findings -> what of it this level tells. `patients` are those who have it."""
    if privacy.level == 1:
        return shared(patients, privacy.k)
    return {combination: combination & privacy.listed() for combination in patients}


def fewest_out(together: frozenset[str], others: Mapping[frozenset[str], int], least: float) -> tuple[str, ...] | None:
    """The fewest of the findings `together` to leave out so that the rest is told of `least` other patients; of equally
    many the rarest, and the rarest first. () where they have that company, None where nothing helps.

    `others` counts, by what is told of them, the patients besides the one in question.
    """

    def rarity(left: frozenset[str]) -> tuple[int, list[tuple[int, str]]]:
        out = sorted((having[name], name) for name in together - left)
        return len(out), out

    fitting = [told_ for told_, count in others.items() if told_ <= together and count >= least]
    if together in fitting or least <= 0:
        return ()
    having = {name: sum(count for told_, count in others.items() if name in told_) for name in together}
    return tuple(name for _, name in min(map(rarity, fitting))[1]) if fitting else None


def shared(patients: Mapping[frozenset[str], Iterable[str]], k: int) -> dict[frozenset[str], frozenset[str]]:
    """Each combination -> the part of it that at least `k` patients are told to have: the rarest findings go first.

    What is told of nobody else's report is nothing at all, so the empty combination needs no company.
    """
    whose = {combination: set(ids) for combination, ids in patients.items()}
    having: dict[str, set[str]] = defaultdict(set)
    for combination, ids in whose.items():
        for name in combination:
            having[name] |= ids
    now = {combination: combination for combination in whose}
    while True:
        together: dict[frozenset[str], set[str]] = defaultdict(set)
        for combination, part in now.items():
            together[part] |= whose[combination]
        few = {part for part, ids in together.items() if part and len(ids) < k}
        if not few:
            return now
        less = {part: part - {min(sorted(part), key=lambda name: len(having[name]))} for part in few}
        now = {combination: less.get(part, part) for combination, part in now.items()}
