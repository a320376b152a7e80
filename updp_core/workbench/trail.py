"""The audit trail for people: an event as a sentence, what kinds of events there are, and the trail as a file."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from updp_core.workbench.wording import csv_lines

KINDS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "verdicts": (
        "Verdicts and flags",
        ("approve", "reject", "regenerate", "undo", "approve_all", "choose", "flag", "clear"),
    ),
    "lexicons": ("Word lists", ("lexicon_edit", "lexicon_revert", "void")),
    "imports": ("Imports", ("import", "import_list")),
    "runs": (
        "Runs and versions",
        ("generate", "generate_end", "control", "candidate", "clear_rarity", "reproduce", "embed", "ready"),
    ),
    "releases": ("Releases", ("release", "release_failed", "release_zip", "verify", "stow", "key_new", "key_trust")),
    "rules": ("Policy and upkeep", ("set_policy", "backup", "copy_to", "purge", "audit_export", "open", "migrate")),
    "people": (
        "People and the door",
        (
            "add_user",
            "remove_user",
            "sign_in",
            "sign_out",
            "sign_in_failed",
            "sign_in_locked",
            "sign_in_refused",
            "request_refused",
            "refused",
        ),
    ),
    "views": ("Who looked at what", ("view", "take", "release_hold", "save_view", "delete_view")),
}
"""Kind -> its name, and its verbs."""
LOOKS = ("view", "take", "release_hold")
"""Verbs of reading alone, most of a trail: folded away unless they are asked for."""
Row = Mapping[str, Any]


def _n(count: Any, what: str) -> str:
    number = int(count or 0)
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _d(event: Row, name: str) -> str:
    """A detail, for which events of other versions may have no place."""
    return str(event["detail"].get(name) or "?")


def _imported(event: Row) -> str:
    told = event["detail"]
    if "imported" not in told:
        kept = str(event["subject"])
        return f"kept {kept.removesuffix('s') if kept.startswith('1 ') else kept} of an import"
    said = f"imported {_n(told['imported'], 'record')}"
    said += f" ({_n(told.get('duplicates'), 'file')} known already, {told.get('rejected', 0)} not taken)"
    if told.get("assumed"):
        stated = ", ".join("human chest" if k == "chest" else f"{k} {v}" for k, v in sorted(told["assumed"].items()))
        said += f", and said of images that do not say it: {stated}"
    return said + (f"; another try of {told['again']}" if told.get("again") else "")


def _edited(event: Row) -> str:
    told = event["detail"]
    said = f"saved {event['subject']}: {_n(told.get('added'), 'word')} added, {told.get('removed', 0)} removed"
    return said + (f", which voided {_n(told['voided'], 'version')}" if told.get("voided") else "")


def _overridden(event: Row) -> str:
    gates = event["detail"].get("overrides") or []
    return f" although {', '.join(gate.replace('_', ' ') for gate in gates)} did not pass" if gates else ""


def _released(event: Row) -> str:
    told = event["detail"]
    signed = "signed" if told.get("signed_by") else "unsigned"
    return f"released {_n(told.get('pairs'), 'pair')} as {event['subject']}, {signed}"


def _purged(event: Row) -> str:
    told = event["detail"]
    return f"destroyed what identifies patients in {_n(told.get('records'), 'record')}"


def _count(event: Row) -> str:
    count = event["detail"].get("count")
    return f" ({count} times)" if isinstance(count, int) and count > 1 else ""


SENTENCES: Mapping[str, Callable[[Row], str]] = {
    "approve": lambda e: f"approved {e['subject']}{_overridden(e)}",
    "reject": lambda e: f"rejected {e['subject']}",
    "regenerate": lambda e: f"sent {e['subject']} back for another version",
    "undo": lambda e: f"took back an entry about {e['subject']}",
    "approve_all": lambda e: f"approved {_n(e['detail'].get('number'), 'pair')} at once, all gates clear",
    "choose": lambda e: f"made version {_d(e, 'candidate')} of {e['subject']} the current one",
    "flag": lambda e: f"flagged {e['subject']}",
    "clear": lambda e: f"cleared a flag of {e['subject']}",
    "lexicon_edit": _edited,
    "lexicon_revert": _edited,
    "void": lambda e: f"voided {_n(e['detail'].get('number'), 'version')} by {e['subject']}",
    "import": _imported,
    "import_list": lambda e: f"saved the list of what {e['subject']} had not taken",
    "generate": lambda e: f"started {e['subject']} by {_d(e, 'method')} over {_n(e['detail'].get('queue'), 'record')}",
    "generate_end": lambda e: (
        f"ended {e['subject']}: {_n(e['detail'].get('generated'), 'pair')} made, {e['detail'].get('failed', 0)} failed"
    ),
    "control": lambda e: f"told {e['subject']} to {_d(e, 'wish')}",
    "candidate": lambda e: (
        f"made {_n(len(e['detail'].get('candidates') or ()), 'version')} of {e['subject']} by {_d(e, 'method')}"
        + (f", {e['detail']['failed']} failed" if e["detail"].get("failed") else "")
    ),
    "clear_rarity": lambda e: (
        f"had {_n(e['detail'].get('left_out'), 'finding')} left out of {e['subject']}, shared by too few patients"
    ),
    "reproduce": lambda e: f"made {e['subject']} again to compare",
    "embed": lambda e: f"measured {e['subject']} to tell patients apart",
    "release": _released,
    "release_failed": lambda e: f"could not write the release {e['subject']} ({_d(e, 'kind')})",
    "release_zip": lambda e: f"took {e['subject']} as a zip file",
    "verify": lambda e: (
        f"verified a release: {_n(e['detail']['problems'], 'problem')}"
        if e["detail"].get("problems")
        else "verified a release: whole"
    ),
    "stow": lambda e: f"sent {_n(e['detail'].get('objects'), 'DICOM object')} to {_d(e, 'host')}",
    "key_new": lambda e: "made the key that signs releases",
    "key_trust": lambda e: "trusted the key of another sender",
    "set_policy": lambda e: (
        f"changed the policy: {', '.join(str(c).replace('_', ' ') for c in e['detail'].get('changed') or ())}"
    ),
    "copy_to": lambda e: "copied the workspace to another database",
    "backup": lambda e: "wrote a backup",
    "purge": _purged,
    "audit_export": lambda e: f"saved {_n(e['detail'].get('events'), 'event')} of this trail as a file",
    "open": lambda e: f"opened a new workspace with {e['subject']}",
    "migrate": lambda e: f"led the workspace on to {e['subject']}",
    "add_user": lambda e: f"added {e['subject']} as {_d(e, 'new_role').replace('-', ' ')}",
    "remove_user": lambda e: f"removed {e['subject']}",
    "sign_in": lambda e: f"signed in by {_d(e, 'by')}",
    "sign_out": lambda e: f"was signed out: {e['subject']}" if e["subject"] else "signed out",
    "sign_in_failed": lambda e: f"could not sign in{_count(e)}",
    "sign_in_locked": lambda e: f"was kept from trying another password{_count(e)}",
    "sign_in_refused": lambda e: f"was refused at the door{_count(e)}",
    "request_refused": lambda e: f"had a request refused: {e['subject']}{_count(e)}",
    "refused": lambda e: f"tried to {str(e['subject']).strip('_').replace('_', ' ')}, which this role may not",
    "view": lambda e: f"looked at {e['subject']}",
    "take": lambda e: f"took {e['subject']} in hand",
    "release_hold": lambda e: f"let go of {e['subject'] or _n(e['detail'].get('number'), 'pair')}",
    "save_view": lambda e: "saved a filter",
    "delete_view": lambda e: "deleted a saved filter",
}


def sentence(event: Row) -> str:
    """What somebody did, without their name: "approved R…". Verbs of a later version are told by their name."""
    say = SENTENCES.get(event["verb"])
    return say(event) if say else f"{str(event['verb']).replace('_', ' ')} {event['subject']}".strip()


def narrowed(
    verb: str | None, who: str | None, kind: str | None, since: str | None, until: str | None, looks: bool
) -> tuple[str, dict[str, Any]]:
    """The clause over `audit_event` for what was asked, and its values."""
    clauses, values = [], dict[str, Any]()
    verbs: Sequence[str] = KINDS[kind][1] if kind else ()
    if verbs:
        values |= {f"verb{n}": name for n, name in enumerate(verbs)}
        clauses.append(f"verb IN ({', '.join(f':verb{n}' for n in range(len(verbs)))})")
    elif not looks and not verb:
        values |= {f"look{n}": name for n, name in enumerate(LOOKS)}
        clauses.append(f"verb NOT IN ({', '.join(f':look{n}' for n in range(len(LOOKS)))})")
    for clause, name, value in (
        ("verb = :verb", "verb", verb),
        ("actor = :who", "who", who),
        ("at >= :since", "since", since),
        ("at < :until", "until", until),
    ):
        if value:
            clauses.append(clause)
            values[name] = value
    return (f"WHERE {' AND '.join(clauses)}" if clauses else ""), values


COLUMNS = ("event", "at", "actor", "role", "verb", "subject", "said", "reasons", "comment", "detail", "digest")


def as_csv(events: Iterable[Row]) -> Iterator[str]:
    """Events as lines of a CSV file; no cell is a formula."""
    yield from csv_lines(itertools.chain([COLUMNS], ([_cell(name, row[name]) for name in COLUMNS] for row in events)))


def _cell(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    return "; ".join(value) if name == "reasons" else json.dumps(value)


def as_jsonl(events: Iterable[Row]) -> Iterator[str]:
    """Events as JSON, one a line."""
    for row in events:
        yield json.dumps({name: row[name] for name in COLUMNS}, ensure_ascii=False) + "\n"
