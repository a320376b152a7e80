"""The lexicon desk: edit the lists, see what the edit would do, save it as a version, go back.

What is changed and not saved is kept by the Workbench for each person: the text area shows the version in force with
these changes on top, and every change of it is kept at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import gradio as gr

from ui.background import Background
from ui.door.session import told
from ui.shell import QUICK, Shell, typed_js
from ui.show import lexicons as show
from ui.show import review as base
from ui.show.pages import hint
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


class Lexicons:
    """The page's handlers."""

    side: Any
    category: Any
    terms: Any
    state: Any
    loaded: Any
    draft: Any
    impact: Any
    pieces: Any
    log: Any
    diff: Any
    hits: Any
    sought: Any
    comment: Any
    keep: Any
    all: Any
    inputs: Any
    everything: Any
    permitted: Any
    hint: Any

    def __init__(self, shell: Shell, background: Background) -> None:
        self.shell, self.background = shell, background
        self.looked: dict[str, str] = {}  # person -> the changes whose impact was asked for last

    # what is changed

    def edit(
        self, side: str, category: str, text: str, loaded: int | None, actor: Actor
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the text area adds to and takes from the version that it was loaded from: (add, remove)."""
        if not (category or "").strip():
            raise UsageError("Choose a category.")
        bench = self.shell.workbench
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
        bench = self.shell.workbench
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
            return cast(dict[str, Any], self.shell.workbench.lexicon_draft(actor=actor))
        return {"add": {}, "remove": {}, "comment": "", "terms": 0, "version": 0, "current": 0, "saved_at": ""}

    def mark(self, kept: Mapping[str, Any]) -> str:
        """Tells one set of changes from another."""
        return repr((kept["current"], kept["add"], kept["remove"]))

    def changed(self, kept: Mapping[str, Any]) -> dict[Any, Any]:
        """After a change: what was foreseen is out of date, and saving waits for a new look."""
        return {
            self.draft: show.draft(kept), self.impact: "", self.pieces: "", self.keep: gr.update(interactive=False),
        }  # fmt: skip

    # the page

    def choose(self, role: str, side: str, category: str | None, request: gr.Request) -> dict[Any, Any]:
        """Show a category of a list with the unsaved changes; the first one where none is named."""
        actor = self.shell.actor(request, role)
        view, kept = self.shell.workbench.lexicon_current(actor=actor), self.unsaved(actor)
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
            return f"{base.title(name)} ({len(lists[name])}{f', {n} unsaved' if n else ''})"

        new = "" if lists.get(chosen) else " This category is new: it begins with the first term."
        return {
            self.side: side,
            self.category: gr.update(choices=[(label(c), c) for c in lists], value=chosen),
            self.terms: gr.update(value="\n".join(shown), interactive=may(actor, "lexicon_draft")),
            self.loaded: view["version"],
            self.state: f'<p class="muted">Version {view["version"]} by {base.esc(view["author"])}, '
            f"{base.when(view['created_at'])} UTC. {show.count(len(lists.get(chosen, ())), 'term')} in force here; one "
            f"a line, paste as many as you like.{new}</p>",
            self.draft: show.draft(kept),
        }

    def start(self, role: str, side: str, request: gr.Request) -> dict[Any, Any]:
        actor = self.shell.actor(request, role)
        kept = self.unsaved(actor)
        return {
            **self.changed(kept), **self.allowed(role, request), **self.choose(role, side, None, request),
            self.comment: kept["comment"], self.log: show.log(self.shell.workbench.lexicon_log(actor=actor)),
            self.diff: "",
        }  # fmt: skip

    def switch(self, role: str, side: str, request: gr.Request) -> dict[Any, Any]:
        return self.choose(role, side, None, request)

    def allowed(self, role: str, request: gr.Request) -> dict[Any, Any]:
        """What this role may do here; terms that are being edited stay as they are."""
        actor = self.shell.actor(request, role)
        return {self.hint: hint("lexicons", actor), self.terms: gr.update(interactive=may(actor, "lexicon_draft"))}

    def go(self, role: str, event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        data = event._data
        return {**self.choose(role, str(data["side"]), str(data["category"]), request), self.sought: data["term"]}

    def search(self, role: str, query: str, request: gr.Request) -> dict[Any, Any]:
        view = self.shell.workbench.lexicon_current(actor=self.shell.actor(request, role))
        return {self.hits: show.hits(query, view)}

    def typed(
        self, role: str, side: str, category: str, text: str, comment: str, loaded: int, request: gr.Request
    ) -> dict[Any, Any]:
        """Something was typed or pasted: keep it. What is foreseen of these very changes meanwhile stays."""
        actor = self.shell.actor(request, role)
        if not may(actor, "lexicon_draft"):
            return {}
        kept = self.keep_text(side, category, text, comment, loaded, actor)
        return {self.draft: show.draft(kept)} if self.looked.get(actor.name) == self.mark(kept) else self.changed(kept)

    def drop(self, role: str, side: str, category: str, event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        """Take one unsaved change back."""
        actor, data = self.shell.actor(request, role), event._data
        kept = self.unsaved(actor)
        add, remove = (
            {
                s: {c: [t for t in terms if (s, c, t) != (data["side"], data["category"], data["term"])]
                    for c, terms in part.items()}
                for s, part in kept[name].items()
            }
            for name in ("add", "remove")
        )  # fmt: skip
        self.shell.workbench.save_lexicon_draft(add=add, remove=remove, comment=kept["comment"], actor=actor)
        return {**self.changed(self.unsaved(actor)), **self.choose(role, side, category, request)}

    def discard(self, role: str, side: str, category: str, request: gr.Request) -> dict[Any, Any]:
        actor = self.shell.actor(request, role)
        self.shell.workbench.save_lexicon_draft(actor=actor)
        return {
            **self.changed(self.unsaved(actor)), **self.choose(role, side, category, request), self.comment: "",
            **self.shell.say("The unsaved changes are discarded."),
        }  # fmt: skip

    def look(
        self, role: str, side: str, category: str, text: str, comment: str, loaded: int, request: gr.Request
    ) -> dict[Any, Any]:
        """What all unsaved changes would do; then they may be saved."""
        actor = self.shell.actor(request, role)
        kept = self.keep_text(side, category, text, comment, loaded, actor)
        if not kept["terms"]:
            return {**self.changed(kept), self.impact: base.empty("Nothing changed.", "Add or delete lines first.")}
        self.looked[actor.name] = self.mark(kept)
        impact = self.shell.workbench.lexicon_impact(actor=actor, add=kept["add"], remove=kept["remove"])
        return {
            self.draft: show.draft(kept), self.impact: show.impact(impact), self.keep: gr.update(interactive=True),
            self.pieces: '<p class="muted">Looking at the word pieces…</p>',
        }  # fmt: skip

    def spell(self, role: str, request: gr.Request) -> dict[Any, Any]:
        """Which word pieces the unsaved changes mask: after the impact, since the vocabulary may have to be read."""
        actor = self.shell.actor(request, role)
        kept = self.unsaved(actor)
        if not kept["terms"]:
            return {self.pieces: ""}
        try:
            told = self.shell.workbench.lexicon_pieces(actor=actor, add=kept["add"], remove=kept["remove"])
        except ModelUnavailable as error:
            return {self.pieces: f'<p class="muted">The word pieces cannot be shown. {base.esc(error)}</p>'}
        return {self.pieces: show.pieces(cast(Any, told))}

    def save(
        self, role: str, side: str, category: str, text: str, comment: str, loaded: int, request: gr.Request
    ) -> dict[Any, Any]:
        """Put all unsaved changes in force as one version; what it voided is made again."""
        actor = self.shell.actor(request, role)
        if not (comment or "").strip():
            raise UsageError("Say in a few words why: the comment is kept with the version.")
        kept = self.keep_text(side, category, text, comment, loaded, actor)
        done = self.shell.workbench.lexicon_edit(
            actor=actor, comment=comment, add=kept["add"], remove=kept["remove"], expected_version=kept["current"]
        )
        self.shell.workbench.save_lexicon_draft(actor=actor)
        self.background.go()
        log = self.shell.workbench.lexicon_log(actor=actor)
        return {
            **self.changed(self.unsaved(actor)), **self.choose(role, side, category, request), self.log: show.log(log),
            self.comment: "", self.impact: show.impact(done["impact"]), self.diff: "",
            **self.shell.say(f"Version {done['version']} is in force. {base.voided(done['impact'])}"),
        }  # fmt: skip

    def see(self, role: str, event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        """A version against the one before it, or against the one in force."""
        actor, version = self.shell.actor(request, role), int(event._data["version"])
        bench = self.shell.workbench
        current = bench.lexicon_current(actor=actor)["version"]
        a, b = (version, current) if event._data["now"] else (version - 1, version)
        head = f"From version {version} to now" if event._data["now"] else f"What version {version} changed"
        return {self.diff: f"<h3>{head}</h3>" + show.diff(cast(Any, bench.lexicon_diff(a, b, actor=actor)))}

    def back(self, role: str, side: str, category: str, event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        """Lay the way back to a version on the desk as unsaved changes: to be looked at, then saved."""
        actor, version = self.shell.actor(request, role), int(event._data["version"])
        kept, bench = self.unsaved(actor), self.shell.workbench
        if kept["terms"]:
            raise UsageError("Save or discard your unsaved changes first.")
        change = bench.lexicon_diff(kept["current"], version, actor=actor)
        if not change["added"] and not change["removed"]:
            return self.shell.say(f"Version {version} has the same terms as the version in force.", "warn")
        comment = f"Back to version {version}"
        bench.save_lexicon_draft(add=change["added"], remove=change["removed"], comment=comment, actor=actor)
        return {
            **self.changed(self.unsaved(actor)), **self.choose(role, side, category, request), self.comment: comment,
            **self.shell.say(f"The way back to version {version} is laid out. Show its impact, then save it."),
        }  # fmt: skip

    def upload(
        self, path: str, role: str, side: str, category: str, text: str, comment: str, loaded: int, request: gr.Request
    ) -> dict[Any, Any]:
        """Add the terms of a text file: to the category shown, or where its headings say."""
        file = Path(path)
        try:
            content = file.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise UsageError("The file is not UTF-8 text. Save it as UTF-8 with one term a line.") from error
        finally:
            file.unlink(missing_ok=True)
        actor = self.shell.actor(request, role)
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
        self.shell.workbench.save_lexicon_draft(
            add=merged(kept["add"], found), remove=kept["remove"], comment=comment or "", actor=actor
        )
        kept = self.unsaved(actor)
        n = kept["terms"] - before
        text = f"{show.count(n, 'new term')} from the file, not saved yet." if n else "Every term of the file is there."
        return {**self.changed(kept), **self.choose(role, side, category, request), **self.shell.say(text)}

    def export(self, role: str, request: gr.Request) -> dict[Any, Any]:
        view = self.shell.workbench.lexicon_current(actor=self.shell.actor(request, role))
        return {self.all: show.export(cast(Any, view))}


def build(shell: Shell, background: Background) -> Lexicons:
    """The page."""
    page, guard, role = Lexicons(shell, background), told(shell.say), shell.role
    part: dict[str, Any] = {"apply_default_css": False, "js_on_load": None}
    with gr.Row(elem_classes=["page", "lexicon-page"]):
        with gr.Column(elem_classes=["pane"], min_width=0):
            gr.HTML("<h2>Lists</h2>", **part)
            page.side = gr.Radio(SIDES, value="blacklist", label="List", elem_id="lex-side")
            page.category = gr.Dropdown(
                [], label="Category (type a new name to begin one)", elem_id="lex-category", allow_custom_value=True
            )
            query = gr.Textbox(label="Find a term in both lists", elem_id="lex-search", max_lines=1)
            page.hits = gr.HTML(elem_id="lex-hits", apply_default_css=False, js_on_load=HITS_JS)
            page.sought, page.all = gr.Textbox(visible="hidden"), gr.Textbox(visible="hidden")
        with gr.Column(elem_classes=["pane"], min_width=0):
            gr.HTML("<h2>Terms</h2>", **part)
            page.state = gr.HTML(elem_id="lex-state", **part)
            page.terms = gr.Textbox(label="Terms", show_label=False, lines=18, max_lines=18, elem_id="lex-terms")
            page.loaded = gr.State(0)
            with gr.Row(elem_classes=["buttons"]):
                upload = gr.UploadButton("Add from a text file", file_types=[".txt"], size="sm", min_width=0)
                one = gr.Button("Export this list", size="sm", min_width=0)
                every = gr.Button("Export both lists", size="sm", min_width=0, elem_id="lex-export")
        with gr.Column(elem_classes=["pane"], min_width=0):
            gr.HTML("<h2>Before saving</h2>", **part)
            page.hint = gr.HTML(**part)
            page.draft = gr.HTML(
                elem_id="lex-draft", apply_default_css=False, js_on_load=DRAFT_JS + typed_js("#lex-terms, #lex-comment")
            )
            look = gr.Button("Show impact", elem_id="lex-look")
            page.impact = gr.HTML(elem_id="lex-impact", **part)
            page.pieces = gr.HTML(elem_id="lex-pieces", **part)
            page.comment = gr.Textbox(label="Why", elem_id="lex-comment", max_lines=2)
            page.keep = gr.Button("Save as a new version", variant="primary", elem_id="lex-save", interactive=False)
            gr.HTML("<h2>History</h2>", **part)
            page.log = gr.HTML(elem_id="lex-log", apply_default_css=False, js_on_load=LOG_JS)
            page.diff = gr.HTML(elem_id="lex-diff", **part)
    changed = [page.draft, page.impact, page.pieces, page.keep, shell.message]
    editor = [page.side, page.category, page.terms, page.loaded, page.state]
    everything = [*editor, *changed, page.hint, page.log, page.comment, page.diff]
    here = [role, page.side, page.category]
    text = [*here, page.terms, page.comment, page.loaded]
    page.side.input(guard(page.switch), [role, page.side], everything, **QUICK)
    page.category.input(guard(page.choose), here, everything, **QUICK)
    page.hits.go(guard(page.go), [role], [*everything, page.sought], **QUICK).then(
        None, [page.sought], js=FIND_JS, **QUICK
    )
    query.change(guard(page.search), [role, query], [page.hits, shell.message], trigger_mode="always_last", **QUICK)
    page.draft.typed(guard(page.typed), text, changed, trigger_mode="always_last", **QUICK)
    page.draft.drop(guard(page.drop), here, everything, **QUICK)
    page.draft.discard(guard(page.discard), here, everything, **QUICK)
    look.click(guard(page.look), text, changed, **QUICK).then(
        guard(page.spell), [role], [page.pieces, shell.message], **QUICK
    )
    page.keep.click(guard(page.save), text, everything, **QUICK)
    page.log.see(guard(page.see), [role], [page.diff, shell.message], **QUICK)
    page.log.back(guard(page.back), here, everything, **QUICK)
    upload.upload(guard(page.upload), [upload, *text], everything, **QUICK)
    one.click(None, [page.terms, page.side, page.category], js=ONE_JS)
    every.click(guard(page.export), [role], [page.all, shell.message], **QUICK).then(
        None, [page.all], [page.all], js=ALL_JS, **QUICK
    )
    page.inputs, page.everything = [role, page.side], everything
    page.permitted = [page.hint, page.terms]
    return page
