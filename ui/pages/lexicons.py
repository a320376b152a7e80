"""The lexicon desk: edit the lists, see what the edit would do, save it as a version, go back.

What is changed and not saved is kept by the Workbench for each person: the text area shows the version in force with
these changes on top, and every change of it is kept at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import gradio as gr

from ui import show
from ui.door.uploads import own
from ui.pages.page import Page
from ui.shell import QUICK, Screen, Shell, Updates, typed_js
from ui.show import counted, lexicons, work
from ui.show.review import voided
from updp_core.domain import Actor
from updp_core.errors import ModelUnavailable, UsageError
from updp_core.workbench import may

SIDES = [("Forbidden (blacklist)", "blacklist"), ("Always kept (whitelist)", "whitelist")]
_HEADING = re.compile(r"\[(blacklist|whitelist)/([a-z][a-z0-9_]{0,39})\]")
HITS_JS = """
element.addEventListener("click", (e) => {
  const hit = e.target.closest("[data-side]");
  if (hit) trigger("go", { side: hit.dataset.side, category: hit.dataset.category, term: hit.dataset.term });
});
"""
FIND_JS = """
(term) => {
  const area = document.querySelector("#lex-terms textarea");
  const at = `\\n${area.value}\\n`.indexOf(`\\n${term}\\n`);
  if (!term || at < 0) return;
  area.focus(); area.setSelectionRange(at, at + term.length);
  const line = area.value.slice(0, at).split("\\n").length - 1;
  area.scrollTop = Math.max(0, line - 4) * parseFloat(getComputedStyle(area).lineHeight);
}
"""
DRAFT_JS = """
element.addEventListener("click", (e) => {
  const one = e.target.closest("[data-term]"), all = e.target.closest("[data-discard]");
  if (one) trigger("drop", { side: one.dataset.side, category: one.dataset.category, term: one.dataset.term });
  if (all && window.confirm("Discard all unsaved changes? They cannot be brought back.")) trigger("discard", {});
});
"""
LOG_JS = """
element.addEventListener("click", (e) => {
  const on = (name) => e.target.closest(`[data-${name}]`), see = on("diff"), now = on("now"), back = on("revert");
  if (see) trigger("see", { version: Number(see.dataset.diff), now: false });
  if (now) trigger("see", { version: Number(now.dataset.now), now: true });
  if (back) trigger("back", { version: Number(back.dataset.revert) });
});
"""
EXPORT_JS = """
(text, name) => {
  const link = Object.assign(document.createElement("a"), { download: `${name}.txt` });
  link.href = URL.createObjectURL(new Blob([text.trim() + "\\n"], { type: "text/plain" }));
  link.click(); URL.revokeObjectURL(link.href);
}
"""
ONE_JS = f"(terms, side, category) => ({EXPORT_JS.strip()})(terms, `${{side}}-${{category}}`)"
ALL_JS = f"(text) => {{ if (text) ({EXPORT_JS.strip()})(text, 'updp-lexicons'); return ''; }}"


def lines(text: str) -> list[str]:
    """Terms of a pasted list: one a line, # comments and blank lines left out."""
    return [term for line in (text or "").splitlines() if (term := line.split("#", 1)[0].strip())]


def merged(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, dict[str, list[str]]]:
    """The terms of both, list by list and category by category."""
    return {
        side: {
            category: [*a.get(side, {}).get(category, []), *b.get(side, {}).get(category, [])]
            for category in {**a.get(side, {}), **b.get(side, {})}
        }
        for side in {**a, **b}
    }


