"""The review page: its layout, and which event calls which handler of `reading.py` beside it."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ui.door.session import told
from ui.pages.review import viewer
from ui.pages.review.batch import BatchBox
from ui.pages.review.filters import FilterBar
from ui.pages.review.flags import FlagBox
from ui.pages.review.reading import Panes, Review
from ui.pages.review.regenerate import RegenerateBox
from ui.pages.review.words import WordBox
from ui.shell import ASK, LONG, QUICK, Shell, typed_js
from ui.show import review as show
from updp_core.domain import Verdict

QUEUE_JS = """
element.addEventListener("click", (e) => {
  const row = e.target.closest("[data-record]"), turn = e.target.closest("[data-turn]");
  if (row) trigger("pick", { record: row.dataset.record });
  else if (turn && !turn.disabled) trigger("turn", { by: Number(turn.dataset.turn) });
});
watch("value", () => window.updp?.mark?.());
"""
WAY_JS = """
element.addEventListener("click", (e) => {
  const b = e.target.closest("[data-way]");
  if (b) trigger("way", { to: b.dataset.way });
});
"""
WORD_JS = """
element.addEventListener("click", (e) => {
  const word = e.target.closest("[data-word], .w");
  if (!word || getSelection().toString()) return;
  trigger("word", { word: word.dataset.word ?? word.textContent }); window.updp.open("word-box");
});
// Both reports scroll together, each by its own length.
element.addEventListener("scroll", (e) => {
  const one = e.target, other = [...element.querySelectorAll(".rep")].find((r) => r !== one);
  if (!other || !one.matches?.(".rep:hover, .rep:focus")) return;
  const room = (r) => r.scrollHeight - r.clientHeight;
  other.scrollTop = (one.scrollTop / Math.max(1, room(one))) * room(other);
}, true);
"""
DONE = "() => updp.closeIfDone()"
REASON_JS = """
element.addEventListener("click", (e) => {
  const b = e.target.closest("[data-reason]");
  if (b) { trigger("reason", { reason: b.dataset.reason }); window.updp.close(); }
});
"""
CONTACT_JS = """
element.addEventListener("click", (e) => {
  const b = e.target.closest("[data-choose]");
  if (b) { trigger("choose", { candidate: Number(b.dataset.choose) }); window.updp.close(); }
});
"""


def _reasons() -> str:
    buttons = "".join(
        f'<button type="button" data-reason="{show.esc(reason)}" data-digit="{i}"><kbd>{i}</kbd> '
        f"{show.esc(reason)}</button>"
        for i, reason in enumerate(show.REASONS, 1)
    )
    return f'<h2 tabindex="-1">Reject: why?</h2><div class="reasons">{buttons}</div>'


def build(shell: Shell) -> Review:
    """The page. Returns its handlers; `load` is wired by the app."""
    page = Review(shell)
    part: dict[str, Any] = {"apply_default_css": False, "js_on_load": None}
    with gr.Row(elem_id="desk", equal_height=True):
        with gr.Column(elem_id="queue-col", min_width=0):
            page.progress = gr.HTML(elem_id="progress", apply_default_css=False, js_on_load=WAY_JS)
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
                    with gr.Row(elem_classes=["buttons", "tight"]):
                        page.again = gr.Button(
                            "Make the current version again and compare", size="sm", elem_id="reproduce"
                        )
                        page.compared = gr.HTML(elem_id="compared", **part)
                    history = gr.HTML(elem_id="history", **part)
        with gr.Column(elem_id="verdict-col", min_width=0):
            head = gr.HTML(elem_id="head", apply_default_css=False, js_on_load=typed_js("#comment"))
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
                    flag = gr.Button("⚑ Flag…", elem_id="flag", min_width=0)
                with gr.Row(elem_id="verdict-go"):
                    undo = gr.Button("↶ Undo", elem_id="undo", min_width=0)
                    back = gr.Button("‹ Previous", elem_id="previous", min_width=0)
                    forth = gr.Button("Next ›", elem_id="next", min_width=0)
    with gr.Column(elem_id="reject-box", elem_classes=["sheet"]):
        reasons = gr.HTML(_reasons(), apply_default_css=False, js_on_load=REASON_JS)
        gr.Button("Cancel", elem_classes=["sheet-close"])
    page.regenerate, page.words, page.batch = RegenerateBox(shell), WordBox(shell), BatchBox(shell)
    page.flags = FlagBox(shell)
    flag.click(None, js="() => updp.open('flag-box')")
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
    every = [*parts, *page.flags.shown, page.compared, page.queue, page.progress, shell.message]
    page.every = every
    page.starters = [*every, *filters.menus(), page.regenerate.method]

    def verdict(name: Verdict) -> Any:
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
    panes.head.typed(
        guard(page.draft), [asked, role, panes.comment], [shell.message], js=ASK, trigger_mode="always_last", **QUICK
    )
    filters.wire(guard)
    for control in filters.controls().values():
        event = control.submit if isinstance(control, gr.Textbox) else control.input
        event(guard(page.filter), [role, *filters.controls().values()], [view, *filters.menus(), *every], **QUICK)
    whole = [view, *filters.controls().values(), *every]
    page.progress.way(guard(page.way), [role], whole, **QUICK)
    filters.saved.input(guard(page.recall), [role, filters.saved], whole, **QUICK)
    flags = page.flags
    own = [asked, role, view, flags.words]
    flags.presets.mark(guard(page.flag_preset), own, every, js=ASK, **QUICK)
    for event in (flags.go.click, flags.words.submit):
        event(guard(page.flag), [*own, flags.asked], every, js=ASK, **QUICK).then(None, js=DONE)
    for event in (flags.clear.click, flags.came.submit):
        event(guard(page.clear_flag), [asked, role, view, flags.which, flags.came], every, js=ASK, **QUICK).then(
            None, js=DONE
        )
    batch, looked = page.batch, [page.batch.number, page.batch.sample, page.batch.go, shell.message]
    filters.batch.click(None, js="() => updp.open('batch-box')")
    filters.batch.click(guard(page.batch_look), [role, view], looked, **QUICK)
    batch.go.click(None, js="() => updp.close()")
    batch.go.click(guard(page.batch_approve), [role, view, batch.number], every, **QUICK)
    page.again.click(guard(page.reproduce), [asked, role], [page.compared, shell.message], js=ASK, **LONG)
    panes.contact.choose(guard(page.choose), [asked, role, view], every, js=ASK, **QUICK)
    page.regenerate.now.click(None, js="() => updp.close()").then(
        page.make, [asked, role, view, *page.regenerate.settings], every, js=ASK, **LONG
    ).then(None, js="() => updp.versions()")
    page.regenerate.compare.click(None, js="() => updp.close()").then(
        page.compare, [asked, role, view], every, js=ASK, **LONG
    ).then(None, js="() => updp.versions()")
    box = page.words
    box_parts = [box.term, box.category, box.impact, box.save, box.ask, shell.message]
    for source in (panes.prompt, panes.reports):
        source.word(guard(page.word), [role, box.which], box_parts, **QUICK)
    for again_ in (page.word_open.click, box.which.change):
        again_(guard(page.word_again), [role, box.which, box.term], box_parts, **QUICK)
    edit = [box.term, box.which, box.category]
    box.ask.click(guard(page.word_ask), [asked, role, view, *edit], every, js=ASK, **QUICK).then(None, js=DONE)
    box.check.click(guard(page.word_impact), [role, *edit], [box.impact, shell.message], **QUICK)
    box.save.click(
        guard(page.word_save), [asked, role, view, *edit, box.comment], [box.impact, *every], js=ASK, **QUICK
    )
