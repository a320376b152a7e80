"""The review page: queue, viewer, evidence, verdict. Handlers unpack, call the Workbench and format."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ui import format as show
from ui import viewer
from ui.filters import FilterBar
from ui.regenerate import RegenerateBox
from ui.session import told
from ui.shell import ASK, LONG, QUICK, Shell
from ui.words import WordBox
from updp_core.domain import Actor
from updp_core.errors import UpdpError, UsageError

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

    def pair(self, detail: dict[str, Any], actor: Actor) -> dict[Any, Any]:
        """Updates of every pane for one record."""
        p, gates = self.panes, detail["gates"]
        current = next((c for c in detail["candidates"] if c["candidate"] == detail["candidate"]), None)
        plots = self.plots(actor, [g["name"] for g in gates], current["method"]) if current else {}
        original = detail["images"].get("original") or {}
        can_override = any(g["state"] == "block" and not g["hard"] for g in gates)
        return {
            p.head: show.head(detail),
            p.gates: show.gates(gates, plots),
            p.prompt: show.prompt(detail["prompt"], current["prompt_text"] if current else ""),
            p.reports: show.reports(detail["report"]),
            p.findings: show.findings(detail["evidence"]),
            p.history: show.history(detail),
            p.contact: self.regenerate.sheet(detail, actor),
            p.viewer: {
                "record": detail["record"],
                "candidate": detail["candidate"],
                "revision": detail["revision"],
                "bits": original.get("bit_depth", 16),
            },
            p.comment: str(detail["draft"].get("comment", "")),
            p.override: gr.update(visible=can_override, value=False),
        }

    def no_pair(self, text: str) -> dict[Any, Any]:
        p = self.panes
        blank: dict[Any, Any] = {
            c: "" for c in (p.gates, p.prompt, p.reports, p.findings, p.history, p.contact, p.comment)
        }
        return {**blank, p.head: show.empty(text), p.viewer: {"message": text}, p.override: gr.update(visible=False)}

    def listing(self, actor: Actor, view: dict[str, Any]) -> dict[Any, Any]:
        """The queue and the progress above it."""
        bench, (filters, sort) = self.shell.workbench, self.filters.read(view)
        page = bench.page(actor=actor, filters=filters, sort=sort, offset=view.get("offset", 0), limit=PAGE)
        return {
            self.queue: show.queue(page, actor.name),
            self.progress: show.progress(bench.counts(actor=actor), actor.name),
        }

    def go_on(self, actor: Actor, view: dict[str, Any], after: str | None, back: bool = False) -> dict[Any, Any]:
        """Hold and show the next pair of the filter that nobody else holds."""
        filters, sort = self.filters.read(view)
        record = self.shell.workbench.take_next(actor=actor, filters=filters, sort=sort, after=after, back=back)
        if record is None and after is not None:
            where = "This is the first pair of this filter." if back else "This is the last pair of this filter."
            return self.shell.say(where, "warn")
        if record is None:
            return self.no_pair(self.nothing(actor))
        return self.pair(self.shell.workbench.show(record, actor=actor), actor)

    # --- handlers ---------------------------------------------------------------------------------------

    def start(self, role: str, view: dict[str, Any], request: gr.Request) -> dict[Any, Any]:
        """The page has been opened, or the role switched."""
        actor, bench = self.shell.actor(request, role), self.shell.workbench
        choices = self.filters.choices(bench.counts(actor=actor), bench.views(actor=actor))
        methods = [(m["title"], m["name"]) for m in bench.methods(actor=actor) if m["available"]]
        choices[self.regenerate.method] = gr.update(choices=[("As before", ""), *methods])
        return {**choices, **self.listing(actor, view), **self.open_first(actor, view)}

    def nothing(self, actor: Actor) -> str:
        """Why the viewer is empty."""
        counts = self.shell.workbench.counts(actor=actor)
        if not counts["total"]:
            return "No studies yet. Import some on the page Import & run."
        if counts["states"].get("new"):
            return "Nothing to review here yet: pairs are being prepared."
        return "No pair in this filter."

    def open_first(self, actor: Actor, view: dict[str, Any]) -> dict[Any, Any]:
        if actor.role in ("radiologist", "privacy-officer"):
            return self.go_on(actor, view, None)
        page = self.shell.workbench.page(actor=actor, filters=self.filters.read(view)[0], limit=1)["records"]
        if not page:
            return self.no_pair(self.nothing(actor))
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
        detail = self.shell.workbench.show(record, actor=actor)
        held = {}
        if actor.role in ("radiologist", "privacy-officer"):
            self.shell.workbench.take(record, actor=actor)
        elif detail["held_by"]:
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
        verdict: str,
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
        said = self.shell.say(f"Verdict on {detail['patient']} {detail['study']} taken back.")
        return {**self.pair(detail, actor), **self.listing(actor, view), **said}

    def turn(self, role: str, view: dict[str, Any], event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        view = {**view, "offset": max(0, view["offset"] + PAGE * int(event._data["by"]))}
        return {self.filters.view: view, **self.listing(self.shell.actor(request, role), view)}

    def filter(self, role: str, request: gr.Request, *values: Any) -> dict[Any, Any]:
        actor, view = self.shell.actor(request, role), self.filters.values(*values)
        return {self.filters.view: view, **self.listing(actor, view), **self.open_first(actor, view)}

    def choose(
        self, asked: str, role: str, view: dict[str, Any], event: gr.EventData, request: gr.Request
    ) -> dict[Any, Any]:
        actor, shown = self.shell.actor(request, role), on_screen(asked)
        detail = self.shell.workbench.choose(shown["record"], int(event._data["candidate"]), actor=actor)
        return {**self.pair(detail, actor), **self.listing(actor, view), **self.shell.say("Version chosen.")}

    def make(
        self, asked: str, role: str, view: dict[str, Any], request: gr.Request, *settings: Any
    ) -> Iterator[dict[Any, Any]]:
        """Other versions of the pair on the screen, with progress; the sheet shows them as they stand in the end."""
        try:
            actor, record = self.shell.actor(request, role), on_screen(asked)["record"]
            result: dict[str, Any] | None = None
            for text, result in self.regenerate.run(record, actor, *settings):
                yield self.shell.say(text)
            detail = self.shell.workbench.show(record, actor=actor)
            failed = f" {len(result['failed'])} failed: {result['failed'][0]}" if result and result["failed"] else ""
            said = self.shell.say(f"New versions are on the tab Versions.{failed}", "warn" if failed else "ok")
            yield {**self.pair(detail, actor), **self.listing(actor, view), **said}
        except UpdpError as error:
            yield self.shell.say(str(error), "stop")

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


def on_screen(asked: str) -> dict[str, Any]:
    """The pair whose images the reader sees; a verdict without one is refused."""
    shown = (json.loads(asked or "null") or {}).get("shown")
    if not shown:
        raise UsageError("Wait until the images of this pair are on the screen, then decide.")
    return shown


QUEUE_JS = """
element.addEventListener("click", (e) => {
  const row = e.target.closest("[data-record]"), turn = e.target.closest("[data-turn]");
  if (row) trigger("pick", { record: row.dataset.record });
  else if (turn && !turn.disabled) trigger("turn", { by: Number(turn.dataset.turn) });
});
watch("value", () => window.updp?.mark?.());
"""
WORD_JS = """
element.addEventListener("click", (e) => {
  const word = e.target.closest("[data-word], .w");
  if (word && !getSelection().toString()) { trigger("word", { word: word.dataset.word ?? word.textContent }); window.updp.open("word-box"); }
});
"""
REASON_JS = """
element.addEventListener("click", (e) => {
  const b = e.target.closest("[data-reason]");
  if (b) { trigger("reason", { reason: b.dataset.reason }); window.updp.close(); }
});
"""
CONTACT_JS = """
element.addEventListener("click", (e) => {
  const b = e.target.closest("[data-choose]");
  if (b) trigger("choose", { candidate: Number(b.dataset.choose) });
});
"""


def _reasons() -> str:
    buttons = "".join(
        f'<button type="button" data-reason="{show.esc(reason)}" data-digit="{i}"><kbd>{i}</kbd> {show.esc(reason)}</button>'
        for i, reason in enumerate(show.REASONS, 1)
    )
    return f'<h2 tabindex="-1">Reject: why?</h2><div class="reasons">{buttons}</div>'


def build(shell: Shell) -> Review:
    """The page. Returns its handlers; `load` is wired by the app."""
    page = Review(shell)
    part = {"apply_default_css": False, "js_on_load": None}
    with gr.Row(elem_id="desk", equal_height=True):
        with gr.Column(elem_id="queue-col", min_width=0):
            page.progress = gr.HTML(elem_id="progress", **part)
            page.filters = FilterBar(shell)
            page.queue = gr.HTML(elem_id="queue", apply_default_css=False, js_on_load=QUEUE_JS)
        with gr.Column(elem_id="pair-col", min_width=0):
            picture = viewer.build(shell.session)
            prompt = gr.HTML(elem_id="prompt", apply_default_css=False, js_on_load=WORD_JS)
            with gr.Tabs(elem_id="below"):
                with gr.Tab("Reports", id="reports"):
                    reports = gr.HTML(elem_id="reports", apply_default_css=False, js_on_load=WORD_JS)
                with gr.Tab("Findings", id="findings"):
                    findings = gr.HTML(elem_id="findings", **part)
                with gr.Tab("Versions", id="versions", elem_id="versions-tab"):
                    contact = gr.HTML(elem_id="contact", apply_default_css=False, js_on_load=CONTACT_JS)
                with gr.Tab("History", id="history"):
                    history = gr.HTML(elem_id="history", **part)
        with gr.Column(elem_id="verdict-col", min_width=0):
            head = gr.HTML(elem_id="head", **part)
            gates = gr.HTML(elem_id="gates", **part)
            with gr.Column(elem_id="verdict", min_width=0):
                override = gr.Checkbox(label="Override what blocks (say why below)", visible=False, elem_id="override")
                comment = gr.Textbox(
                    placeholder="Comment  ( C )",
                    show_label=False,
                    label="Comment",
                    lines=2,
                    max_lines=3,
                    elem_id="comment",
                )
                with gr.Row(elem_id="verdict-main"):
                    approve = gr.Button("✓ Approve", elem_id="approve", min_width=0)
                    reject = gr.Button("✕ Reject…", elem_id="reject", min_width=0)
                with gr.Row(elem_id="verdict-more"):
                    again = gr.Button("↻ Regenerate…", elem_id="regenerate", min_width=0)
                    undo = gr.Button("↶ Undo", elem_id="undo", min_width=0)
                with gr.Row(elem_id="verdict-go"):
                    back = gr.Button("‹ Previous", elem_id="previous", min_width=0)
                    forth = gr.Button("Next ›", elem_id="next", min_width=0)
    with gr.Column(elem_id="reject-box", elem_classes=["sheet"]):
        reasons = gr.HTML(_reasons(), apply_default_css=False, js_on_load=REASON_JS)
        gr.Button("Cancel", elem_classes=["sheet-close"])
    page.regenerate, page.words = RegenerateBox(shell), WordBox(shell)
    page.word_open = gr.Button("Word", visible="hidden", elem_id="word-open")
    page.panes = Panes(head, gates, prompt, reports, findings, history, contact, picture, comment, override)
    page.asked = gr.Textbox(visible="hidden", elem_id="asked", label="asked")
    _wire(page, approve, reject, again, undo, back, forth, reasons)
    return page


def _wire(
    page: Review, approve: gr.Button, reject: gr.Button, again: gr.Button, undo: gr.Button, back: gr.Button,
    forth: gr.Button, reasons: gr.HTML,
) -> None:  # fmt: skip
    shell, panes, filters, asked = page.shell, page.panes, page.filters, page.asked
    role, view, guard = shell.role, filters.view, told(shell.say)
    parts = list(vars(panes).values())
    every = [*parts, page.queue, page.progress, shell.message]
    page.every = every
    menus = [
        filters.state,
        filters.gate,
        filters.finding,
        filters.method,
        filters.lexicon,
        filters.reviewer,
        filters.saved,
    ]
    page.starters = [*every, *menus, page.regenerate.method]

    def verdict(name: str) -> Any:
        def handler(
            asked: str, role: str, view: dict[str, Any], comment: str, override: bool, request: gr.Request
        ) -> Any:
            return page.decide(asked, role, view, name, comment, override, request)

        return guard(handler)

    def step(back: bool) -> Any:
        def handler(asked: str, role: str, view: dict[str, Any], request: gr.Request) -> Any:
            return page.step(asked, role, view, back, request)

        return guard(handler)

    said = [asked, role, view, panes.comment, panes.override]
    approve.click(verdict("approve"), said, every, js=ASK, **QUICK)
    page.regenerate.later.click(verdict("regenerate"), said, every, js=ASK, **QUICK).then(None, js="() => updp.close()")
    reasons.reason(guard(page.reject), said[:4], every, js=ASK, **QUICK)
    undo.click(guard(page.undo), [role, view], every, **QUICK)
    forth.click(step(False), [asked, role, view], every, js=ASK, **QUICK)
    back.click(step(True), [asked, role, view], every, js=ASK, **QUICK)
    reject.click(None, js="() => updp.open('reject-box')")
    again.click(None, js="() => updp.open('regen-box')")
    page.queue.pick(guard(page.pick), [role], every, **QUICK)
    page.queue.turn(guard(page.turn), [role, view], [view, *every], **QUICK)
    panes.comment.input(
        guard(page.draft), [asked, role, panes.comment], [shell.message], js=ASK, trigger_mode="always_last", **QUICK
    )
    filters.wire(guard)
    for control in filters.controls().values():
        event = control.submit if isinstance(control, gr.Textbox) else control.change
        event(guard(page.filter), [role, *filters.controls().values()], [view, *every], **QUICK)
    panes.contact.choose(guard(page.choose), [asked, role, view], every, js=ASK, **QUICK)
    page.regenerate.now.click(None, js="() => updp.close()").then(
        page.make, [asked, role, view, *page.regenerate.settings], every, js=ASK, **LONG
    ).then(None, js="() => updp.versions()")
    box = page.words
    box_parts = [box.term, box.category, box.impact, shell.message]
    for source in (panes.prompt, panes.reports):
        source.word(guard(page.word), [role, box.which], box_parts, **QUICK)
    for again_ in (page.word_open.click, box.which.change):
        again_(guard(page.word_again), [role, box.which, box.term], box_parts, **QUICK)
    edit = [box.term, box.which, box.category]
    box.check.click(guard(page.word_impact), [role, *edit], [box.impact, shell.message], **QUICK)
    box.save.click(
        guard(page.word_save), [asked, role, view, *edit, box.comment], [box.impact, *every], js=ASK, **QUICK
    )
