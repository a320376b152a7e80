"""The lexicon desk: edit a category, see what the edit would do, save it as a version, go back."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import gradio as gr

from ui import format as base
from ui import format_pages as show
from ui.background import Background
from ui.session import told
from ui.shell import QUICK, Shell
from updp_core.domain import Actor
from updp_core.errors import UsageError

SIDES = [("Forbidden (blacklist)", "blacklist"), ("Always kept (whitelist)", "whitelist")]
HITS_JS = """
element.addEventListener("click", (e) => {
  const hit = e.target.closest("[data-side]");
  if (hit) trigger("go", { side: hit.dataset.side, category: hit.dataset.category });
});
"""
LOG_JS = """
element.addEventListener("click", (e) => {
  const see = e.target.closest("[data-diff]"), back = e.target.closest("[data-revert]");
  if (see) trigger("see", { version: Number(see.dataset.diff) });
  if (back) trigger("back", { version: Number(back.dataset.revert) });
});
"""
EXPORT_JS = """
(terms, side, category) => {
  const link = Object.assign(document.createElement("a"), { download: `${side}-${category}.txt` });
  link.href = URL.createObjectURL(new Blob([terms.trim() + "\\n"], { type: "text/plain" }));
  link.click(); URL.revokeObjectURL(link.href);
}
"""


def lines(text: str) -> list[str]:
    """Terms of a pasted list: one a line, # comments and blank lines left out."""
    return [term for line in (text or "").splitlines() if (term := line.split("#", 1)[0].strip())]