class Lexicons(Page):
    """Three columns: the lists, the terms of one category, what is unsaved and what was saved."""

    title, key = "Lexicons", "lexicons"

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell)
        self.looked: dict[str, str] = {}  # person -> the changes whose impact was asked for last
        with gr.Row(elem_classes=["page", "lexicon-page"]):
            with gr.Column(elem_classes=["pane"], min_width=0):
                self._build_lists()
            with gr.Column(elem_classes=["pane"], min_width=0):
                self._build_terms()
            with gr.Column(elem_classes=["pane"], min_width=0):
                self._build_saving()
        self.inputs = [self.side]
        changed = [self.draft, self.impact, self.pieces, self.keep]
        editor = [self.side, self.category, self.terms, self.loaded, self.state]
        self.shown = [*editor, *changed, self.hint, self.log, self.comment, self.diff, self.hits, self.query]
        self._wire(changed)

    def _build_lists(self) -> None:
        shell = self.shell
        shell.part(show.render("heading.html", text="Lists"))
        self.side = gr.Radio(SIDES, value="blacklist", label="List", elem_id="lex-side")
        self.category = gr.Dropdown(
            [], label="Category (type a new name to begin one)", elem_id="lex-category", allow_custom_value=True
        )
        self.query = gr.Textbox(label="Find a term in both lists", elem_id="lex-search", max_lines=1)
        self.hits = shell.part(elem_id="lex-hits", js=HITS_JS)
        self.sought, self.all = gr.Textbox(visible="hidden"), gr.Textbox(visible="hidden")

    def _build_terms(self) -> None:
        self.shell.part(show.render("heading.html", text="Terms"))
        self.state = self.shell.part(elem_id="lex-state")
        self.terms = gr.Textbox(label="Terms", show_label=False, lines=18, max_lines=18, elem_id="lex-terms")
        self.loaded = gr.State(0)
        with gr.Row(elem_classes=["buttons"]):
            self.file = gr.UploadButton("Add from a text file", file_types=[".txt"], size="sm", min_width=0)
            self.one = gr.Button("Export this list", size="sm", min_width=0)
            self.every = gr.Button("Export both lists", size="sm", min_width=0, elem_id="lex-export")

    def _build_saving(self) -> None:
        shell = self.shell
        shell.part(show.render("heading.html", text="Before saving"))
        self.hint = shell.part()
        self.draft = shell.part(elem_id="lex-draft", js=DRAFT_JS + typed_js("#lex-terms, #lex-comment"))
        self.see_impact = gr.Button("Show impact", elem_id="lex-look")
        self.impact = shell.part(elem_id="lex-impact")
        self.pieces = shell.part(elem_id="lex-pieces")
        self.comment = gr.Textbox(label="Why", elem_id="lex-comment", max_lines=2)
        self.keep = gr.Button("Save as a new version", variant="primary", elem_id="lex-save", interactive=False)
        shell.part(show.render("heading.html", text="History"))
        self.log = shell.part(elem_id="lex-log", js=LOG_JS)
        self.diff = shell.part(elem_id="lex-diff")

    def _wire(self, changed: list[Any]) -> None:
        on, everything = self.shell.on, self.shown
        here = [self.side, self.category]
        text = [*here, self.terms, self.comment, self.loaded]
        term = ["side", "category", "term"]
        on(self.side.input, self.choose, [self.side], everything)
        on(self.category.input, self.choose, here, everything)
        on(self.hits.go, self.go, [], [*everything, self.sought], tells=term).then(
            None, [self.sought], js=FIND_JS, **QUICK
        )
        on(self.query.change, self.search, [self.query], [self.hits], trigger_mode="always_last", quiet=True)
        on(self.draft.typed, self.typed, text, changed, trigger_mode="always_last", quiet=True)
        on(self.draft.drop, self.drop, here, everything, tells=term)
        on(self.draft.discard, self.discard, here, everything)
        looked = on(self.see_impact.click, self.foresee, text, changed)
        on(looked.then, self.spell, [], [self.pieces], quiet=True)
        on(self.keep.click, self.save, text, everything)
        on(self.log.see, self.see, [], [self.diff], tells=["version", "now"])
        on(self.log.back, self.back, here, everything, tells=["version"])
        on(self.file.upload, self.upload, [self.file, *text], everything)
        self.one.click(None, [self.terms, *here], js=ONE_JS)
        on(self.every.click, self.export, [], [self.all]).then(None, [self.all], [self.all], js=ALL_JS, **QUICK)

    # what is changed

    def edit(
        self, side: str, category: str, text: str, loaded: int | None, actor: Actor
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the text area adds to and takes from the version that it was loaded from: (add, remove)."""
        if not (category or "").strip():
            raise UsageError("Choose a category.")
        bench = self.bench
        view = bench.lexicon_show(loaded, actor=actor) if loaded else bench.lexicon_current(actor=actor)
        before, after = cast(Any, view)[side].get(category, []), lines(text)
        known, wanted = {t.casefold() for t in before}, {t.casefold() for t in after}
        add = [t for t in after if t.casefold() not in known]
        remove = [t for t in before if t.casefold() not in wanted]
        add_all, remove_all = ({side: {category: terms}} if terms else {} for terms in (add, remove))
        return add_all, remove_all

    def keep_text(
        self, side: str, category: str, text: str, comment: str, loaded: int | None, actor: Actor
    ) -> Mapping[str, Any]:
        """Keep what the text area says of its category beside the unsaved changes of the others."""
        bench = self.bench
        if category:
            kept = bench.lexicon_draft(actor=actor)
            here = self.edit(side, category, text, loaded, actor)
            others = [
                {s: {c: t for c, t in part.items() if (s, c) != (side, category)} for s, part in kept[name].items()}
                for name in ("add", "remove")
            ]
            add, remove = (merged(other, mine) for other, mine in zip(others, here, strict=True))
            bench.save_lexicon_draft(add=add, remove=remove, comment=comment or "", version=loaded or None, actor=actor)
        return cast(Mapping[str, Any], bench.lexicon_draft(actor=actor))

    def unsaved(self, actor: Actor) -> dict[str, Any]:
        """The actor's unsaved changes; nothing for roles that cannot have any."""
        if may(actor, "lexicon_draft"):
            return cast(dict[str, Any], self.bench.lexicon_draft(actor=actor))
        return {"add": {}, "remove": {}, "comment": "", "terms": 0, "version": 0, "current": 0, "saved_at": ""}

    def mark(self, kept: Mapping[str, Any]) -> str:
        """Tells one set of changes from another."""
        return repr((kept["current"], kept["add"], kept["remove"]))

    def changed(self, kept: Mapping[str, Any]) -> Updates:
        """After a change: what was foreseen is out of date, and saving waits for a new look."""
        return {
            self.draft: lexicons.draft(kept),
            self.impact: "",
            self.pieces: "",
            self.keep: gr.update(interactive=False),
        }

    # the page

    def choose(self, actor: Actor, side: str, category: str | None = None) -> Updates:
        """Show a category of a list with the unsaved changes; the first one where none is named."""
        if not may(actor, "lexicon_current"):
            return {
                self.category: gr.update(choices=[], value=None),
                self.terms: gr.update(value="", interactive=False),
                self.state: show.empty("Not shown to your role.", "The lists may hold patients' names."),
                self.draft: "",
            }
        view, kept = self.bench.lexicon_current(actor=actor), self.unsaved(actor)
        lists: dict[str, Sequence[str]] = dict(cast(Any, view)[side])
        category = "_".join((category or "").casefold().split())
        for name in [*kept["add"].get(side, {}), *([category] if category else [])]:
            lists.setdefault(name, [])  # a category that the version in force does not have yet
        chosen = category or next(iter(lists), "")
        add = {c: kept["add"].get(side, {}).get(c, []) for c in lists}
        remove = {c: kept["remove"].get(side, {}).get(c, []) for c in lists}
        gone = set(remove.get(chosen, ()))
        shown = [*add.get(chosen, []), *(t for t in lists.get(chosen, ()) if t not in gone)]

        def label(name: str) -> str:
            n = len(add[name]) + len(remove[name])
            return f"{show.titled(name)} ({len(lists[name])}{f', {n} unsaved' if n else ''})"

        return {
            self.side: side,
            self.category: gr.update(choices=[(label(c), c) for c in lists], value=chosen),
            self.terms: gr.update(value="\n".join(shown), interactive=may(actor, "lexicon_draft")),
            self.loaded: view["version"],
            self.state: show.render("lexicons/state.html", view=view, terms=len(lists.get(chosen, ()))),
            self.draft: lexicons.draft(kept),
        }

    def look(self, actor: Actor, screen: Screen, side: str) -> Updates:
        kept = self.unsaved(actor)
        return {
            **self.changed(kept),
            **self.on_role(actor, screen, side),
            **self.choose(actor, side),
            self.comment: kept["comment"],
            self.log: lexicons.log(self.bench.lexicon_log(actor=actor), may(actor, "lexicon_diff")),
            self.diff: "",
        }

    def on_role(self, actor: Actor, screen: Screen, side: str) -> Updates:
        """What this role may do here; terms that are being edited stay as they are."""
        hint = {self.hint: work.hint("lexicons", actor)}
        if not may(actor, "lexicon_current"):  # nothing of the person who was here before stays on the screen
            gone = (self.impact, self.pieces, self.diff, self.comment, self.hits, self.query)
            log = lexicons.log(self.bench.lexicon_log(actor=actor), may(actor, "lexicon_diff"))
            return {**hint, **self.choose(actor, side), **dict.fromkeys(gone, ""), self.log: log}
        return {**hint, self.terms: gr.update(interactive=may(actor, "lexicon_draft"))}

    def go(self, actor: Actor, side: str, category: str, term: str) -> Updates:
        """To a term that the search has found."""
        return {**self.choose(actor, str(side), str(category)), self.sought: str(term)}

    def search(self, actor: Actor, query: str) -> Updates:
        return {self.hits: lexicons.hits(query, cast(Any, self.bench.lexicon_current(actor=actor)))}

    def typed(self, actor: Actor, side: str, category: str, text: str, comment: str, loaded: int) -> Updates:
        """Something was typed or pasted: keep it. What is foreseen of these very changes meanwhile stays."""
        if not may(actor, "lexicon_draft"):
            return {}
        kept = self.keep_text(side, category, text, comment, loaded, actor)
        same = self.looked.get(actor.name) == self.mark(kept)
        return {self.draft: lexicons.draft(kept)} if same else self.changed(kept)

    def drop(self, actor: Actor, side_of: str, category_of: str, term: str, side: str, category: str | None) -> Updates:
        """Take one unsaved change back."""
        kept, gone = self.unsaved(actor), (side_of, category_of, term)
        add, remove = (
            {s: {c: [t for t in terms if (s, c, t) != gone] for c, terms in part.items()} for s, part in some.items()}
            for some in (kept["add"], kept["remove"])
        )
        self.bench.save_lexicon_draft(add=add, remove=remove, comment=kept["comment"], actor=actor)
        return {**self.changed(self.unsaved(actor)), **self.choose(actor, side, category)}

    def discard(self, actor: Actor, side: str, category: str | None) -> Updates:
        self.bench.save_lexicon_draft(actor=actor)
        return {
            **self.changed(self.unsaved(actor)),
            **self.choose(actor, side, category),
            self.comment: "",
            **self.shell.say("The unsaved changes are discarded."),
        }

    def foresee(self, actor: Actor, side: str, category: str, text: str, comment: str, loaded: int) -> Updates:
        """What all unsaved changes would do; then they may be saved."""
        kept = self.keep_text(side, category, text, comment, loaded, actor)
        if not kept["terms"]:
            return {**self.changed(kept), self.impact: show.empty("Nothing changed.", "Add or delete lines first.")}
        self.looked[actor.name] = self.mark(kept)
        impact = self.bench.lexicon_impact(actor=actor, add=kept["add"], remove=kept["remove"])
        return {
            self.draft: lexicons.draft(kept),
            self.impact: lexicons.impact(cast(Any, impact)),
            self.keep: gr.update(interactive=True),
            self.pieces: show.render("muted.html", text="Looking at the word pieces…"),
        }

    def spell(self, actor: Actor) -> Updates:
        """Which word pieces the unsaved changes mask: after the impact, since the vocabulary may have to be read."""
        kept = self.unsaved(actor)
        if not kept["terms"]:
            return {self.pieces: ""}
        try:
            told = self.bench.lexicon_pieces(actor=actor, add=kept["add"], remove=kept["remove"])
        except ModelUnavailable as error:
            return {self.pieces: show.render("muted.html", text=f"The word pieces cannot be shown. {error}")}
        return {self.pieces: lexicons.pieces(cast(Any, told))}

    def save(self, actor: Actor, side: str, category: str, text: str, comment: str, loaded: int) -> Updates:
        """Put all unsaved changes in force as one version; what it voided is made again."""
        if not (comment or "").strip():
            raise UsageError("Say in a few words why: the comment is kept with the version.")
        kept = self.keep_text(side, category, text, comment, loaded, actor)
        done = self.bench.lexicon_edit(
            actor=actor, comment=comment, add=kept["add"], remove=kept["remove"], expected_version=kept["current"]
        )
        self.bench.save_lexicon_draft(actor=actor)
        self.shell.background.go()
        return {
            **self.changed(self.unsaved(actor)),
            **self.choose(actor, side, category),
            self.log: lexicons.log(self.bench.lexicon_log(actor=actor), may(actor, "lexicon_diff")),
            self.comment: "",
            self.impact: lexicons.impact(done["impact"]),
            self.diff: "",
            **self.shell.say(f"Version {done['version']} is in force. {voided(done['impact'])}"),
        }

    def see(self, actor: Actor, version: int, now: bool) -> Updates:
        """A version against the one before it, or against the one in force."""
        version = int(version)
        current = self.bench.lexicon_current(actor=actor)["version"]
        a, b = (version, current) if now else (version - 1, version)
        head = f"From version {version} to now" if now else f"What version {version} changed"
        return {self.diff: lexicons.diff(cast(Any, self.bench.lexicon_diff(a, b, actor=actor)), head)}

    def back(self, actor: Actor, version: int, side: str, category: str | None) -> Updates:
        """Lay the way back to a version on the desk as unsaved changes: to be looked at, then saved."""
        version, kept, bench = int(version), self.unsaved(actor), self.bench
        if kept["terms"]:
            raise UsageError("Save or discard your unsaved changes first.")
        change = bench.lexicon_diff(kept["current"], version, actor=actor)
        if not change["added"] and not change["removed"]:
            return self.shell.say(f"Version {version} has the same terms as the version in force.", "warn")
        comment = f"Back to version {version}"
        bench.save_lexicon_draft(add=change["added"], remove=change["removed"], comment=comment, actor=actor)
        return {
            **self.changed(self.unsaved(actor)),
            **self.choose(actor, side, category),
            self.comment: comment,
            **self.shell.say(f"The way back to version {version} is laid out. Show its impact, then save it."),
        }

    def upload(
        self, actor: Actor, path: str, side: str, category: str, text: str, comment: str, loaded: int
    ) -> Updates:
        """Add the terms of a text file: to the category shown, or where its headings say."""
        file = own(actor, path)
        try:
            content = file.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise UsageError("The file is not UTF-8 text. Save it as UTF-8 with one term a line.") from error
        finally:
            file.unlink(missing_ok=True)
        kept = self.keep_text(side, category, text, comment, loaded, actor)
        found: dict[str, dict[str, list[str]]] = {}
        at = (side, category)
        for term in lines(content):
            if heading := _HEADING.fullmatch(term):
                at = (heading[1], heading[2])
            elif not at[1]:
                raise UsageError("Choose a category first, or put headings such as [blacklist/names] into the file.")
            else:
                found.setdefault(at[0], {}).setdefault(at[1], []).append(term)
        before = kept["terms"]
        self.bench.save_lexicon_draft(
            add=merged(kept["add"], found), remove=kept["remove"], comment=comment or "", actor=actor
        )
        kept = self.unsaved(actor)
        n = kept["terms"] - before
        said = f"{counted(n, 'new term')} from the file, not saved yet." if n else "Every term of the file is there."
        return {**self.changed(kept), **self.choose(actor, side, category), **self.shell.say(said)}

    def export(self, actor: Actor) -> Updates:
        return {self.all: lexicons.export(cast(Any, self.bench.lexicon_current(actor=actor)))}
