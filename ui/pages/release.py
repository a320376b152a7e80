"""Release: what would leave and what would not, and why; write it; check any release to the byte."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gradio as gr

from ui.door.session import told
from ui.pages.policy import PolicyBox
from ui.shell import QUICK, Shell
from ui.show import pages as show
from ui.show import review as base
from updp_core.config import Settings
from updp_core.errors import UpdpError, UsageError
from updp_core.workbench import may


class ReleasePage:
    """The page's handlers."""

    preview: Any
    records: Any
    past: Any
    outcome: Any
    check_path: Any
    checked: Any
    folder: Any
    shown: Any
    hint: Any
    go: Any
    policy: PolicyBox

    def __init__(self, shell: Shell, settings: Settings) -> None:
        self.shell, self.settings = shell, settings
        self.home = settings.home.resolve() / "releases"

    def refresh(self, role: str, request: gr.Request) -> dict[Any, Any]:
        actor, bench = self.shell.actor(request, role), self.shell.workbench
        try:
            preview = bench.release_preview(actor=actor)
            shown = {self.preview: show.release_preview(preview), self.records: show.release_records(preview)}
        except UpdpError as error:
            shown = {self.preview: base.empty("Not shown to your role.", str(error)), self.records: ""}
        return {
            **shown,
            **self.policy.look(role, request),
            self.hint: show.hint("release", actor),
            self.go: gr.update(interactive=may(actor, "release")),
            self.past: show.releases(bench.releases(actor=actor)),
        }

    def suggest(self) -> str:
        """A folder name of its own for each release."""
        return str(self.home / f"release-{datetime.now(UTC):%Y%m%d-%H%M%S}")

    def place(self, folder: str) -> Path:
        """Where a release may be written or looked for; the public demonstration stays inside its own folder."""
        if not (folder or "").strip():
            raise UsageError("Give the folder of the release.")
        path = Path(folder.strip()).expanduser().resolve()
        if self.settings.demo and not path.is_relative_to(self.home):
            raise UsageError(f"This demonstration writes and checks releases inside {self.home} only.")
        return path

    def write(self, role: str, folder: str, comment: str, request: gr.Request) -> Iterator[dict[Any, Any]]:
        try:
            actor, out = self.shell.actor(request, role), self.place(folder)
            result: dict[str, Any] = {}
            for step in self.shell.workbench.release(out, actor=actor, comment=comment or ""):
                text = f"{step.stage.capitalize()} {step.done} of {step.total}"
                result = step.result or {}
                yield {self.outcome: show.bar(step.done, step.total, text)}
            done = f"{result['released']} pair{'s' if result['released'] != 1 else ''} released to {result['folder']}"
            yield {
                self.outcome: f'<p class="notice ok">✓ {base.esc(done)}</p>',
                self.check_path: result["folder"], self.folder: self.suggest(), **self.refresh(role, request),
            }  # fmt: skip
        except UpdpError as error:
            yield {self.outcome: "", **self.shell.say(str(error), "stop")}

    def check(self, role: str, folder: str, request: gr.Request) -> dict[Any, Any]:
        answer = self.shell.workbench.verify(self.place(folder), actor=self.shell.actor(request, role))
        return {self.checked: show.verified(answer)}


def build(shell: Shell, settings: Settings) -> ReleasePage:
    """The page."""
    page, guard, role = ReleasePage(shell, settings), told(shell.say), shell.role
    part: dict[str, Any] = {"apply_default_css": False, "js_on_load": None}
    with gr.Row(elem_classes=["page"]):
        with gr.Column(elem_classes=["pane"], min_width=0):
            gr.HTML("<h2>What would leave the house now</h2>", **part)
            page.hint = gr.HTML(**part)
            page.preview = gr.HTML(elem_id="release-preview", **part)
            with gr.Accordion("Record by record", open=False):
                page.records = gr.HTML(elem_id="release-records", **part)
            page.folder = gr.Textbox(
                page.suggest(), label="Write to this new folder", elem_id="release-folder", max_lines=1
            )
            comment = gr.Textbox(
                label="Purpose or recipient (kept in the audit trail)", elem_id="release-comment", max_lines=2
            )
            page.go = gr.Button("Release the approved pairs", variant="primary", elem_id="release-go")
            page.outcome = gr.HTML(elem_id="release-outcome", **part)
        with gr.Column(elem_classes=["pane"], min_width=0):
            gr.HTML("<h2>Check a release</h2>", **part)
            page.check_path = gr.Textbox(label="Folder of the release", elem_id="verify-path", max_lines=1)
            check = gr.Button("Verify every byte", elem_id="verify-go")
            page.checked = gr.HTML(elem_id="verify-outcome", **part)
            gr.HTML("<h3>Releases so far</h3>", **part)
            page.past = gr.HTML(elem_id="releases", **part)
            page.policy = PolicyBox(shell)
    outs = [
        *page.policy.shown,
        page.hint,
        page.go,
        page.outcome,
        page.check_path,
        page.folder,
        page.preview,
        page.records,
        page.past,
        shell.message,
    ]
    page.go.click(page.write, [role, page.folder, comment], outs, show_progress="hidden", api_visibility="private")
    check.click(guard(page.check), [role, page.check_path], [page.checked, shell.message], **QUICK)
    page.shown = [*page.policy.shown, page.hint, page.go, page.preview, page.records, page.past]
    return page
