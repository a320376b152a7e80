"""The key that signs releases, and keys of others that are trusted. Made and trusted by the officer."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ui import show
from ui.shell import Shell, Updates
from updp_core.domain import Actor
from updp_core.workbench import may


class KeyBox:
    """The section on the release page."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.now = shell.part(elem_id="signing-key")
        self.new = gr.Button("Make the key that signs releases", elem_id="key-new", visible=False)
        with gr.Accordion("Trusted keys of other senders", open=False, elem_id="trusted-keys"):
            self.trusted = shell.part(elem_id="trusted")
            self.pem = gr.Textbox(
                label="Public key (the content of signature/public-key.pem)",
                lines=3,
                max_lines=3,
                elem_id="key-pem",
            )
            self.name = gr.Textbox(label="Whose key it is", max_lines=1, elem_id="key-name")
            self.trust = gr.Button("Trust this key", elem_id="key-trust")
        shell.on(self.new.click, self.make, [], self.shown)
        shell.on(self.trust.click, self.add, [self.pem, self.name], [*self.shown, self.pem, self.name])

    @property
    def shown(self) -> list[Any]:
        return [self.now, self.new, self.trusted, self.trust]

    def look(self, actor: Actor) -> Updates:
        """Whose key signs, and whose are trusted."""
        ring = self.shell.workbench.keys(actor=actor)
        able = may(actor, "key_new")
        return {
            self.now: show.render("release/key.html", ring=ring, able=able),
            self.new: gr.update(visible=able and not ring["fingerprint"]),
            self.trusted: show.render("release/trusted.html", ring=ring),
            self.trust: gr.update(interactive=may(actor, "key_trust")),
        }

    def make(self, actor: Actor) -> Updates:
        """Make the key; one that is there already is replaced by command only."""
        ring = self.shell.workbench.key_new(actor=actor)
        told = f"Releases are signed from now on. Tell receivers the fingerprint: {ring['fingerprint']}"
        return {**self.look(actor), **self.shell.say(told)}

    def add(self, actor: Actor, pem: str, name: str) -> Updates:
        """Trust the key in the field."""
        self.shell.workbench.key_trust(pem or "", name or "", actor=actor)
        return {**self.look(actor), self.pem: "", self.name: "", **self.shell.say("This key is trusted here.")}
