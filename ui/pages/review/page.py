"""The review page: the queue, the pair that is open, and what happens at each verdict, flag and word."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import gradio as gr

from ui import show
from ui.pages.page import Page
from ui.pages.review.batch import BatchBox
from ui.pages.review.filters import FilterBar, way_into, way_of
from ui.pages.review.flags import FlagBox
from ui.pages.review.methods import MethodsBox
from ui.pages.review.pair import Pair
from ui.pages.review.regenerate import RegenerateBox
from ui.pages.review.words import WordBox
from ui.shell import LONG, Screen, Shell, Updates
from ui.show import review
from updp_core.domain import Actor, Verdict
from updp_core.errors import UpdpError, UsageError
from updp_core.workbench import APPROVE_REASONS, REASONS, may

PAGE = 50
View = dict[str, Any]
QUEUE_JS = """
element.addEventListener("click", (e) => {
  const row = e.target.closest("[data-record]"), turn = e.target.closest("[data-turn]");
  if (row) trigger("pick", { record: row.dataset.record });
  else if (turn && !turn.disabled) trigger("turn", { by: Number(turn.dataset.turn) });
});
window.updp.pick = (record) => trigger("pick", { record }); // from a link on another page
watch("value", () => window.updp?.mark?.());
"""
WAY_JS = """
element.addEventListener("click", (e) => {
  const b = e.target.closest("[data-way]");
  if (b) trigger("way", { to: b.dataset.way });
});
"""
REASON_JS = """
element.addEventListener("click", (e) => {
  const b = e.target.closest("[data-reason]");
  if (b) { trigger("reason", { reason: b.dataset.reason }); window.updp.close(); }
});
"""
APPROVE_JS = """
element.addEventListener("click", (e) => {
  const b = e.target.closest("[data-because]");
  if (b) { trigger("because", { reason: b.dataset.because }); window.updp.close(); }
});
"""
CLOSE, DONE, VERSIONS = "() => updp.close()", "() => updp.closeIfDone()", "() => updp.versions()"
SAID: dict[str, str] = {"approve": "approved", "reject": "rejected", "regenerate": "sent back to the queue"}


def opens(sheet: str) -> str:
    """The script that opens a sheet."""
    return f"() => updp.open('{sheet}')"


class Review(Page):
    """Three columns, the sheets over them, and the handlers of both."""

    title, key, at_once = "Review", "review", True

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell)
        with gr.Row(elem_id="desk", equal_height=True):
            with gr.Column(elem_id="queue-col", min_width=0):
                self.progress = shell.part(elem_id="progress", js=WAY_JS, live=True)
                self.filters = FilterBar(shell)
                self.queue = shell.part(elem_id="queue", js=QUEUE_JS, live=True)
            self.pair = Pair(shell)
        with gr.Column(elem_id="reject-box", elem_classes=["sheet"]):
            self.reasons = shell.part(show.render("review/reasons.html", reasons=REASONS), js=REASON_JS)
            gr.Button("Cancel", elem_classes=["sheet-close"])
        with gr.Column(elem_id="approve-box", elem_classes=["sheet"]):
            template = show.render("review/approve_reasons.html", reasons=APPROVE_REASONS)
            self.because = shell.part(template, js=APPROVE_JS)
            gr.Button("Cancel", elem_classes=["sheet-close"])
        self.regenerate, self.words, self.batch = RegenerateBox(shell), WordBox(shell), BatchBox(shell)
        self.methods = MethodsBox(shell)
        self.flags = FlagBox(shell)
        self.word_open = gr.Button("Word", visible="hidden", elem_id="word-open")
        self.inputs = [self.filters.view]
        self.every = [*self.pair.shown, *self.flags.shown, self.queue, self.progress, *self.filters.menus()]
        self.shown = [*self.every, self.regenerate.method, *self.pair.buttons]
        self._wire_verdicts()
        self._wire_queue()
        self._wire_sheets()
        self._wire_words()

    # --- which event calls which handler ----------------------------------------------------------------

    def _wire_verdicts(self) -> None:
        on, screen, view, side = self.shell.on, self.shell.screen, self.filters.view, self.pair.side
        given = [screen, view, side.comment, side.override]
        on(side.approve.click, functools.partial(self.verdict, "approve"), given, self.every)
        on(self.regenerate.later.click, functools.partial(self.verdict, "regenerate"), given, self.every).then(
            None, js=CLOSE
        )
        on(self.because.because, self.approve_because, given, self.every, tells=["reason"])
        on(self.reasons.reason, self.reject, given[:3], self.every, tells=["reason"])
        on(side.undo.click, self.undo, [view], self.every)
        on(side.forth.click, self.forth, [screen, view], self.every)
        on(side.back.click, self.back, [screen, view], self.every)
        side.reject.click(None, js=opens("reject-box"))
        side.regenerate.click(None, js=opens("regen-box"))
        side.flag.click(None, js=opens("flag-box"))
        on(side.head.typed, self.draft, [screen, side.comment], trigger_mode="always_last", quiet=True)

    def _wire_queue(self) -> None:
        on, view, controls = self.shell.on, self.filters.view, list(self.filters.controls().values())
        on(self.queue.pick, self.pick, [], self.every, tells=["record"])
        on(self.queue.turn, self.turn, [view], [view, *self.every], tells=["by"])
        for control in controls:
            event = control.submit if isinstance(control, gr.Textbox) else control.input
            on(event, self.filter, [view, *controls], [view, *self.every])
        whole = [view, *controls, *self.every]
        on(self.progress.way, self.way, [], whole, tells=["to"])
        on(self.filters.saved.input, self.recall, [view, self.filters.saved], whole)

    def _wire_sheets(self) -> None:
        on, screen, view, column = self.shell.on, self.shell.screen, self.filters.view, self.pair.column
        flags, batch, box = self.flags, self.batch, self.regenerate
        own = [screen, view, flags.words]
        on(flags.presets.mark, self.flag_preset, own, self.every, tells=["reason"])
        for event in (flags.go.click, flags.words.submit):
            on(event, self.flag, [*own, flags.asked], self.every).then(None, js=DONE)
        for event in (flags.clear.click, flags.came.submit):
            on(event, self.clear_flag, [screen, view, flags.which, flags.came], self.every).then(None, js=DONE)
        self.filters.batch.click(None, js=opens("batch-box"))
        on(self.filters.batch.click, self.batch_look, [view], [batch.number, batch.sample, batch.go])
        batch.go.click(None, js=CLOSE)
        on(batch.go.click, self.batch_approve, [view, batch.number], self.every)
        on(column.again.click, self.reproduce, [screen], [column.compared], how=LONG)
        for source in (column.contact, column.viewer):
            on(source.choose, self.choose, [screen, view], self.every, tells=["candidate"])
        now = box.now.click(None, js=CLOSE)
        on(now.then, self.make, [screen, view, *box.settings], self.every, how=LONG).then(None, js=VERSIONS)
        leave_out = self.pair.side.gates.clear_rarity
        on(leave_out, self.clear_rarity, [screen, view], self.every, how=LONG)
        methods = self.methods
        box.compare.click(None, js=opens("methods-box"))
        on(box.compare.click, methods.look, [screen], [methods.cards])
        asked, every = [screen, view], [methods.cards, *self.every]
        on(methods.cards.draw, self.compare, asked, every, tells=["method", "settings", "seed"], how=LONG)
        on(methods.cards.choose, self.choose, asked, self.every, tells=["candidate"])

    def _wire_words(self) -> None:
        on, screen, view, box = self.shell.on, self.shell.screen, self.filters.view, self.words
        parts, edit = [box.term, box.category, box.impact, box.save, box.ask], [box.term, box.which, box.category]
        for source in (self.pair.column.prompt, self.pair.column.reports):
            on(source.word, box.open, [box.which], parts, tells=["word"])
        for event in (self.word_open.click, box.which.change):
            on(event, box.open, [box.term, box.which], parts)
        on(box.ask.click, self.word_ask, [screen, view, *edit], self.every).then(None, js=DONE)
        on(box.check.click, box.look, edit, [box.impact])
        on(box.save.click, self.word_save, [screen, view, *edit, box.comment], [box.impact, *self.every])

    # --- what the page shows ----------------------------------------------------------------------------

    def open(self, detail: Mapping[str, Any], actor: Actor, ahead: list[dict[str, Any]] | None = None) -> Updates:
        """A record on the screen, with everything that follows it."""
        versions = self.regenerate.versions(detail, actor)
        return {**self.pair.show(detail, actor, versions, ahead), **self.flags.look(detail, actor.role)}

    def close(self, text: str) -> Updates:
        """No record on the screen, and why."""
        return {**self.pair.none(text), **self.flags.look({"flags": []}, "")}

    def listing(self, actor: Actor, view: View) -> Updates:
        """The queue, the progress above it, and the numbers in the filters."""
        counts = self.bench.counts(actor=actor)
        filters, sort = self.filters.read(view)
        page = self.bench.page(actor=actor, filters=filters, sort=sort, offset=view.get("offset", 0), limit=PAGE)
        return {
            self.queue: review.queue(page, actor.name, counts["states"]["new"] if way_of(view) == "review" else 0),
            self.progress: review.progress(counts, actor.name, way_of(view)),
            **self.filters.choices(actor, counts),
        }

    def go_on(self, actor: Actor, view: View, after: str | None, back: bool = False) -> Updates:
        """Hold and show the next pair of the filter that nobody else holds."""
        filters, sort = self.filters.read(view)
        record = self.bench.take_next(actor=actor, filters=filters, sort=sort, after=after, back=back)
        if record is None and after is not None:
            where = "This is the first pair of this filter." if back else "This is the last pair of this filter."
            return self.shell.say(where, "warn")
        if record is None:
            return self.at_the_end(actor, view)
        ahead = self.bench.upcoming(record, actor=actor, filters=filters, sort=sort)
        return self.open(self.bench.show(record, actor=actor), actor, ahead)

    def at_the_end(self, actor: Actor, view: View) -> Updates:
        """No pair is left in this filter: what was done, and what is next."""
        text, counts = self.nothing(actor, view), self.bench.counts(actor=actor)
        return {**self.close(text), self.pair.side.head: review.end(text, counts, actor.name, way_of(view))}

    def nothing(self, actor: Actor, view: View) -> str:
        """Why the viewer is empty."""
        counts = self.bench.counts(actor=actor)
        if not counts["total"]:
            return "No studies yet. Import some on the page Import & run."
        if way_of(view) == "flagged":
            return "Nothing is flagged for you."
        if way_of(view) == "second":
            return "No blind second reading waits for you."
        if counts["states"].get("new"):
            return "Nothing to review here yet: pairs are being prepared."
        return "Everything of this filter is done." if counts["left"] < counts["total"] else "No pair in this filter."

    def open_first(self, actor: Actor, view: View) -> Updates:
        """The first pair of the filter: held where the role decides, else only shown."""
        if may(actor, "take_next"):
            return self.go_on(actor, view, None)
        page = self.bench.page(actor=actor, filters=self.filters.read(view)[0], limit=1)["records"]
        if not page:
            return self.at_the_end(actor, view)
        return self.open(self.bench.show(page[0]["record"], actor=actor), actor)

    # --- the page as a whole ----------------------------------------------------------------------------

    def on_role(self, actor: Actor, screen: Screen, view: View) -> Updates:
        """The app has been opened, or the role switched: everything anew, about the same pair."""
        methods = [(m["title"], m["name"]) for m in self.bench.methods(actor=actor) if m["available"]]
        choices = {self.regenerate.method: gr.update(choices=[("As before", ""), *methods])}
        live = {button: gr.update(interactive=may(actor, verb)) for button, verb in self.pair.buttons.items()}
        return {**choices, **live, **self.listing(actor, view), **self._same(actor, screen, view)}

    def _same(self, actor: Actor, screen: Screen, view: View) -> Updates:
        """The pair that is open, as this role sees it; the first of the filter where none is, or another holds it."""
        if not screen.record:
            return self.open_first(actor, view)
        try:
            if may(actor, "take"):
                self.bench.take(screen.record, actor=actor)
            return self.open(self.bench.show(screen.record, actor=actor), actor)
        except UpdpError:
            return self.open_first(actor, view)

    def look(self, actor: Actor, screen: Screen, view: View) -> Updates:
        """Back on this page: the pair may stand otherwise now."""
        if not screen.record:
            return {**self.listing(actor, view), **self.open_first(actor, view)}
        detail = self.bench.show(screen.record, actor=actor)
        return {**self.listing(actor, view), **self.open(detail, actor)}

    def tick(self, actor: Actor, screen: Screen, view: View) -> Updates:
        """Something has changed: the list follows, and a pair opens where none is open."""
        first = {} if screen.record else self.open_first(actor, view)
        return {**self.listing(actor, view), **first}

    # --- verdicts and the way through the queue ---------------------------------------------------------

    def verdict(self, name: Verdict, actor: Actor, screen: Screen, view: View, comment: str, override: bool) -> Updates:
        """A verdict on what was on the screen, then the next pair."""
        return self.decide(name, actor, screen, view, comment, override)

    def reject(self, actor: Actor, reason: str, screen: Screen, view: View, comment: str) -> Updates:
        """Rejected for a reason of the list."""
        return self.decide("reject", actor, screen, view, comment, reasons=(str(reason),))

    def approve_because(
        self, actor: Actor, reason: str, screen: Screen, view: View, comment: str, override: bool
    ) -> Updates:
        """Approved for a reason, where the evidence has nothing to say."""
        return self.decide("approve", actor, screen, view, comment, override, (str(reason),))

    def decide(
        self,
        verdict: Verdict,
        actor: Actor,
        screen: Screen,
        view: View,
        comment: str,
        override: bool = False,
        reasons: tuple[str, ...] = (),
    ) -> Updates:
        """A verdict on what was on the screen, then the next pair."""
        pair, bench = screen.pair(), self.bench
        gates = bench.candidate(pair["candidate"], actor=actor)["gates"] if override and pair["candidate"] else []
        detail = bench.decide(
            pair["record"],
            verdict,
            actor=actor,
            comment=comment or "",
            reasons=reasons,
            candidate=pair["candidate"],
            overrides=[g["name"] for g in gates if g["state"] == "block" and not g["hard"]],
            expected_revision=pair["revision"],
        )
        said = self.shell.say(f"{detail['record']} {SAID[verdict]}. U takes it back.")
        forth = self.go_on(actor, view, pair["record"])
        if self.pair.side.head not in forth:  # the end of the filter: begin again with what was passed over
            forth = self.go_on(actor, view, None)
        return {**forth, **said}

    def undo(self, actor: Actor, view: View) -> Updates:
        """Take back one's last verdict or flag, and show its pair."""
        detail = self.bench.undo(actor=actor)
        what = {"undo": "Taken back", "flag": "The flag is raised again"}[detail["decisions"][-1]["verdict"]]
        said = self.shell.say(f"{what}: {detail['record']}.")
        return {**self.open(detail, actor), **self.listing(actor, view), **said}

    def forth(self, actor: Actor, screen: Screen, view: View) -> Updates:
        return {**self.shell.say(""), **self.go_on(actor, view, screen.record or None)}

    def back(self, actor: Actor, screen: Screen, view: View) -> Updates:
        return {**self.shell.say(""), **self.go_on(actor, view, screen.record or None, back=True)}

    def pick(self, actor: Actor, record: str) -> Updates:
        """A row of the queue."""
        reads = may(actor, "take")
        if reads:
            self.bench.take(str(record), actor=actor)
        detail = self.bench.show(str(record), actor=actor)
        held = {}
        if detail["held_by"] and not reads:
            held = self.shell.say(f"{detail['held_by']} is reading this pair.", "warn")
        return {**self.open(detail, actor), **held}

    def turn(self, actor: Actor, by: int, view: View) -> Updates:
        """A page of the queue on or back."""
        view = {**view, "offset": max(0, view["offset"] + PAGE * int(by))}
        return {self.filters.view: view, **self.listing(actor, view)}

    def filter(self, actor: Actor, before: View, *values: Any) -> Updates:
        """The controls above the queue have changed. A menu tells so when it is only left, too: then nothing moves."""
        view = self.filters.values(*values)
        if self.filters.read(view) == self.filters.read(before):
            return {self.filters.view: {**before, **view, "offset": before["offset"]}}
        listed = self.listing(actor, view)
        listed[self.filters.saved] = {**listed[self.filters.saved], "value": ""}
        return {self.filters.view: view, **listed, **self.open_first(actor, view)}

    def way(self, actor: Actor, to: str) -> Updates:
        """One of the buttons above the queue: what waits for a verdict, for a look, for a blind second reading."""
        return self._set(actor, way_into(str(to), actor))

    def recall(self, actor: Actor, before: View, key: str) -> Updates:
        """A saved view; nothing moves where its menu is only left."""
        if key == before.get("saved", ""):
            return {}
        return self._set(actor, {**self.filters.recall(key, actor), "saved": key})

    def _set(self, actor: Actor, view: View) -> Updates:
        put = self.filters.put(view)
        view = put[self.filters.view]
        listed = self.listing(actor, view)
        put[self.filters.saved] = view.get("saved", "")
        for menu in self.filters.menus():  # one update a component: its choices and what is chosen
            if menu in put:
                listed[menu] = {**listed[menu], "value": put.pop(menu)}
        return {**put, **listed, **self.open_first(actor, view)}

    def draft(self, actor: Actor, screen: Screen, comment: str) -> Updates:
        """Keep an unsent comment with its pair."""
        if screen.shown:
            self.bench.save_draft(screen.shown["record"], {"comment": comment} if comment else {}, actor=actor)
        return {}

    # --- flags, versions, batches, words ----------------------------------------------------------------

    def flag(self, actor: Actor, screen: Screen, view: View, words: str, audience: str) -> Updates:
        """A flag in the reader's own words."""
        detail, said = self.flags.raise_(screen.pair(), words, audience, actor)
        return {**self.open(detail, actor), **self.listing(actor, view), **said}

    def flag_preset(self, actor: Actor, reason: int, screen: Screen, view: View, words: str) -> Updates:
        """A flag with one of the ready-made reasons."""
        return self.flag(actor, screen, view, *self.flags.preset(int(reason), words))

    def clear_flag(self, actor: Actor, screen: Screen, view: View, which: int | None, came: str) -> Updates:
        """Settle a flag of the pair that is open."""
        detail, said = self.flags.settle(screen.opened(), which, came, actor)
        return {**self.open(detail, actor), **self.listing(actor, view), **said}

    def choose(self, actor: Actor, candidate: int, screen: Screen, view: View) -> Updates:
        """Make another version the current one."""
        detail = self.bench.choose(screen.opened(), int(candidate), actor=actor)
        return {**self.open(detail, actor), **self.listing(actor, view), **self.shell.say("Version chosen.")}

    def make(self, actor: Actor, screen: Screen, view: View, *settings: Any) -> Iterator[Updates]:
        """Other versions of the pair on the screen."""
        yield from self._make(actor, screen, view, functools.partial(self._run, settings))

    def _run(self, settings: tuple[Any, ...], record: str, actor: Actor) -> Any:
        return self.regenerate.run(record, actor, *settings)

    def compare(
        self,
        actor: Actor,
        method: str,
        settings: Mapping[str, Mapping[str, float]],
        seed: int | None,
        screen: Screen,
        view: View,
    ) -> Iterator[Updates]:
        """A version by this method, or by each, at its slider; the sheet shows each as it comes."""
        yield from self.methods.draw(screen.opened(), actor, method, settings, seed)
        detail = self.bench.show(screen.opened(), actor=actor)
        yield {**self.open(detail, actor), **self.listing(actor, view)}

    def clear_rarity(self, actor: Actor, screen: Screen, view: View) -> Iterator[Updates]:
        """The pair made again without the findings that too few patients share."""
        yield from self._make(actor, screen, view, self.regenerate.less)

    def _make(self, actor: Actor, screen: Screen, view: View, run: Callable[[str, Actor], Any]) -> Iterator[Updates]:
        """Run with progress; the contact sheet shows the versions as they stand in the end."""
        record, result = screen.opened(), None
        for text, outcome in run(record, actor):
            result = outcome
            yield self.shell.say(text)
        detail = self.bench.show(record, actor=actor)
        failed = f" {len(result['failed'])} failed: {result['failed'][0]}" if result and result["failed"] else ""
        said = self.shell.say(f"New versions are on the tab Versions.{failed}", "warn" if failed else "ok")
        yield {**self.open(detail, actor), **self.listing(actor, view), **said}

    def reproduce(self, actor: Actor, screen: Screen) -> Updates:
        """Run the recorded method, settings, lexicon and seed again, and say what came out the same."""
        pair = screen.pair()
        if not pair["candidate"]:
            raise UsageError("This record has no version yet.")
        return {self.pair.column.compared: review.reproduced(self.bench.reproduce(pair["candidate"], actor=actor))}

    def batch_look(self, actor: Actor, view: View) -> Updates:
        return self.batch.look(self.filters.read(view)[0], actor)

    def batch_approve(self, actor: Actor, view: View, number: int) -> Updates:
        said = self.shell.say(self.batch.approve(self.filters.read(view)[0], number, actor))
        return {**self.listing(actor, view), **self.open_first(actor, view), **said}

    def word_ask(self, actor: Actor, screen: Screen, view: View, term: str, which: str, category: str) -> Updates:
        """Who may not edit the lists flags the pair for who may."""
        return self.flag(actor, screen, view, self.words.asking(term, which, category), "privacy-officer")

    def word_save(
        self, actor: Actor, screen: Screen, view: View, term: str, which: str, category: str, comment: str
    ) -> Updates:
        """Put the word on the list as a new version."""
        done = self.words.keep(term, which, category, comment, actor)
        pair = self.open(self.bench.show(screen.record, actor=actor), actor) if screen.record else {}
        return {**pair, **self.listing(actor, view), **done}
