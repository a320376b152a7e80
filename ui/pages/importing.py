"""Import: a look at a source, its columns by menus, the import itself, and the page of each import so far."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from ui import show
from ui.door.uploads import kept_folder, own, place_of
from ui.shell import STREAM, Shell, Updates
from ui.show import imports, work
from updp_core.config import SAMPLE
from updp_core.domain import Actor, Assume
from updp_core.errors import UsageError
from updp_core.workbench import may

LAYOUTS = [
    ("Recognise by itself", "auto"),
    ("Table (CSV, TSV)", "csv"),
    ("DICOM folder", "dicom"),
    ("IU X-Ray", "iu-xray"),
    ("MIMIC-CXR-JPG", "mimic-cxr"),
]
FIELDS = {
    "file": "Image file",
    "patient_id": "Patient",
    "study_id": "Study (optional)",
    "view": "View",
    "report_text": "Report",
}
NONE = [("–", "")]
VIEWS = [("Not said", ""), ("PA", "PA"), ("AP", "AP"), ("Frontal, PA or AP not known", "frontal")]
MODALITIES = [("Not said", ""), ("CR", "CR"), ("DX", "DX"), ("RG", "RG")]
PAGE = 25
OPEN_JS = """
element.addEventListener("click", (e) => {
  const open = e.target.closest("[data-import]");
  if (open) trigger("open", { id: open.dataset.import });
});
"""
TURN_JS = """
element.addEventListener("click", (e) => {
  const turn = e.target.closest("[data-turn]");
  if (turn && !turn.disabled) trigger("turn", { by: Number(turn.dataset.turn) });
});
"""


def near(path: Path) -> str:
    """A path as short as it can be typed: from the working directory where it lies below it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def places(names: Sequence[str]) -> list[str]:
    """Where uploaded files go: the second file of a name into the folder `2`, its report with it. Raises UsageError
    beside a table, which could not tell them apart.
    """
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{seen[name]}/{name}")
    twice = any(count > 1 for count in seen.values())
    if twice and any(Path(name).suffix.lower() in (".csv", ".tsv", ".gz") for name in names):
        raise UsageError("Two of the files have the same name, so the table cannot tell them apart: rename one.")
    return found


class AssumeBox:
    """Menus of what the importer says of images that do not say it themselves."""

    def __init__(self, name: str) -> None:
        with gr.Row(elem_classes=["assume"]):
            self.chest = gr.Checkbox(label="They show a human chest", elem_id=f"{name}-chest", container=False)
            self.view = gr.Dropdown(VIEWS, value="", label="View", elem_id=f"{name}-view", min_width=90)
            self.modality = gr.Dropdown(
                MODALITIES, value="", label="Modality", elem_id=f"{name}-modality", min_width=90
            )
        self.parts = [self.chest, self.view, self.modality]


def assumed(chest: bool, view: str, modality: str) -> Assume:
    """What the menus say."""
    return Assume(bool(chest), view or "", modality or "")


