"""The policy: how many verdicts a release takes, which gates block, how much is read twice. Set by the officer."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ui import format as base
from ui.session import told
from ui.shell import QUICK, Shell
from updp_core.errors import UsageError

ACTIONS = [("Its own default", ""), ("Warn", "warn"), ("Block", "block")]
REPORTS = [("Placeholder, as [NAME]", "placeholder"), ("Removed", "remove"), ("Realistic stand-in", "surrogate")]


class PolicyBox:
    """The section on the release page."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        with gr.Accordion("Policy", open=False, elem_id="policy"):
            self.verdicts = gr.Radio([("One", 1), ("Two, by different people", 2)], label="Approvals that a pair needs")
            self.second = gr.Slider(
                0, 100, step=5, label="Share of decided pairs that a second person reads blind, in %"
            )
            self.report = gr.Dropdown(REPORTS, label="In place of identifiers, in reports filtered from now on")
            with gr.Row(elem_classes=["buttons"]):
                self.gate = gr.Dropdown([("None", "")], value="", label="Change one gate", min_width=160)
                self.action = gr.Dropdown(ACTIONS, value="", label="Where it fails", min_width=120)
                self.limit = gr.Number(label="Limit (empty: default)", min_width=100)
            self.now = gr.HTML(apply_default_css=False, js_on_load=None)
            self.why = gr.Textbox(label="Why (kept in the audit trail)", max_lines=2)
            self.save = gr.Button("Set the policy", elem_id="policy-save")
        guard = told(shell.say)
        fields = [self.verdicts, self.second, self.report, self.gate, self.action, self.limit, self.why]
        self.save.click(guard(self.set), [shell.role, *fields], [*self.shown, self.why, shell.message], **QUICK)

    @property
    def shown(self) -> list[Any]:
        return [self.verdicts, self.second, self.report, self.gate, self.action, self.limit, self.now]

    def look(self, role: str, request: gr.Request) -> dict[Any, Any]:
        """What is in force."""
        actor, bench = self.shell.actor(request, role), self.shell.workbench
        policy, gates = bench.policy(actor=actor), bench.counts(actor=actor)["gates"]
        changed = ", ".join(f"{base.words(n)} ({base.number(v)})" for n, v in policy["gates"].items())
        return {
            self.verdicts: policy["verdicts"],
            self.second: round(100 * policy["second_reading"]),
            self.report: policy["report_policy"],
            self.gate: gr.update(choices=[("None", ""), *[(base.title(g), g) for g in gates]], value=""),
            self.action: "",
            self.limit: None,
            self.now: f'<p class="muted">Gates that differ from their default: {base.esc(changed or "none")}.</p>',
        }

    def set(
        self, role: str, verdicts: int, second: float, report: str, gate: str, action: str, limit: float | None,
        why: str, request: gr.Request,
    ) -> dict[Any, Any]:  # fmt: skip
        """Put a new policy in force; the core refuses what it must."""
        actor, bench = self.shell.actor(request, role), self.shell.workbench
        if not (why or "").strip():
            raise UsageError("Say in a few words why the policy changes.")
        changes: dict[str, Any] = {"verdicts": verdicts, "second_reading": second / 100, "report_policy": report}
        if gate:
            wish = {k: v for k, v in (("action", action or None), ("limit", limit)) if v is not None}
            others = {n: v for n, v in bench.policy(actor=actor)["gates"].items() if n != gate}
            changes["gates"] = {**others, **({gate: wish} if wish else {})}
        bench.set_policy(changes, actor=actor, comment=why)
        return {**self.look(role, request), self.why: "", **self.shell.say("The policy is in force.")}