class Lexicons:
    """The page's handlers."""

    side: Any
    category: Any
    terms: Any
    state: Any
    impact: Any
    log: Any
    diff: Any
    hits: Any
    comment: Any
    inputs: Any
    everything: Any
    hint: Any

    def __init__(self, shell: Shell, background: Background) -> None:
        self.shell, self.background = shell, background

    def edit(self, side: str, category: str, text: str, actor: Actor) -> tuple[int, dict[str, Any], dict[str, Any]]:
        """What the text area adds to and takes from the version in force: (version, add, remove)."""
        if not (category or "").strip():
            raise UsageError("Choose a category.")
        view = self.shell.workbench.lexicon_current(actor=actor)
        before, after = cast(Any, view)[side].get(category, []), lines(text)
        known, wanted = {t.casefold() for t in before}, {t.casefold() for t in after}
        add = [t for t in after if t.casefold() not in known]
        remove = [t for t in before if t.casefold() not in wanted]
        return view["version"], *({side: {category: terms}} if terms else {} for terms in (add, remove))  # type: ignore[return-value]

    def choose(self, role: str, side: str, category: str | None, request: gr.Request) -> dict[Any, Any]:
        """Show a category of a list, the first one where none is named."""
        view = self.shell.workbench.lexicon_current(actor=self.shell.actor(request, role))
        categories = cast(Any, view)[side]
        chosen = category if category in categories else next(iter(categories), None)
        terms = categories.get(chosen, []) if chosen else []
        return {
            self.side: side,
            self.category: gr.update(
                choices=[(f"{base.title(c)} ({len(t)})", c) for c, t in categories.items()], value=chosen
            ),
            self.terms: "\n".join(terms),
            self.state: f'<p class="muted">Version {view["version"]} by {base.esc(view["author"])}, '
            f"{base.when(view['created_at'])}. {len(terms)} terms here, one a line; paste as many as you like.</p>",
            self.impact: "",
        }

    def start(self, role: str, side: str, request: gr.Request) -> dict[Any, Any]:
        log = self.shell.workbench.lexicon_log(actor=self.shell.actor(request, role))
        hint = show.hint("lexicons", self.shell.actor(request, role).role)
        return {
            self.hint: hint,
            **self.choose(role, side, None, request),
            self.log: show.lexicon_log(log),
            self.diff: "",
        }

    def allowed(self, role: str, request: gr.Request) -> dict[Any, Any]:
        """What this role may do here; terms that are being edited stay as they are."""
        return {self.hint: show.hint("lexicons", self.shell.actor(request, role).role)}

    def go(self, role: str, event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        return self.choose(role, str(event._data["side"]), str(event._data["category"]), request)

    def search(self, role: str, query: str, request: gr.Request) -> dict[Any, Any]:
        view = self.shell.workbench.lexicon_current(actor=self.shell.actor(request, role))
        return {self.hits: show.lexicon_hits(query, view)}

    def look(self, role: str, side: str, category: str, text: str, request: gr.Request) -> dict[Any, Any]:
        actor = self.shell.actor(request, role)
        _, add, remove = self.edit(side, category, text, actor)
        if not add and not remove:
            return {self.impact: base.empty("Nothing changed.", "Add or delete lines first.")}
        impact = self.shell.workbench.lexicon_impact(actor=actor, add=add, remove=remove)
        return {self.impact: show.lexicon_diff(impact) + base.impact(impact)}

    def save(self, role: str, side: str, category: str, text: str, comment: str, request: gr.Request) -> dict[Any, Any]:
        actor = self.shell.actor(request, role)
        version, add, remove = self.edit(side, category, text, actor)
        if not (comment or "").strip():
            raise UsageError("Say in a few words why: the comment is kept with the version.")
        done = self.shell.workbench.lexicon_edit(
            actor=actor, comment=comment, add=add, remove=remove, expected_version=version
        )
        return self.saved(role, side, category, done, request)

    def saved(
        self, role: str, side: str, category: str | None, done: dict[str, Any], request: gr.Request
    ) -> dict[Any, Any]:
        """A new version is in force; what it voided is made again."""
        self.background.go()
        log = self.shell.workbench.lexicon_log(actor=self.shell.actor(request, role))
        text = f"Version {done['version']} is in force. {base.voided(done['impact'])}"
        return {
            **self.choose(role, side, category, request), self.log: show.lexicon_log(log), self.comment: "",
            self.impact: base.impact(done["impact"]), **self.shell.say(text),
        }  # fmt: skip

    def see(self, role: str, event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        version = int(event._data["version"])
        if version <= 1:
            return {self.diff: base.empty("Version 1 is the beginning.")}
        diff = self.shell.workbench.lexicon_diff(version - 1, version, actor=self.shell.actor(request, role))
        return {self.diff: f"<h3>Version {version} against {version - 1}</h3>" + show.lexicon_diff(diff)}

    def back(self, role: str, side: str, category: str, event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        version = int(event._data["version"])
        done = self.shell.workbench.lexicon_revert(
            version, actor=self.shell.actor(request, role), comment=f"Back to version {version}"
        )
        return self.saved(role, side, category, done, request)

    def upload(self, path: str, text: str) -> str:
        """The terms of a text file, put under those that are there."""
        file = Path(path)
        try:
            more = lines(file.read_text(encoding="utf-8-sig"))
        except UnicodeDecodeError as error:
            raise UsageError("The file is not UTF-8 text. Save it as UTF-8 with one term a line.") from error
        finally:
            file.unlink(missing_ok=True)
        return "\n".join(dict.fromkeys([*lines(text), *more]))


def build(shell: Shell, background: Background) -> Lexicons:
    """The page."""
    page, guard, role = Lexicons(shell, background), told(shell.say), shell.role
    part: dict[str, Any] = {"apply_default_css": False, "js_on_load": None}
    with gr.Row(elem_classes=["page", "lexicon-page"]):
        with gr.Column(elem_classes=["pane"], min_width=0):
            gr.HTML("<h2>Lists</h2>", **part)
            page.side = gr.Radio(SIDES, value="blacklist", label="List", elem_id="lex-side")
            page.category = gr.Dropdown([], label="Category", elem_id="lex-category", allow_custom_value=True)
            query = gr.Textbox(label="Find a term in both lists", elem_id="lex-search", max_lines=1)
            page.hits = gr.HTML(elem_id="lex-hits", apply_default_css=False, js_on_load=HITS_JS)
        with gr.Column(elem_classes=["pane"], min_width=0):
            gr.HTML("<h2>Terms</h2>", **part)
            page.state = gr.HTML(elem_id="lex-state", **part)
            page.terms = gr.Textbox(label="Terms", show_label=False, lines=18, max_lines=18, elem_id="lex-terms")
            with gr.Row(elem_classes=["buttons"]):
                upload = gr.UploadButton("Add from a text file", file_types=[".txt"], size="sm", min_width=0)
                export = gr.Button("Export this list", size="sm", min_width=0)
        with gr.Column(elem_classes=["pane"], min_width=0):
            gr.HTML("<h2>Before saving</h2>", **part)
            page.hint = gr.HTML(**part)
            look = gr.Button("Show impact", elem_id="lex-look")
            page.impact = gr.HTML(elem_id="lex-impact", **part)
            page.comment = gr.Textbox(label="Why", elem_id="lex-comment", max_lines=2)
            save = gr.Button("Save as a new version", variant="primary", elem_id="lex-save")
            gr.HTML("<h2>History</h2>", **part)
            page.log = gr.HTML(elem_id="lex-log", apply_default_css=False, js_on_load=LOG_JS)
            page.diff = gr.HTML(elem_id="lex-diff", **part)
    editor = [page.side, page.category, page.terms, page.state, page.impact]
    everything = [*editor, page.hint, page.log, page.comment, page.diff, shell.message]
    page.side.input(guard(page.start), [role, page.side], everything, **QUICK)
    page.category.input(guard(page.choose), [role, page.side, page.category], everything, **QUICK)
    page.hits.go(guard(page.go), [role], everything, **QUICK)
    query.input(guard(page.search), [role, query], [page.hits, shell.message], trigger_mode="always_last", **QUICK)
    draft = [role, page.side, page.category, page.terms]
    look.click(guard(page.look), draft, [page.impact, shell.message], **QUICK)
    save.click(guard(page.save), [*draft, page.comment], everything, **QUICK)
    page.log.see(guard(page.see), [role], [page.diff, shell.message], **QUICK)
    page.log.back(guard(page.back), [role, page.side, page.category], everything, **QUICK)
    upload.upload(page.upload, [upload, page.terms], [page.terms], show_progress="hidden", api_visibility="private")
    export.click(None, [page.terms, page.side, page.category], js=EXPORT_JS)
    page.inputs, page.everything = [role, page.side], everything
    return page