class ImportBox:
    """The left column of the page."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.bench, self.settings = shell, shell.workbench, shell.settings
        self._build_source()
        self.menus = self._build_menus()
        self.outcome = shell.part(elem_id="import-outcome")
        shell.part(show.render("subheading.html", text="Imports so far"))
        self.list = shell.part(elem_id="imports", js=OPEN_JS)
        self._build_detail()
        self.buttons = {
            self.go: "import_",
            self.see: "import_look",
            self.files: "import_",
            self.folder: "import_",
            self.template: "import_template",
        }
        self.shown = [self.list, *self.buttons]
        self._wire()

    def _build_source(self) -> None:
        demo = self.settings.demo
        self.shell.part(show.render("intake/about.html", demo=demo))
        self.path = gr.Textbox(
            label="Folder, table or zip file on this machine",
            placeholder="/data/studies",
            elem_id="import-path",
            value=near(SAMPLE) if SAMPLE.exists() else "",
            interactive=not demo,
            max_lines=1,
        )
        self.layout = gr.Dropdown(LAYOUTS, value="auto", label="Layout", elem_id="import-layout")
        with gr.Row(elem_classes=["sources"], visible=not demo):
            self.files = gr.File(
                label="or upload files, or one zip file",
                file_count="multiple",
                type="filepath",
                height=110,
                elem_id="import-files",
                elem_classes=["drop"],
            )
            self.folder = gr.File(
                label="or upload a folder",
                file_count="directory",
                type="filepath",
                height=110,
                elem_id="import-folder",
                elem_classes=["drop"],
            )

    def _build_menus(self) -> dict[str, gr.Dropdown]:
        with gr.Accordion("What you know of images that do not say it", open=False, elem_id="import-assume"):
            self.shell.part(show.render("intake/assume.html"))
            self.assume = AssumeBox("assume")
        with gr.Row(elem_classes=["buttons"]):
            self.see = gr.Button("Look first", elem_id="import-see", min_width=0)
            self.go = gr.Button("Import", variant="primary", elem_id="import-go", min_width=0)
            self.template = gr.Button("Template of a table", elem_id="import-template", min_width=0)
        self.seen = self.shell.part(elem_id="import-look")
        with gr.Row(elem_id="import-columns", visible=False) as self.columns:
            return {
                name: gr.Dropdown(NONE, value="", label=label, elem_id=f"column-{name}", min_width=110)
                for name, label in FIELDS.items()
            }

    def _build_detail(self) -> None:
        self.detail = self.shell.part(elem_id="import-detail", js=TURN_JS)
        self.chosen = gr.State("")
        self.offset = gr.State(0)
        with gr.Column(visible=False, elem_id="import-tools") as self.tools:
            with gr.Row(elem_classes=["buttons"]):
                self.text = gr.Textbox(label="Only those that hold", elem_id="import-text", max_lines=1)
                self.list_out = gr.Button("Save as CSV", elem_id="import-csv", min_width=0)
            self.anew = AssumeBox("anew")
            self.again = gr.Button("Try these again", elem_id="import-again", min_width=0)

    def _wire(self) -> None:
        shell = self.shell
        source = [self.path, self.layout, self.files, self.folder]
        menus = list(self.menus.values())
        asked = [*source, *self.assume.parts, *menus]
        looked = [self.seen, self.columns, *menus]
        for event in (self.see.click, self.path.submit):
            shell.on(event, self.look_first, asked, looked, how=STREAM)
        for files in (self.files, self.folder):
            shell.on(files.upload, self.look_fresh, asked, looked, how=STREAM)
            shell.on(files.clear, self.forget, [], looked)
        detail = [self.detail, self.tools, self.chosen, self.offset, self.again]
        after = [self.outcome, self.files, self.folder, self.list, self.text, *looked, *detail]
        shell.on(self.go.click, self.take_in, asked, after, how=STREAM)
        shell.on(self.template.click, self.give_template, [], [])
        shell.on(self.list.open, self.open, [], [*detail, self.text], tells=["id"])
        shell.on(self.text.submit, self.narrow, [self.chosen, self.text], detail)
        shell.on(self.detail.turn, self.turn, [self.chosen, self.text, self.offset], detail, tells=["by"])
        shell.on(self.list_out.click, self.give_list, [self.chosen], [])
        shell.on(self.again.click, self.try_again, [self.chosen, *self.anew.parts], after, how=STREAM)

    def look(self, actor: Actor) -> Updates:
        """The imports so far, and what this role may do."""
        return {
            **self.now(actor),
            **{button: gr.update(interactive=may(actor, verb)) for button, verb in self.buttons.items()},
        }

    def now(self, actor: Actor) -> Updates:
        """The imports so far."""
        rows = self.bench.imports(actor=actor) if may(actor, "imports") else []
        return {self.list: imports.rows(rows, may(actor, "imports"))}

    # before

    def look_fresh(self, actor: Actor, *given: Any) -> Iterator[Updates]:
        """As `look_first`, of files that have just come: the menus tell of others."""
        yield from self.look_first(actor, *given[: -len(FIELDS)], *[""] * len(FIELDS))

    def look_first(
        self, actor: Actor, path: str, layout: str, files: list[str] | None, folder: list[str] | None, *given: Any
    ) -> Iterator[Updates]:
        """What the source holds, and which of its columns is what."""
        yield {self.seen: work.bar(0, 0, "Looking …")}
        copied: Path | None = None
        try:
            copied, source = self._source(actor, path, files, folder)
            chest, view, modality, *columns = given
            said = assumed(chest, view, modality)
            found = self.bench.import_look(
                source, actor=actor, layout=layout, columns=self._mapping(columns), assume=said
            )
            yield self._looked(found)
        except Exception:
            yield self.forget(actor)
            raise
        finally:
            if copied:
                shutil.rmtree(copied, ignore_errors=True)

    def _looked(self, found: Any) -> Updates:
        choices = [*NONE, *[(name, name) for name in found["columns"]]]
        matched = found["matched"] or {}
        return {
            self.seen: imports.look(found, FIELDS),
            self.columns: gr.update(visible=bool(found["columns"])),
            **{menu: gr.update(choices=choices, value=matched.get(name, "")) for name, menu in self.menus.items()},
        }

    def forget(self, actor: Actor) -> Updates:
        """Nothing has been looked at."""
        menus = {menu: gr.update(choices=NONE, value="") for menu in self.menus.values()}
        return {self.seen: "", self.columns: gr.update(visible=False), **menus}

    def _mapping(self, columns: Sequence[str]) -> dict[str, str]:
        return {name: column for name, column in zip(self.menus, columns, strict=True) if column}

    def _source(
        self, actor: Actor, path: str, files: list[str] | None, folder: list[str] | None
    ) -> tuple[Path | None, Path]:
        """(folder in which uploads were gathered, what is to be read)."""
        sent = [own(actor, name) for name in [*(files or []), *(folder or [])]]
        if self.settings.demo:
            if sent:
                raise UsageError(
                    "This public demonstration takes the sample studies only: do not upload patient data here."
                )
            return None, SAMPLE
        if not sent:
            if not (path or "").strip():
                raise UsageError(
                    "Give the path of a folder, a table or a zip file on this machine, or choose files to upload."
                )
            return None, Path(path.strip())
        names = places([place_of(actor, file) for file in sent])
        zipped = [name for name in names if name.lower().endswith(".zip")]
        if zipped and len(names) > 1:
            raise UsageError("Upload a zip file by itself: what belongs to it, its table too, lies in it.")
        gathered = kept_folder(actor)
        for file, name in zip(sent, names, strict=True):
            (gathered / name).parent.mkdir(parents=True, exist_ok=True)
            os.link(file, gathered / name)
        if zipped:
            return gathered, gathered / zipped[0]
        inside = list(gathered.iterdir())
        return gathered, inside[0] if len(inside) == 1 and inside[0].is_dir() else gathered

    # the import

    def take_in(
        self, actor: Actor, path: str, layout: str, files: list[str] | None, folder: list[str] | None, *given: Any
    ) -> Iterator[Updates]:
        """Import a folder of this machine, or uploaded files. These are deleted afterwards; where something was left
        out, so that it can be tried again, as late as any upload."""
        copied: Path | None = None
        left = 0
        try:
            copied, source = self._source(actor, path, files, folder)
            chest, view, modality, *columns = given
            said = assumed(chest, view, modality)
            steps = self.bench.import_(source, actor=actor, layout=layout, columns=self._mapping(columns), assume=said)
            for step in steps:
                left = step.result["rejections"] if step.result else left
                yield {self.outcome: self._told(step)}
            yield {self.files: None, self.folder: None, **self.forget(actor), **self._after(actor, step.result or {})}
        finally:
            if copied:
                if not left:
                    shutil.rmtree(copied, ignore_errors=True)
                for name in [*(files or []), *(folder or [])]:
                    own(actor, name).unlink(missing_ok=True)

    def try_again(self, actor: Actor, chosen: str, chest: bool, view: str, modality: str) -> Iterator[Updates]:
        """What an import has not taken, with what the importer says of it."""
        for step in self.bench.import_again(chosen, assume=assumed(chest, view, modality), actor=actor):
            yield {self.outcome: self._told(step)}
        yield self._after(actor, step.result or {})

    def _told(self, step: Any) -> str:
        if step.result:
            return imports.outcome(step.result)
        return work.bar(0, 0, f"{step.done} read, {step.message}")

    def _after(self, actor: Actor, result: dict[str, Any]) -> Updates:
        shown = {**self.now(actor), **self._page(actor, result["import"], "", 0), self.text: ""}
        if not result["imported"]:
            return {**shown, **self.shell.say("Nothing new was imported.", "warn")}
        self.shell.background.go()
        return {**shown, **self.shell.say("Import is done. Generation goes on in the background.")}

    def give_template(self, actor: Actor) -> Updates:
        """A table to fill in."""
        lines = self.bench.import_template(actor=actor)
        return self.shell.give(actor, "studies.csv", "text/csv; charset=utf-8", lines)

    # after

    def open(self, actor: Actor, id: str) -> Updates:
        """The page of an import."""
        return {**self._page(actor, id, "", 0), self.text: ""}

    def narrow(self, actor: Actor, chosen: str, text: str) -> Updates:
        """What holds a text, of the import that is open."""
        return self._page(actor, chosen, text, 0)

    def turn(self, actor: Actor, by: int, chosen: str, text: str, offset: int) -> Updates:
        """Another page of it."""
        return self._page(actor, chosen, text, max(0, offset + PAGE * (1 if by > 0 else -1)))

    def _page(self, actor: Actor, chosen: str, text: str, offset: int) -> Updates:
        page = self.bench.import_rejected(chosen, text=text or "", offset=offset, limit=PAGE, actor=actor)
        row = page["row"]
        return {
            self.detail: imports.page(page),
            self.tools: gr.update(visible=bool(row["rejections"])),
            self.again: gr.update(interactive=row["there"]),
            self.chosen: chosen,
            self.offset: offset,
        }

    def give_list(self, actor: Actor, chosen: str) -> Updates:
        """All that the import has not taken, as a file."""
        lines = self.bench.import_list(chosen, actor=actor)
        return self.shell.give(actor, f"not-taken-{chosen}.csv", "text/csv; charset=utf-8", lines)
