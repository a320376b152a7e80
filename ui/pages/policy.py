"""The policy: how many verdicts a release takes, which gates block, how much is read twice. Set by the officer."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ui import show
from ui.pages.levels import LevelBox
from ui.shell import Shell, Updates
from updp_core.domain import Actor
from updp_core.errors import UsageError
from updp_core.workbench import may

ACTIONS = [("Its own default", ""), ("Warn", "warn"), ("Block", "block")]
PICK_JS = """
element.addEventListener("click", (e) => {
  const b = e.target.closest("[data-gate]");
  if (!b) return;
  trigger("pick", { gate: b.dataset.gate });
  document.getElementById("policy-gate")?.scrollIntoView({ block: "center" });
});
"""
PROMPTS = [("Released", "release"), ("Kept back", "keep back")]
REPORTS = [("Placeholder, as [NAME]", "placeholder"), ("Removed", "remove"), ("Realistic stand-in", "surrogate")]


class PolicyBox:
    """The section on the release page."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        with gr.Accordion("Policy", open=False, elem_id="policy"):
            self.verdicts = gr.Radio(
                [("One", 1), ("Two, by different people", 2)],
                label="Approvals that a pair needs",
                elem_id="policy-verdicts",
            )
            self.second = gr.Slider(
                0, 100, step=5, label="Share of decided pairs that a second person reads blind, in %"
            )
            self.report = gr.Dropdown(REPORTS, label="In place of identifiers, in reports filtered from now on")
            self.prompts = gr.Dropdown(PROMPTS, label="Prompts, in releases written from now on")
            self.methods = gr.CheckboxGroup(
                label="Methods that keep the source's pixels, and whose images may leave all the same",
                elem_id="policy-methods",
            )
            self.level = LevelBox(shell)
            self.now = shell.part(elem_id="policy-gates", js=PICK_JS)
            with gr.Row(elem_classes=["buttons"]):
                self.gate = gr.Dropdown(
                    [("None", "")], value="", label="Change one gate", min_width=160, elem_id="policy-gate"
                )
                self.action = gr.Dropdown(ACTIONS, value="", label="Where it fails", min_width=120)
                self.limit = gr.Number(label="Limit (empty: default)", min_width=100)
            self.why = gr.Textbox(label="Why (kept in the audit trail)", max_lines=2)
            self.foresee = gr.Button("Show impact", elem_id="policy-foresee")
            self.impact = shell.part(elem_id="policy-impact")
            self.save = gr.Button("Set the policy", elem_id="policy-save")
        fields = self.fields
        shell.on(self.gate.input, self.gate_now, [self.gate], self.one)
        shell.on(self.now.pick, self.pick, [], [self.gate, *self.one], tells=["gate"])
        shell.on(self.foresee.click, self.foretell, fields, [self.impact])
        shell.on(self.save.click, self.set, [*fields, self.why], [*self.shown, self.why])

    @property
    def fields(self) -> list[Any]:
        said = [self.verdicts, self.second, self.report, self.prompts, self.gate, self.action, self.limit]
        return [*said, self.methods, *self.level.fields]

    @property
    def shown(self) -> list[Any]:
        ahead = [self.level.compare, self.level.preview]
        return [*self.fields, *ahead, self.now, self.foresee, self.impact, self.save]

    def look(self, actor: Actor) -> Updates:
        """What is in force."""
        bench = self.shell.workbench
        policy, rules = bench.policy(actor=actor), bench.gate_rules(actor=actor)
        keepers = [m for m in bench.methods(actor=actor) if m["source_pixels"] and m["releasable"]]
        keepers = [m for m in keepers if m["available"] or m["leaves"]]
        return {
            self.verdicts: policy["verdicts"],
            self.second: round(100 * policy["second_reading"]),
            self.report: policy["report_policy"],
            self.prompts: policy["prompts"],
            self.gate: gr.update(choices=[("None", ""), *[(r["title"], r["name"]) for r in rules]], value=""),
            self.action: "",
            self.limit: None,
            self.methods: gr.update(
                choices=[(m["title"], m["name"]) for m in keepers], value=[m["name"] for m in keepers if m["leaves"]]
            ),
            **self.level.look(actor, policy["privacy"]),
            self.now: show.render("release/gate_rules.html", rules=rules),
            self.impact: "",
            self.foresee: gr.update(interactive=may(actor, "policy_impact")),
            self.save: gr.update(interactive=may(actor, "set_policy")),
        }

    @property
    def one(self) -> list[Any]:
        return [self.action, self.limit]

    def gate_now(self, actor: Actor, name: str) -> Updates:
        """What is in force for one gate, into the fields."""
        rules = self.shell.workbench.gate_rules(actor=actor)
        rule = next((r for r in rules if r["name"] == name), None)
        if rule is None:
            return {self.action: "", self.limit: None}
        return {
            self.action: "" if rule["action"] == rule["default_action"] else rule["action"],
            self.limit: None if rule["limit"] == rule["default_limit"] else rule["limit"],
        }

    def pick(self, actor: Actor, gate: str) -> Updates:
        """A row of the table: its gate into the fields."""
        return {self.gate: str(gate), **self.gate_now(actor, str(gate))}

    def foretell(self, actor: Actor, *fields: Any) -> Updates:
        """What the policy in the fields would do."""
        impact = self.shell.workbench.policy_impact(self._changes(actor, *fields), actor=actor)
        return {self.impact: show.render("release/policy_impact.html", impact=impact)}

    def set(self, actor: Actor, *given: Any) -> Updates:
        """Put a new policy in force; the core refuses what it must."""
        *fields, why = given
        if not (why or "").strip():
            raise UsageError("Say in a few words why the policy changes.")
        self.shell.workbench.set_policy(self._changes(actor, *fields), actor=actor, comment=why)
        return {**self.look(actor), self.why: "", **self.shell.say("The policy is in force.")}

    def _changes(
        self,
        actor: Actor,
        verdicts: int,
        second: float,
        report: str,
        prompts: str,
        gate: str,
        action: str,
        limit: float | None,
        methods: list[str] | None = None,
        *level: Any,
    ) -> dict[str, Any]:
        """What the fields change; without `methods` or `level`, nothing about them."""
        bench = self.shell.workbench
        changes: dict[str, Any] = {"verdicts": verdicts, "second_reading": second / 100, "report_policy": report}
        changes["prompts"] = prompts
        if gate:
            wish = {k: v for k, v in (("action", action or None), ("limit", limit)) if v is not None}
            others = {n: v for n, v in bench.policy(actor=actor)["gates"].items() if n != gate}
            changes["gates"] = {**others, **({gate: wish} if wish else {})}
        if methods is not None:
            now = bench.policy(actor=actor)["methods"]
            keepers = {m["name"] for m in bench.methods(actor=actor) if m["source_pixels"]}
            asked = {name: {**now.get(name, {}), "release": name in methods} for name in keepers & {*now, *methods}}
            changes["methods"] = {**now, **asked}
        if level:
            changes["privacy"] = self.level.wish(*level)
        return changes
