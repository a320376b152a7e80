"""What goes on in the background, and what the pages beside the review show of imports, runs, releases and events."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ui.show import empty, number, render, words
from updp_core.domain import Actor
from updp_core.workbench import may

RUN_STATES = {
    "running": "● running",
    "paused": "❚❚ paused",
    "stopping": "… stopping",
    "finished": "✓ finished",
    "stopped": "■ stopped",
    "died": "✕ ended abruptly; start again, nothing is lost",
}
NEEDS = {
    "lexicons": (
        "lexicon_edit",
        "Saving a version takes a privacy officer; reading the lists takes a radiologist or a privacy officer.",
    ),
    "intake": ("import_", "Import and runs take a privacy officer or an administrator."),
    "release": ("release", "A release takes a privacy officer. Checking one is open to everybody."),
}
_HASH = re.compile(r"\b([0-9a-f]{10})[0-9a-f]{30,}\b")


def hint(page: str, actor: Actor) -> str:
    """One line where this person will be refused the page's verbs, so that nobody finds out by a click."""
    verb, text = NEEDS[page]
    return "" if may(actor, verb) else render("hint.html", text=text)


def bar(done: int, total: int, text: str) -> str:
    """A progress bar with its sentence."""
    return render("bar.html", done=done, total=total, text=text)


def runs(rows: Sequence[Mapping[str, Any]]) -> str:
    """Generate runs, newest first."""
    return render("intake/runs.html", rows=rows, RUN_STATES=RUN_STATES) if rows else empty("No run yet.")


def running(rows: Sequence[Mapping[str, Any]], now: Mapping[str, Any], waiting: int) -> str:
    """The state of generation in large."""
    live = next((r for r in rows if r["state"] in ("running", "paused", "stopping")), None)
    if live and now.get("stage") != "failed":
        finished = live["done"] + live["failed"]
        pace = f", {live['seconds'] / finished:.1f} s a pair" if finished else ""
        total = max(live["total"], finished)  # what comes in while it runs is made as well
        return bar(finished, total, f"{RUN_STATES[live['state']]}: {finished} of {total}{pace}")
    return render("intake/running.html", now={"stage": "", **now}, waiting=waiting)


def failures(cards: Sequence[Mapping[str, Any]]) -> str:
    """Records whose generation failed."""
    return render("intake/failures.html", records=cards) if cards else ""


def release_records(preview: Mapping[str, Any], page: Mapping[str, Any]) -> str:
    """Pair by pair: whether it would leave, and why not; `page` is a page of the queue in all states."""
    if not page["records"]:
        return empty("No record.")
    leaving = {row["record"]: row["released"] for row in preview["records"]}
    return render("release/records.html", page=page, leaving=leaving)


def releases(rows: Sequence[Mapping[str, Any]]) -> str:
    """Releases so far."""
    if not rows:
        return empty("Nothing has been released.", "A release holds approved pairs only.")
    return render("release/releases.html", rows=rows)


def events(page: Mapping[str, Any]) -> str:
    """A page of the audit trail."""
    if not page["events"]:
        return empty("No event.")
    return render("audit/events.html", page=page, details=[_detail(e["detail"]) for e in page["events"]])


def _detail(detail: Mapping[str, Any]) -> str:
    """What an event says of itself, digests shortened."""
    return _HASH.sub(r"\1…", ", ".join(f"{words(k)}: {number(v)}" for k, v in detail.items()))[:240]
