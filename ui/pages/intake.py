"""Import & run: studies in, synthetic pairs made, with progress, pause and the reasons of what failed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from ui.background import Background
from ui.door.session import told
from ui.shell import QUICK, Shell
from ui.show import pages as show
from updp_core.config import SAMPLE, Settings
from updp_core.errors import UpdpError, UsageError
from updp_core.workbench import Filters, may

LAYOUTS = [
    ("Recognise by itself", "auto"),
    ("CSV manifest", "csv"),
    ("DICOM folder", "dicom"),
    ("IU X-Ray", "iu-xray"),
    ("MIMIC-CXR-JPG", "mimic-cxr"),
]
STREAM: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": 2}


def near(path: Path) -> str:
    """A path as short as it can be typed: from the working directory where it lies below it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


class Intake:
    """The page's handlers."""

    running: Any
    table: Any
    failures: Any
    outcome: Any
    files: Any
    shown: Any
    method: Any
    hint: Any
    buttons: dict[Any, str]  # and the verb that each needs

    def __init__(self, shell: Shell, background: Background, settings: Settings) -> None:
        self.shell, self.background, self.settings = shell, background, settings

    def refresh(self, role: str, request: gr.Request) -> dict[Any, Any]:
        """What goes on now."""
        actor, bench = self.shell.actor(request, role), self.shell.workbench
        states = bench.counts(actor=actor)["states"]
        rows = bench.runs(actor=actor, limit=8)
        failed = bench.page(actor=actor, filters=Filters(state="failed"), limit=100)["records"]
        waiting = states.get("new", 0) + states.get("void", 0)
        return {
            self.running: show.running(rows, self.background.status, waiting),
            self.table: show.runs(rows),
            self.failures: show.failures(failed),
        }

    def allowed(self, role: str, request: gr.Request) -> dict[Any, Any]:
        """What this role may do here. Not a part of `refresh`: an answer to the role before would undo it."""
        actor = self.shell.actor(request, role)
        live = {button: gr.update(interactive=may(actor, verb)) for button, verb in self.buttons.items()}
        return {self.hint: show.hint("intake", actor), **live}

    def take_in(
        self, role: str, path: str, layout: str, files: list[str] | None, request: gr.Request
    ) -> Iterator[dict[Any, Any]]:
        """Import a folder of this machine, or uploaded files, which are deleted afterwards."""
        copied: Path | None = None
        try:
            actor = self.shell.actor(request, role)
            if files:
                copied = self._gather(files)
            for step in self.shell.workbench.import_(copied or self._source(path), actor=actor, layout=layout):
                text = f"{step.done} read, {step.message}"
                yield {self.outcome: show.imported(step.result) if step.result else show.bar(0, 0, text)}
            self.background.go()
            yield {self.files: None, **self.shell.say("Import is done. Generation goes on in the background.")}
        except UpdpError as error:
            yield self.shell.say(str(error), "stop")
        finally:
            if copied:
                shutil.rmtree(copied, ignore_errors=True)
                for name in files or []:
                    Path(name).unlink(missing_ok=True)

    def _source(self, path: str) -> Path:
        if self.settings.demo:
            return SAMPLE
        if not (path or "").strip():
            raise UsageError("Give the path of a folder or a CSV file on this machine, or choose files to upload.")
        return Path(path.strip()).expanduser()

    def _gather(self, files: list[str]) -> Path:
        if self.settings.demo:
            raise UsageError(
                "This public demonstration takes the sample studies only: do not upload patient data here."
            )
        folder = Path(tempfile.mkdtemp(prefix="upload-", dir=self.settings.home))
        for name in files:
            shutil.copy(name, folder / Path(name).name)
        return folder

    def start(self, role: str, method: str, batch: int, retry: bool, request: gr.Request) -> dict[Any, Any]:
        """Generate in the background, in this person's name."""
        actor, bench = self.shell.actor(request, role), self.shell.workbench
        for run in bench.runs(actor=actor, limit=3):
            if run["state"] == "paused":
                bench.control(run["run"], "resume", actor=actor)
                return self.refresh(role, request)
        self.background.go(
            bench.generate(actor=actor, method=method or None, batch_size=int(batch), retry_failed=bool(retry))
        )
        return {**self.refresh(role, request), **self.shell.say("Generation starts in the background.")}

    def tell(self, role: str, wish: str, request: gr.Request) -> dict[Any, Any]:
        """Pause or stop the run in hand."""
        actor, bench = self.shell.actor(request, role), self.shell.workbench
        live = next((r for r in bench.runs(actor=actor, limit=5) if r["state"] in ("running", "paused")), None)
        if live is None:
            raise UsageError("No run is going on.")
        bench.control(live["run"], wish, actor=actor)
        if wish == "stop":
            self.background.halt()
        after = "after the batch in hand"
        return {**self.refresh(role, request), **self.shell.say(f"{wish.capitalize()} {after}.")}


