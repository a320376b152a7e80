"""What happens on the review page: handlers that unpack, call the Workbench, and format."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ui.pages.review.batch import BatchBox
from ui.pages.review.filters import FilterBar, way_into, way_of
from ui.pages.review.flags import FlagBox
from ui.pages.review.regenerate import RegenerateBox
from ui.pages.review.words import WordBox
from ui.shell import Shell
from ui.show import evidence as evidence
from ui.show import review as show
from updp_core.domain import Actor, Verdict
from updp_core.errors import UpdpError, UsageError
from updp_core.workbench import may

PAGE = 50
_PLOT_SECONDS = 60.0


@dataclass(frozen=True)
class Panes:
    """The parts that show one pair."""

    head: gr.HTML
    gates: gr.HTML
    prompt: gr.HTML
    reports: gr.HTML
    findings: gr.HTML
    history: gr.HTML
    contact: gr.HTML
    viewer: gr.HTML
    comment: gr.Textbox
    override: gr.Checkbox


class Review:
    """The page's handlers, bound to its components."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.panes: Panes
        self.filters: FilterBar
        self.regenerate: RegenerateBox
        self.words: WordBox
        self.batch: BatchBox
        self.flags: FlagBox
        self.again: gr.Button
        self.compared: gr.HTML
        self.queue: gr.HTML
        self.progress: gr.HTML
        self.asked: gr.Textbox
        self.word_open: gr.Button
        self.every: list[Any] = []
        self.starters: list[Any] = []
        self._plots: dict[tuple[str, str], tuple[float, list[float]]] = {}

    def plots(self, actor: Actor, names: list[str], method: str) -> dict[str, list[float]]:
        """Values of each gate over all pairs, a minute old at most."""
        now = time.monotonic()
        for name in names:
            if now - self._plots.get((name, method), (-1e9, []))[0] > _PLOT_SECONDS:
                values = self.shell.workbench.gate_values(name, actor=actor, method=method, limit=1000)
                self._plots[name, method] = (now, values)
        return {name: self._plots[name, method][1] for name in names}

    def pair(
        self, detail: Mapping[str, Any], actor: Actor, ahead: list[dict[str, Any]] | None = None
    ) -> dict[Any, Any]:
        """Updates of every pane for one record; `ahead` is what the viewer loads next (None: the rows below)."""
        p, gates = self.panes, detail["gates"]
        current = next((c for c in detail["candidates"] if c["candidate"] == detail["candidate"]), None)
        plots = self.plots(actor, [g["name"] for g in gates], current["method"]) if current else {}
        original = detail["images"].get("original") or {}
        can_override = any(g["state"] == "block" and not g["hard"] for g in gates)
        return {
            p.head: show.head(detail),
            p.gates: evidence.gates(gates, plots),
            p.prompt: show.prompt(detail["prompt"], current["prompt_text"] if current else ""),
            p.reports: show.reports(detail["report"]),
            p.findings: evidence.findings(detail["evidence"]),
            p.history: show.history(detail),
            self.compared: "",
            p.contact: self.regenerate.sheet(detail, actor),
            p.viewer: {
                "record": detail["record"],
                "candidate": detail["candidate"],
                "revision": detail["revision"],
                "bits": original.get("bit_depth", 16),
                "findings": evidence.to_map(detail["evidence"]),
                "next": ahead,
            },
            p.comment: str(detail["draft"].get("comment", "")),
            p.override: gr.update(visible=can_override, value=False),
            **self.flags.look(detail, actor.role),
        }

    def no_pair(self, text: str) -> dict[Any, Any]:
        p = self.panes
        blank: dict[Any, Any] = {
            c: "" for c in (self.compared, p.gates, p.prompt, p.reports, p.findings, p.history, p.contact, p.comment)
        }
        return {
            **blank, p.head: show.empty(text), p.viewer: {"message": text}, p.override: gr.update(visible=False),
            **self.flags.look({"flags": []}, ""),
        }  # fmt: skip

    def listing(self, actor: Actor, view: dict[str, Any]) -> dict[Any, Any]:
        """The queue and the progress above it."""
        bench, (filters, sort) = self.shell.workbench, self.filters.read(view)
        page = bench.page(actor=actor, filters=filters, sort=sort, offset=view.get("offset", 0), limit=PAGE)
        return {
            self.queue: show.queue(page, actor.name),
            self.progress: show.progress(bench.counts(actor=actor), actor.name, way_of(view)),
        }

    def go_on(self, actor: Actor, view: dict[str, Any], after: str | None, back: bool = False) -> dict[Any, Any]:
        """Hold and show the next pair of the filter that nobody else holds."""
        filters, sort = self.filters.read(view)
        record = self.shell.workbench.take_next(actor=actor, filters=filters, sort=sort, after=after, back=back)
        if record is None and after is not None:
            where = "This is the first pair of this filter." if back else "This is the last pair of this filter."
            return self.shell.say(where, "warn")
        if record is None:
            return self.no_pair(self.nothing(actor, view))
        ahead = self.shell.workbench.upcoming(record, actor=actor, filters=filters, sort=sort)
        return self.pair(self.shell.workbench.show(record, actor=actor), actor, ahead)

    # --- handlers ---------------------------------------------------------------------------------------

    def start(self, role: str, view: dict[str, Any], request: gr.Request) -> dict[Any, Any]:
        """The page has been opened, or the role switched."""
        actor, bench = self.shell.actor(request, role), self.shell.workbench
        choices = self.filters.choices(actor)
        methods = [(m["title"], m["name"]) for m in bench.methods(actor=actor) if m["available"]]
        choices[self.regenerate.method] = gr.update(choices=[("As before", ""), *methods])
        return {**choices, **self.listing(actor, view), **self.open_first(actor, view)}

    def nothing(self, actor: Actor, view: dict[str, Any]) -> str:
        """Why the viewer is empty."""
        counts = self.shell.workbench.counts(actor=actor)
        if not counts["total"]:
            return "No studies yet. Import some on the page Import & run."
        if way_of(view) == "flagged":
            return "Nothing is flagged for you."
        if way_of(view) == "second":
            return "No blind second reading waits for you."
        if counts["states"].get("new"):
            return "Nothing to review here yet: pairs are being prepared."
        return "No pair in this filter."

    def open_first(self, actor: Actor, view: dict[str, Any]) -> dict[Any, Any]:
        if may(actor, "take_next"):
            return self.go_on(actor, view, None)
        page = self.shell.workbench.page(actor=actor, filters=self.filters.read(view)[0], limit=1)["records"]
        if not page:
            return self.no_pair(self.nothing(actor, view))
        return self.pair(self.shell.workbench.show(page[0]["record"], actor=actor), actor)

    def refresh(self, asked: str, role: str, view: dict[str, Any], request: gr.Request) -> dict[Any, Any]:
        """Back on this page: the pair may stand otherwise now."""
        actor, record = self.shell.actor(request, role), (json.loads(asked or "null") or {}).get("asked")
        if not record:
            return {**self.listing(actor, view), **self.open_first(actor, view)}
        return {**self.listing(actor, view), **self.pair(self.shell.workbench.show(record, actor=actor), actor)}

    def tick(self, asked: str, role: str, view: dict[str, Any], request: gr.Request) -> dict[Any, Any]:
        """The background has made something: refresh the list, and open a pair where none is open."""
        actor = self.shell.actor(request, role)
        open_now = (json.loads(asked or "null") or {}).get("asked")
        first = {} if open_now else self.open_first(actor, view)
        return {**self.listing(actor, view), **first}

    def pick(self, role: str, event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        actor, record = self.shell.actor(request, role), str(event._data["record"])
        reads = may(actor, "take")
        if reads:
            self.shell.workbench.take(record, actor=actor)
        detail, held = self.shell.workbench.show(record, actor=actor), {}
        if detail["held_by"] and not reads:
            held = self.shell.say(f"{detail['held_by']} is reading this pair.", "warn")
        return {**self.pair(detail, actor), **held}

    def step(self, asked: str, role: str, view: dict[str, Any], back: bool, request: gr.Request) -> dict[Any, Any]:
        after = (json.loads(asked or "null") or {}).get("asked")
        return {**self.shell.say(""), **self.go_on(self.shell.actor(request, role), view, after, back)}

    def decide(
        self,
        asked: str,
        role: str,
        view: dict[str, Any],
        verdict: Verdict,
        comment: str,
        override: bool,
        request: gr.Request,
        reasons: tuple[str, ...] = (),
    ) -> dict[Any, Any]:
        """A verdict on what was on the screen, then the next pair."""
        actor, shown = self.shell.actor(request, role), on_screen(asked)
        bench, record = self.shell.workbench, shown["record"]
        gates = bench.candidate(shown["candidate"], actor=actor)["gates"] if override and shown["candidate"] else []
        detail = bench.decide(
            record, verdict, actor=actor, comment=comment or "", reasons=reasons, candidate=shown["candidate"],
            overrides=[g["name"] for g in gates if g["state"] == "block" and not g["hard"]],
            expected_revision=shown["revision"],
        )  # fmt: skip
        done = {"approve": "approved", "reject": "rejected", "regenerate": "sent back to the queue"}[verdict]
        said = self.shell.say(f"{detail['patient']} {detail['study']} {done}. U takes it back.")
        forth = self.go_on(actor, view, record)
        if self.panes.head not in forth:  # the end of the filter: begin again with what was passed over
            forth = self.go_on(actor, view, None)
        return {**forth, **said}

    def reject(
        self, asked: str, role: str, view: dict[str, Any], comment: str, event: gr.EventData, request: gr.Request
    ) -> dict[Any, Any]:
        reasons = (str(event._data["reason"]),)
        return self.decide(asked, role, view, "reject", comment, False, request, reasons)

    def undo(self, role: str, view: dict[str, Any], request: gr.Request) -> dict[Any, Any]:
        actor = self.shell.actor(request, role)
        detail = self.shell.workbench.undo(actor=actor)
        what = {"undo": "Taken back", "flag": "The flag is raised again"}[detail["decisions"][-1]["verdict"]]
        said = self.shell.say(f"{what}: {detail['patient']} {detail['study']}.")
        return {**self.pair(detail, actor), **self.listing(actor, view), **said}

    def turn(self, role: str, view: dict[str, Any], event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        view = {**view, "offset": max(0, view["offset"] + PAGE * int(event._data["by"]))}
        return {self.filters.view: view, **self.listing(self.shell.actor(request, role), view)}

    def filter(self, role: str, request: gr.Request, *values: Any) -> dict[Any, Any]:
        actor, view = self.shell.actor(request, role), self.filters.values(*values)
        return {
            self.filters.view: view, **self.filters.choices(actor), **self.listing(actor, view),
            **self.open_first(actor, view),
        }  # fmt: skip

    def way(self, role: str, event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        """One of the buttons above the queue: what waits for a verdict, for a look, for a blind second reading."""
        actor = self.shell.actor(request, role)
        return self._show(actor, way_into(str(event._data["to"]), actor))

    def recall(self, role: str, key: str, request: gr.Request) -> dict[Any, Any]:
        """A saved view."""
        actor = self.shell.actor(request, role)
        return self._show(actor, self.filters.recall(key, actor))

    def _show(self, actor: Actor, view: dict[str, Any]) -> dict[Any, Any]:
        put = self.filters.put(view)
        view = put[self.filters.view]
        return {**put, **self.listing(actor, view), **self.open_first(actor, view)}

    def flag(self, asked: str, role: str, view: dict[str, Any], words: str, audience: str, request: gr.Request) -> Any:
        """A flag in the reader's own words."""
        return self._flagged(view, self.shell.actor(request, role), on_screen(asked), words, audience)

    def flag_preset(
        self, asked: str, role: str, view: dict[str, Any], words: str, event: gr.EventData, request: gr.Request
    ) -> dict[Any, Any]:
        """A flag with one of the ready-made reasons."""
        reason, audience = self.flags.preset(int(event._data["reason"]), words)
        return self._flagged(view, self.shell.actor(request, role), on_screen(asked), reason, audience)

    def _flagged(
        self, view: dict[str, Any], actor: Actor, shown: dict[str, Any], reason: str, audience: str
    ) -> dict[Any, Any]:
        detail, said = self.flags.raise_(shown, reason, audience, actor)
        return {**self.pair(detail, actor), **self.listing(actor, view), **said}

    def word_ask(
        self, asked: str, role: str, view: dict[str, Any], term: str, which: str, category: str, request: gr.Request
    ) -> dict[Any, Any]:
        """Who may not edit the lists flags the pair for who may."""
        reason = self.words.asking(term, which, category)
        return self._flagged(view, self.shell.actor(request, role), on_screen(asked), reason, "privacy-officer")

    def clear_flag(
        self, asked: str, role: str, view: dict[str, Any], which: int | None, came: str, request: gr.Request
    ) -> dict[Any, Any]:
        """Settle a flag of the pair that is open."""
        actor = self.shell.actor(request, role)
        detail, said = self.flags.settle(opened(asked), which, came, actor)
        return {**self.pair(detail, actor), **self.listing(actor, view), **said}

    def choose(
        self, asked: str, role: str, view: dict[str, Any], event: gr.EventData, request: gr.Request
    ) -> dict[Any, Any]:
        actor, record = self.shell.actor(request, role), opened(asked)
        detail = self.shell.workbench.choose(record, int(event._data["candidate"]), actor=actor)
        return {**self.pair(detail, actor), **self.listing(actor, view), **self.shell.say("Version chosen.")}

    def make(
        self, asked: str, role: str, view: dict[str, Any], request: gr.Request, *settings: Any
    ) -> Iterator[dict[Any, Any]]:
        """Other versions of the pair on the screen."""
        yield from self._make(asked, role, view, request, lambda *on: self.regenerate.run(*on, *settings))

    def compare(self, asked: str, role: str, view: dict[str, Any], request: gr.Request) -> Iterator[dict[Any, Any]]:
        """A version by each method."""
        yield from self._make(asked, role, view, request, self.regenerate.side_by_side)

    def _make(
        self, asked: str, role: str, view: dict[str, Any], request: gr.Request, run: Callable[..., Any]
    ) -> Iterator[dict[Any, Any]]:
        """Run with progress; the contact sheet shows the versions as they stand in the end."""
        try:
            actor, record = self.shell.actor(request, role), opened(asked)
            result: dict[str, Any] | None = None
            for text, outcome in run(record, actor):
                result = outcome
                yield self.shell.say(text)
            detail = self.shell.workbench.show(record, actor=actor)
            failed = f" {len(result['failed'])} failed: {result['failed'][0]}" if result and result["failed"] else ""
            said = self.shell.say(f"New versions are on the tab Versions.{failed}", "warn" if failed else "ok")
            yield {**self.pair(detail, actor), **self.listing(actor, view), **said}
        except UpdpError as error:
            yield self.shell.say(str(error), "stop")

    def batch_look(self, role: str, view: dict[str, Any], request: gr.Request) -> dict[Any, Any]:
        return self.batch.look(self.filters.read(view)[0], self.shell.actor(request, role))

    def batch_approve(self, role: str, view: dict[str, Any], number: int, request: gr.Request) -> dict[Any, Any]:
        actor = self.shell.actor(request, role)
        said = self.shell.say(self.batch.approve(self.filters.read(view)[0], number, actor))
        return {**self.listing(actor, view), **self.open_first(actor, view), **said}

    def reproduce(self, asked: str, role: str, request: gr.Request) -> dict[Any, Any]:
        """Run the recorded method, settings, lexicon and seed again, and say what came out the same."""
        actor, shown = self.shell.actor(request, role), on_screen(asked)
        if not shown["candidate"]:
            raise UsageError("This record has no version yet.")
        return {self.compared: show.reproduced(self.shell.workbench.reproduce(shown["candidate"], actor=actor))}

    def word(self, role: str, which: str, event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        return self.words.open(str(event._data["word"]), which, self.shell.actor(request, role))

    def word_again(self, role: str, which: str, term: str, request: gr.Request) -> dict[Any, Any]:
        return self.words.open(term, which, self.shell.actor(request, role))

    def word_impact(self, role: str, term: str, which: str, category: str, request: gr.Request) -> dict[Any, Any]:
        return self.words.look(term, which, category, self.shell.actor(request, role))

    def word_save(
        self, asked: str, role: str, view: dict[str, Any], term: str, which: str, category: str, comment: str,
        request: gr.Request,
    ) -> dict[Any, Any]:  # fmt: skip
        actor = self.shell.actor(request, role)
        done = self.words.keep(term, which, category, comment, actor)
        record = (json.loads(asked or "null") or {}).get("asked")
        pair = self.pair(self.shell.workbench.show(record, actor=actor), actor) if record else {}
        return {**pair, **self.listing(actor, view), **done}

    def draft(self, asked: str, role: str, comment: str, request: gr.Request) -> None:
        shown = (json.loads(asked or "null") or {}).get("shown")
        if shown:
            draft = {"comment": comment} if comment else {}
            self.shell.workbench.save_draft(shown["record"], draft, actor=self.shell.actor(request, role))


def opened(asked: str) -> str:
    """The record that is open, whether or not its images have arrived."""
    record = (json.loads(asked or "null") or {}).get("asked")
    if not record:
        raise UsageError("Open a pair first.")
    return str(record)


def on_screen(asked: str) -> dict[str, Any]:
    """The pair whose images the reader sees; a verdict without one is refused."""
    shown = (json.loads(asked or "null") or {}).get("shown")
    if not shown:
        raise UsageError("Wait until the images of this pair are on the screen, then decide.")
    return shown
