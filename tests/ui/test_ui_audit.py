"""Retention on the page: shown first, destroyed after, by an administrator alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import gradio as gr
import pytest

from tests.ui.desk import acting, shell_on
from tests.unit.workbench_kit import READER, hush, made, workbench
from ui.pages.audit import Audit
from ui.shell import Screen
from updp_core.errors import NotAllowed, UsageError


def test_what_is_destroyed_is_what_was_shown_and_only_an_administrator_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hush(monkeypatch)
    bench = workbench(tmp_path / "ws")
    first, second = made(bench, 2)
    bench.decide(first, "reject", actor=READER)
    with gr.Blocks():
        page = Audit(shell_on(bench))
    admin, officer = (acting(page.shell, role) for role in ("administrator", "privacy-officer"))
    for actor, live in ((admin, True), (officer, False)):
        looked = page.look(actor, Screen())
        assert looked[page.see] == gr.update(interactive=live)
        assert looked[page.retention] == gr.update(visible=live), "shown to whom it is for"
    with pytest.raises(NotAllowed):
        page.foresee(officer, 30)
    assert "Nothing is old enough" in page.foresee(admin, 30)[page.gone]

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return datetime.now(UTC) + timedelta(days=31)

    monkeypatch.setattr("updp_core.workbench.upkeep.datetime", Later)
    shown = page.foresee(admin, 30)
    assert "Would go: 1 record (1 rejected, 0 released)" in shown[page.gone] and shown[page.go]["interactive"]
    bench.decide(second, "reject", actor=READER)
    with pytest.raises(UsageError, match="not what was shown"):
        list(page.destroy(admin, 30, shown[page.foreseen]))
    with pytest.raises(NotAllowed):
        list(page.destroy(officer, 30, shown[page.foreseen]))
    [no] = page.destroy(admin, -1, None)
    assert "Nothing was destroyed" in no[page.shell.message]
    *_, last = page.destroy(admin, 30, page.foresee(admin, 30)[page.foreseen])
    assert "Destroyed: 2 records" in last[page.gone] and last[page.foreseen] is None
    assert bench.show(first, actor=READER)["report"]["original"] == ""


def test_the_trail_is_read_in_sentences_with_reasons_and_narrowed_by_what_who_and_when(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hush(monkeypatch)
    bench = workbench(tmp_path / "ws")
    first, second = made(bench, 2)
    bench.decide(first, "reject", reasons=["Finding lost"], comment="the nodule of <b>Ann</b>", actor=READER)
    bench.show(second, actor=READER)
    with gr.Blocks():
        page = Audit(shell_on(bench))
    admin, officer = (acting(page.shell, role) for role in ("administrator", "privacy-officer"))
    shown = page.look(officer, Screen())[page.events]
    assert f"Rejected {first}." in shown and "Finding lost." in shown and "the nodule of &lt;b&gt;Ann" in shown
    assert "Looked at" not in shown and "Made 1 version" in shown
    assert "nodule" not in page.look(admin, Screen())[page.events], "a comment may name a patient"
    assert f"Looked at {second}" in page.look(officer, Screen(), "views")[page.events]
    assert "Made 1 version" not in page.look(officer, Screen(), "verdicts")[page.events]
    assert "Made 1 version" not in page.look(officer, Screen(), "", READER.name)[page.events]
    assert "No event" in page.look(officer, Screen(), "", "", "2999-01-01")[page.events]
    with pytest.raises(UsageError, match="2026-01-31"):
        page.look(officer, Screen(), "", "", "yesterday")
    reader = acting(page.shell, "radiologist")
    assert "Not shown to your role" in page.look(reader, Screen())[page.events]