def build(shell: Shell, background: Background, settings: Settings, role: Any) -> Intake:
    """The page."""
    page, guard = Intake(shell, background, settings), told(shell.say)
    part: dict[str, Any] = {"apply_default_css": False, "js_on_load": None}
    with gr.Row(elem_classes=["page"]):
        with gr.Column(elem_classes=["pane"], min_width=0):
            gr.HTML("<h2>Import</h2>", **part)
            hint = (
                "This demonstration runs on the sample studies only. Its disk is ephemeral."
                if settings.demo
                else "Originals are read, never changed. Names and identifiers stay in the workspace of this machine."
            )
            gr.HTML(f'<p class="muted">{hint}</p>', **part)
            path = gr.Textbox(
                label="Folder or CSV file on this machine", placeholder="/data/studies", elem_id="import-path",
                value=near(SAMPLE) if SAMPLE.exists() else "", interactive=not settings.demo, max_lines=1,
            )  # fmt: skip
            layout = gr.Dropdown(LAYOUTS, value="auto", label="Layout", elem_id="import-layout")
            page.files = gr.File(
                label="or upload files", file_count="multiple", type="filepath", visible=not settings.demo, height=110,
                elem_id="import-files",
            )  # fmt: skip
            go = gr.Button("Import", variant="primary", elem_id="import-go")
            page.outcome = gr.HTML(elem_id="import-outcome", **part)
        with gr.Column(elem_classes=["pane"], min_width=0):
            gr.HTML("<h2>Synthetic pairs</h2>", **part)
            page.hint = gr.HTML(**part)
            page.running = gr.HTML(elem_id="running", **part)
            with gr.Row(elem_classes=["buttons"]):
                start = gr.Button("Start or resume", variant="primary", elem_id="run-start", min_width=0)
                pause = gr.Button("❚❚ Pause", elem_id="run-pause", min_width=0)
                stop = gr.Button("■ Stop", elem_id="run-stop", min_width=0)
            with gr.Accordion("Settings of the next run", open=False):
                method = gr.Dropdown(
                    [("As set for this workspace", "")], value="", label="Method", elem_id="run-method"
                )
                batch = gr.Slider(1, 64, 8, step=1, label="Records a batch")
                retry = gr.Checkbox(label="Try failed records again", container=False)
            page.failures = gr.HTML(elem_id="failures", **part)
            gr.HTML("<h3>Runs</h3>", **part)
            page.table = gr.HTML(elem_id="runs", **part)
    page.buttons = {go: "import_", start: "generate", pause: "control", stop: "control"}
    shown = [page.running, page.table, page.failures]
    inputs = [role, path, layout, page.files]
    go.click(page.take_in, inputs, [page.outcome, page.files, shell.message], **STREAM)
    start.click(guard(page.start), [role, method, batch, retry], [*shown, shell.message], **QUICK)

    def tell(wish: str) -> Any:
        def handler(role: str, request: gr.Request) -> Any:
            return page.tell(role, wish, request)

        return guard(handler)

    pause.click(tell("pause"), [role], [*shown, shell.message], **QUICK)
    stop.click(tell("stop"), [role], [*shown, shell.message], **QUICK)
    page.shown, page.method = shown, method
    return page
