"""Release: what would leave and what would not, and why; sign and write it; check any release to the byte."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gradio as gr

from ui import ASSETS, show
from ui.pages.keys import KeyBox
from ui.pages.page import Page
from ui.pages.policy import PolicyBox
from ui.pages.signing import OPEN, SigningBox
from ui.shell import STREAM, Screen, Shell, Updates
from ui.show import work
from updp_core.domain import Actor
from updp_core.errors import UpdpError, UsageError
from updp_core.workbench import may, place_of

SHOWN = 300
"""Pairs in the list at most."""
CERTIFICATE_JS = (ASSETS / "certificate.js").read_text(encoding="utf-8")
PAST_JS = """
element.addEventListener("click", (e) => {
  const b = e.target.closest("[data-certificate]");
  if (b) trigger("certificate", { release: b.dataset.certificate });
  const zip = e.target.closest("[data-zip]");
  if (zip) trigger("zip", { release: zip.dataset.zip });
});
"""


class Release(Page):
    """Two columns: what would leave now, and what has left; the policy stands below."""

    title, key = "Release", "release"

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell)
        with gr.Row(elem_classes=["page"]):
            with gr.Column(elem_classes=["pane"], min_width=0):
                self._build_leaving()
            with gr.Column(elem_classes=["pane"], min_width=0):
                shell.part(show.render("heading.html", text="Check a release"))
                self.check_path = gr.Textbox(label="Folder of the release", elem_id="verify-path", max_lines=1)
                check = gr.Button("Verify every byte", elem_id="verify-go")
                self.checked = shell.part(elem_id="verify-outcome")
                shell.part(show.render("subheading.html", text="Releases so far"))
                self.past = shell.part(elem_id="releases", js=PAST_JS)
                self.certificate = shell.part(elem_id="certificate", js=CERTIFICATE_JS)
                shell.part(show.render("subheading.html", text="Signature"))
                self.keys = KeyBox(shell)
                self.policy = PolicyBox(shell)
        boxes = [*self.policy.shown, *self.keys.shown, *self.signing.shown]
        self.shown = [*boxes, self.hint, self.go, self.preview, self.records, self.past]
        self.shown += [self.folder, self.check_path] if shell.session.visitors else []
        written = [self.outcome, self.check_path, self.folder, *self.shown]
        asked = [self.signing.number, self.signing.question, self.signing.yes]
        shell.on(self.go.click, self.signing.ask, [self.comment, self.recipient], asked).then(None, js=OPEN)
        self.signing.yes.click(None, js="() => updp.close()")
        given = [self.folder, self.comment, self.recipient, self.signing.number]
        shell.on(self.signing.yes.click, self.write, given, written, how=STREAM)
        shell.on(self.past.zip, self.give_zip, [], [], tells=["release"])
        shell.on(self.past.certificate, self.show_certificate, [], [self.certificate], tells=["release"])
        shell.on(check.click, self.check, [self.check_path], [self.checked], how=STREAM)

    def _build_leaving(self) -> None:
        shell = self.shell
        shell.part(show.render("heading.html", text="What would leave the house now"))
        self.hint = shell.part()
        self.preview = shell.part(elem_id="release-preview")
        self.signing = SigningBox(shell)
        with gr.Accordion("Record by record", open=False):
            self.records = shell.part(elem_id="release-records")
        self.folder = gr.Textbox(
            "" if shell.session.visitors else self.suggest(),
            label="Write to this new folder",
            elem_id="release-folder",
            max_lines=1,
        )
        self.comment = gr.Textbox(label="Purpose (kept with the release)", elem_id="release-comment", max_lines=2)
        self.recipient = gr.Textbox(label="Recipient (kept with the release)", elem_id="release-recipient", max_lines=1)
        self.go = gr.Button("Release the approved pairs", variant="primary", elem_id="release-go")
        self.outcome = shell.part(elem_id="release-outcome", js=CERTIFICATE_JS)
        self.signing.build_question()

    def look(self, actor: Actor, screen: Screen) -> Updates:
        return self.now(actor)

    def now(self, actor: Actor) -> Updates:
        """What would leave, what has left, and the policy in force."""
        try:
            preview = self.bench.release_preview(actor=actor)
            page = self.bench.page(actor=actor, sort="imported", limit=SHOWN)
            shown = {
                self.preview: show.render("release/preview.html", preview=preview),
                self.records: work.release_records(preview, page),
            }
        except UpdpError as error:
            shown = {self.preview: show.empty("Not shown to your role.", str(error)), self.records: ""}
        mine = {self.folder: self.suggest()} if self.shell.session.visitors else {}
        return {
            **shown,
            **mine,
            **self.policy.look(actor),
            **self.keys.look(actor),
            **self.signing.look(actor),
            self.hint: work.hint("release", actor),
            self.go: gr.update(interactive=may(actor, "release")),
            self.past: work.releases(self.bench.releases(actor=actor)),
        }

    @property
    def home(self) -> Path:
        """Where releases are written unless another folder is named."""
        return self.shell.session.home() / "releases"

    def suggest(self) -> str:
        """A folder name of its own for each release."""
        return str(self.home / f"release-{datetime.now(UTC):%Y%m%d-%H%M%S}")

    def place(self, folder: str) -> Path:
        """Where a release may be written or looked for; the public demonstration stays inside its own folder."""
        if not (folder or "").strip():
            raise UsageError("Give the folder of the release.")
        path = place_of(folder.strip()).resolve()
        if self.shell.settings.demo and not path.is_relative_to(self.home):
            raise UsageError(f"This demonstration writes and checks releases inside {self.home} only.")
        return path

    def write(self, actor: Actor, folder: str, purpose: str, recipient: str, number: int | None) -> Iterator[Updates]:
        """Write the release that was confirmed, with progress."""
        result: dict[str, Any] = {}
        about = f"{(purpose or '').strip()}; for {(recipient or '').strip()}"
        try:
            for step in self.bench.release(self.place(folder), actor=actor, comment=about, expected=int(number or 0)):
                text = f"{step.stage.capitalize()} {step.done} of {step.total}"
                result = step.result or {}
                yield {self.outcome: work.bar(step.done, step.total, text)}
        except UpdpError as error:
            yield {self.outcome: "", **self.shell.say(str(error), "stop")}
            return
        yield {
            self.outcome: show.render("release/written.html", result=result, row=self._row(actor, result["release"])),
            self.check_path: result["folder"],
            self.folder: self.suggest(),
            **self.now(actor),
        }

    def _row(self, actor: Actor, release: str) -> Any:
        row = next((row for row in self.bench.releases(actor=actor) if row["release"] == release), None)
        if row is None:
            raise UsageError("There is no such release in this workspace.")
        return row

    def show_certificate(self, actor: Actor, release: str) -> Updates:
        """The certificate of one of the releases so far."""
        return {self.certificate: show.render("release/certificate.html", row=self._row(actor, str(release)))}

    def give_zip(self, actor: Actor, release: str) -> Updates:
        """One of the releases so far as a zip file."""
        pieces = self.bench.release_zip(str(release), actor=actor)
        return self.shell.give(actor, f"{release}.zip", "application/zip", pieces)

    def check(self, actor: Actor, folder: str) -> Iterator[Updates]:
        """Verify a release to the byte; a large one takes minutes."""
        place = self.place(folder)
        yield {self.checked: show.empty("Reading every file…")}
        try:
            report = self.bench.verify(place, actor=actor)
        except UpdpError as error:
            yield {self.checked: "", **self.shell.say(str(error), "stop")}
            return
        yield {self.checked: show.render("verified.html", report=report)}
