"""Import & run: studies in, synthetic pairs made, with progress, pause and the reasons of what failed."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import filelock
import gradio as gr
import psutil

from ui import show
from ui.pages.importing import ImportBox
from ui.pages.page import Page
from ui.shell import Screen, Shell, Updates
from ui.show import work
from updp_core.domain import Actor
from updp_core.errors import UsageError
from updp_core.workbench import Filters, may

AS_SET = [("As set for this workspace", "")]
USUAL = [("As usual", "")]
SLIDERS = 2
"""As many as a method has at most."""


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
                self.importing = ImportBox(shell)
            with gr.Column(elem_classes=["pane"], min_width=0):
                self._build_runs()
        self.buttons = {
            self.start: "generate",
            self.pause: "control",
            self.stop: "control",
        }
        self.shown = [
            self.hint,
            *self.importing.shown,
            *self.buttons,
            self.running,
            self.runs,
            self.failures,
            self.method,
        ]
        now = [self.running, self.runs, self.failures]
        asked = [self.method, self.batch, self.retry, self.named, self.settings_text, *self.sliders]
        of_method = [self.named, self.settings_text, self.holds, *self.sliders]
        shell.on(self.start.click, self.generate, asked, now)
        shell.on(self.method.change, self.chosen, [self.method], of_method)
        for button, wish in ((self.pause, "pause"), (self.stop, "stop")):
            shell.on(button.click, functools.partial(self.tell, wish), [], now)

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
            self.holds = shell.part(elem_id="run-holds")
            self.named = gr.Dropdown(USUAL, value="", label="Set of settings", elem_id="run-named")
            self.sliders = [gr.Slider(0, 1, 0, visible=False, elem_id=f"run-slider-{n}") for n in range(SLIDERS)]
            self.settings_text = gr.Textbox(
                label="Other settings, one a line", placeholder="b=4", lines=3, elem_id="run-settings"
            )
            self.batch = gr.Slider(1, 64, 8, step=1, label="Records a batch")
            self.retry = gr.Checkbox(label="Try failed records again", container=False)
        self.failures = shell.part(elem_id="failures", live=True)
        shell.part(show.render("subheading.html", text="Runs"))
        self.runs = shell.part(elem_id="runs", live=True)

    def look(self, actor: Actor, screen: Screen) -> Updates:
        return {**self.now(actor), **self.importing.now(actor), self.method: self._menu(actor)}

    def _menu(self, actor: Actor) -> Any:
        rows = [(row["title"], row["name"]) for row in self.bench.methods(actor=actor) if row["available"]]
        return gr.update(choices=[*AS_SET, *rows])

    def chosen(self, actor: Actor, method: str) -> Updates:
        """What a method hides and not, its sets of settings, its sliders, and its settings with values as a hint.

        Where a method is asked for by name; "as set" stays as it is set, so that it has no slider here.
        """
        row = self._row(actor, method or self.settings.method)
        hint = "\n".join(f"{s['name']}={json.dumps(s['value'])}  {s['doc']}" for s in row["settings"])
        hidden = dict.fromkeys(self.sliders, gr.update(visible=False))
        shown = {
            component: gr.update(
                visible=True,
                minimum=min(s["low"], s["value"]),
                maximum=max(s["high"], s["value"]),
                step=s["step"],
                value=s["value"],
                label=s["doc"],
            )
            for component, s in zip(self.sliders, row["sliders"] if method else (), strict=False)
        }
        return {
            self.named: gr.update(choices=[*USUAL, *row["sets"]], value=""),
            self.settings_text: gr.update(placeholder=hint, value=""),
            self.holds: show.render("muted.html", text=row["holds"]),
            **hidden,
            **shown,
        }

    def _row(self, actor: Actor, method: str) -> Mapping[str, Any]:
        return next(row for row in self.bench.methods(actor=actor) if row["name"] == method)

    def tick(self, actor: Actor, screen: Screen) -> Updates:
        return self.now(actor)

    def on_role(self, actor: Actor, screen: Screen) -> Updates:
        """What this role may do here. Not a part of `now`: an answer to the role before would undo it."""
        live = {button: gr.update(interactive=may(actor, verb)) for button, verb in self.buttons.items()}
        parts = {self.hint: work.hint("intake", actor), self.method: self._menu(actor)}
        return {**parts, **self.importing.look(actor), **live}

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

    def generate(
        self,
        actor: Actor,
        method: str,
        batch: int,
        retry: bool,
        named: str = "",
        settings: str = "",
        *sliders: float,
    ) -> Updates:
        """Generate in the background, in this person's name. A slider counts where it was moved, a line above it."""
        for run in self.bench.runs(actor=actor, limit=3):
            if run["state"] == "paused":
                self.bench.control(run["run"], "resume", actor=actor)
                return self.now(actor)
        rows = self._row(actor, method)["sliders"] if method else []
        moved = {s["name"]: value for s, value in zip(rows, sliders, strict=False) if value != s["value"]}
        self.background.go(
            self.bench.generate(
                actor=actor,
                method=method or None,
                batch_size=int(batch),
                retry_failed=bool(retry),
                named=named or "",
                settings={**moved, **settings_in(settings or "")},
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
