"""Import & run: studies in, synthetic pairs made, with progress, pause and the reasons of what failed."""

from __future__ import annotations

import functools
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import filelock
import gradio as gr
import psutil

from ui import show
from ui.door.uploads import own
from ui.pages.page import Page
from ui.shell import STREAM, Screen, Shell, Updates
from ui.show import work
from updp_core.config import SAMPLE
from updp_core.domain import Actor
from updp_core.errors import UsageError
from updp_core.workbench import Filters, may

AS_SET = [("As set for this workspace", "")]
USUAL = [("As usual", "")]
LAYOUTS = [
    ("Recognise by itself", "auto"),
    ("CSV manifest", "csv"),
    ("DICOM folder", "dicom"),
    ("IU X-Ray", "iu-xray"),
    ("MIMIC-CXR-JPG", "mimic-cxr"),
]


def near(path: Path) -> str:
    """A path as short as it can be typed: from the working directory where it lies below it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _places(names: Sequence[str]) -> list[str]:
    """Where uploaded files go: the second file of a name into the folder `2`, its report with it. Raises UsageError
    beside a table, which could not tell them apart.
    """
    seen: Counter[str] = Counter()
    places = []
    for name in names:
        seen[name] += 1
        places.append(name if seen[name] == 1 else f"{seen[name]}/{name}")
    twice = any(count > 1 for count in seen.values())
    if twice and any(Path(name).suffix.lower() in (".csv", ".tsv", ".gz") for name in names):
        raise UsageError("Two of the files have the same name, so the table cannot tell them apart: rename one.")
    return places


def clean_uploads(home: Path) -> list[str]:
    """Remove the uploads that killed processes have left in the workspace, gathered for an import or not yet; returns
    the folders' names. Those of a process that is alive, this one included, stay.
    """
    removed = []
    with filelock.FileLock(home / "locks" / "uploads.lock", mode=0o600):
        for folder in [*home.glob("upload-*"), *(home / "gradio").glob("*")]:
            pid = folder.name.removeprefix("upload-").split("-")[0]
            alive = pid.isdigit() and psutil.pid_exists(int(pid))
            if folder.is_dir() and not folder.is_symlink() and not alive:
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(folder.name)
    return removed


def settings_in(text: str) -> dict[str, Any]:
    """Lines NAME=VALUE as settings; values are JSON where they can be, else text. Raises UsageError."""
    found: dict[str, Any] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, equals, value = line.partition("=")
        if not equals:
            raise UsageError(f"A setting is NAME=VALUE, such as b=4, and not {line!r}.")
        try:
            found[name.strip()] = json.loads(value)
        except ValueError:
            found[name.strip()] = value.strip()
    return found


class Intake(Page):
    """Two columns: what comes in, and what is made of it."""

    title, key, at_once = "Import & run", "intake", True

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell)
        self.background, self.settings = shell.background, shell.settings
        with gr.Row(elem_classes=["page"]):
            with gr.Column(elem_classes=["pane"], min_width=0):
                self._build_import()
            with gr.Column(elem_classes=["pane"], min_width=0):
                self._build_runs()
        self.buttons = {
            self.go: "import_",
            self.files: "import_",
            self.start: "generate",
            self.pause: "control",
            self.stop: "control",
        }
        self.shown = [self.hint, *self.buttons, self.running, self.runs, self.failures, self.method]
        now = [self.running, self.runs, self.failures]
        source = [self.path, self.layout, self.files]
        shell.on(self.go.click, self.take_in, source, [self.outcome, self.files], how=STREAM)
        asked = [self.method, self.batch, self.retry, self.named, self.settings_text]
        shell.on(self.start.click, self.generate, asked, now)
        shell.on(self.method.change, self.chosen, [self.method], [self.named, self.settings_text])
        for button, wish in ((self.pause, "pause"), (self.stop, "stop")):
            shell.on(button.click, functools.partial(self.tell, wish), [], now)

    def _build_import(self) -> None:
        demo = self.settings.demo
        self.shell.part(show.render("intake/about.html", demo=demo))
        self.path = gr.Textbox(
            label="Folder or CSV file on this machine",
            placeholder="/data/studies",
            elem_id="import-path",
            value=near(SAMPLE) if SAMPLE.exists() else "",
            interactive=not demo,
            max_lines=1,
        )
        self.layout = gr.Dropdown(LAYOUTS, value="auto", label="Layout", elem_id="import-layout")
        self.files = gr.File(
            label="or upload files",
            file_count="multiple",
            type="filepath",
            visible=not demo,
            height=110,
            elem_id="import-files",
        )
        self.go = gr.Button("Import", variant="primary", elem_id="import-go")
        self.outcome = self.shell.part(elem_id="import-outcome")

    def _build_runs(self) -> None:
        shell = self.shell
        shell.part(show.render("heading.html", text="Synthetic pairs"))
        self.hint = shell.part()
        self.running = shell.part(elem_id="running", live=True)
        with gr.Row(elem_classes=["buttons"]):
            self.start = gr.Button("Start or resume", variant="primary", elem_id="run-start", min_width=0)
            self.pause = gr.Button("❚❚ Pause", elem_id="run-pause", min_width=0)
            self.stop = gr.Button("■ Stop", elem_id="run-stop", min_width=0)
        with gr.Accordion("Settings of the next run", open=False):
            self.method = gr.Dropdown(AS_SET, value="", label="Method", elem_id="run-method")
            self.named = gr.Dropdown(USUAL, value="", label="Set of settings", elem_id="run-named")
            self.settings_text = gr.Textbox(
                label="Other settings, one a line", placeholder="b=4", lines=3, elem_id="run-settings"
            )
            self.batch = gr.Slider(1, 64, 8, step=1, label="Records a batch")
            self.retry = gr.Checkbox(label="Try failed records again", container=False)
        self.failures = shell.part(elem_id="failures", live=True)
        shell.part(show.render("subheading.html", text="Runs"))
        self.runs = shell.part(elem_id="runs", live=True)

    def look(self, actor: Actor, screen: Screen) -> Updates:
        return {**self.now(actor), self.method: self._menu(actor)}

    def _menu(self, actor: Actor) -> Any:
        rows = [(row["title"], row["name"]) for row in self.bench.methods(actor=actor) if row["available"]]
        return gr.update(choices=[*AS_SET, *rows])

    def chosen(self, actor: Actor, method: str) -> Updates:
        """The sets of settings of a method, and its settings with their values and ranges as a hint."""
        name = method or self.settings.method
        row = next(row for row in self.bench.methods(actor=actor) if row["name"] == name)
        hint = "\n".join(f"{s['name']}={json.dumps(s['value'])}  {s['doc']}" for s in row["settings"])
        return {
            self.named: gr.update(choices=[*USUAL, *row["sets"]], value=""),
            self.settings_text: gr.update(placeholder=hint, value=""),
        }

    def tick(self, actor: Actor, screen: Screen) -> Updates:
        return self.now(actor)

    def on_role(self, actor: Actor, screen: Screen) -> Updates:
        """What this role may do here. Not a part of `now`: an answer to the role before would undo it."""
        live = {button: gr.update(interactive=may(actor, verb)) for button, verb in self.buttons.items()}
        return {self.hint: work.hint("intake", actor), self.method: self._menu(actor), **live}

    def now(self, actor: Actor) -> Updates:
        """What goes on."""
        bench = self.bench
        states = bench.counts(actor=actor)["states"]
        rows = bench.runs(actor=actor, limit=8)
        failed = bench.page(actor=actor, filters=Filters(state="failed"), limit=100)["records"]
        waiting = states.get("new", 0) + states.get("void", 0)
        return {
            self.running: work.running(rows, self.background.status, waiting),
            self.runs: work.runs(rows),
            self.failures: work.failures(failed),
        }

    def take_in(self, actor: Actor, path: str, layout: str, files: list[str] | None) -> Iterator[Updates]:
        """Import a folder of this machine, or uploaded files, which are deleted afterwards."""
        copied: Path | None = None
        sent: list[Path] = []
        try:
            sent = [own(actor, name) for name in files or []]
            if sent:
                copied = self._gather(sent)
            for step in self.bench.import_(copied or self._source(path), actor=actor, layout=layout):
                text = f"{step.done} read, {step.message}"
                yield {self.outcome: work.imported(step.result) if step.result else work.bar(0, 0, text)}
            self.background.go()
            yield {self.files: None, **self.shell.say("Import is done. Generation goes on in the background.")}
        finally:
            if copied:
                shutil.rmtree(copied, ignore_errors=True)
                for file in sent:
                    file.unlink(missing_ok=True)

    def _source(self, path: str) -> Path:
        if self.settings.demo:
            return SAMPLE
        if not (path or "").strip():
            raise UsageError("Give the path of a folder or a CSV file on this machine, or choose files to upload.")
        return Path(path.strip())

    def _gather(self, files: list[Path]) -> Path:
        if self.settings.demo:
            raise UsageError(
                "This public demonstration takes the sample studies only: do not upload patient data here."
            )
        places = _places([file.name for file in files])
        folder = Path(tempfile.mkdtemp(prefix=f"upload-{os.getpid()}-", dir=self.settings.home))
        for file, place in zip(files, places, strict=True):
            (folder / place).parent.mkdir(exist_ok=True)
            shutil.copy(file, folder / place)
        return folder

    def generate(
        self, actor: Actor, method: str, batch: int, retry: bool, named: str = "", settings: str = ""
    ) -> Updates:
        """Generate in the background, in this person's name."""
        for run in self.bench.runs(actor=actor, limit=3):
            if run["state"] == "paused":
                self.bench.control(run["run"], "resume", actor=actor)
                return self.now(actor)
        self.background.go(
            self.bench.generate(
                actor=actor,
                method=method or None,
                batch_size=int(batch),
                retry_failed=bool(retry),
                named=named or "",
                settings=settings_in(settings or ""),
            )
        )
        return {**self.now(actor), **self.shell.say("Generation starts in the background.")}

    def tell(self, wish: str, actor: Actor) -> Updates:
        """Pause or stop the run in hand."""
        live = next((r for r in self.bench.runs(actor=actor, limit=5) if r["state"] in ("running", "paused")), None)
        if live is None:
            raise UsageError("No run is going on.")
        self.bench.control(live["run"], wish, actor=actor)
        if wish == "stop":
            self.background.halt()
        return {**self.now(actor), **self.shell.say(f"{wish.capitalize()} after the batch in hand.")}
