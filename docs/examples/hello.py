"""Hello: an example of a page. It tells how many pairs wait for a verdict."""

from __future__ import annotations

from ui import show
from ui.pages.page import Page
from ui.shell import Screen, Shell, Updates
from updp_core.domain import Actor


class Hello(Page):
    """One sentence, made anew whenever the page is opened."""

    title, key = "Hello", "hello"

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell)
        self.sentence = shell.part(elem_id="hello-sentence")
        self.shown = [self.sentence]

    def look(self, actor: Actor, screen: Screen) -> Updates:
        waiting = self.bench.counts(actor=actor)["pending"]
        return {self.sentence: show.render("heading.html", text=f"{waiting} pairs wait for a verdict")}
