"""How an event reaches a handler, how its answer reaches the browser, and what the clock leaves alone."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest

from ui.background import Background
from ui.door.session import Session
from ui.shell import ASK, Screen, Shell, Updates
from updp_core.config import Settings
from updp_core.domain import Actor
from updp_core.errors import UsageError

REQUEST = gr.Request()


@pytest.fixture
def shell() -> Iterator[Shell]:
    bench: Any = None
    with gr.Blocks():
        made = Shell(Session(bench, signed=False), Settings(), Background(bench, None))
        for part in (made.role, made.message, made.screen):
            part.render()
        yield made


def wired(shell: Shell, handler: Any, inputs: Any = (), **more: Any) -> tuple[Any, dict[str, Any]]:
    """What Gradio would be told: the function to call, and how."""
    found: list[Any] = []
    shell.on(lambda call, given, shown, **how: found.extend([call, how]), handler, inputs, **more)
    return found[0], found[1]


def test_a_handler_gets_the_actor_what_the_event_tells_the_screen_and_the_values(shell: Shell) -> None:
    given: list[Any] = []

    def handler(*all_: Any) -> Updates:
        given.extend(all_)
        return {}

    call, how = wired(shell, handler, [shell.screen, gr.State()], tells=["record"])
    said = json.dumps({"asked": "R1", "shown": None})
    call(REQUEST, gr.EventData(None, {"record": "R2", "more": 1}), said, "privacy-officer", 7)
    actor, record, screen, value = given
    assert isinstance(actor, Actor) and actor.role == "privacy-officer"
    assert (record, screen.record, value) == ("R2", "R1", 7)
    assert how["js"] == ASK and how["api_visibility"] == "private"


def test_a_refusal_comes_on_the_message_line_and_an_unforeseen_error_keeps_its_text(
    shell: Shell, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(actor: Actor) -> Updates:
        raise UsageError("Choose a <record>.")

    def fail(actor: Actor) -> Updates:
        raise ValueError("John Smith")

    refused = wired(shell, refuse)[0](REQUEST, "radiologist")[shell.message]
    assert "say-stop" in refused and "Choose a &lt;record&gt;." in refused
    with caplog.at_level(logging.ERROR, "updp"):
        failed = wired(shell, fail)[0](REQUEST, "radiologist")[shell.message]
    assert "Something went wrong" in failed and "Smith" not in failed + caplog.text
    assert "fail" in caplog.text


def test_what_takes_longer_tells_its_steps_and_then_its_error(shell: Shell) -> None:
    def steps(actor: Actor) -> Iterator[Updates]:
        yield {shell.message: "one"}
        raise UsageError("No more.")

    first, last = wired(shell, steps)[0](REQUEST, "radiologist")
    assert first == {shell.message: "one"} and "No more." in last[shell.message]


def test_a_message_goes_with_the_next_thing_that_somebody_does_and_not_with_the_clock(shell: Shell) -> None:
    call, _ = wired(shell, lambda actor: {})
    assert call(REQUEST, "radiologist") == {shell.message: ""}
    clock, _ = wired(shell, lambda actor: {}, quiet=True)
    assert clock(REQUEST, "radiologist") == {shell.message: gr.skip()}


def test_the_clock_sends_a_part_only_where_it_would_read_otherwise(shell: Shell) -> None:
    """The browser says by a key what stands in each part; what it shows already is not sent again."""
    queue, runs = (shell.part(elem_id=name, live=True) for name in ("queue", "runs"))
    field = gr.Textbox()
    call, _ = wired(shell, lambda actor: {queue: "<p>three</p>", runs: "<p>none</p>"})
    sent = call(REQUEST, "radiologist")
    assert sent[queue].startswith("<p>three</p>")
    keys = dict(re.search(r'data-part="(\w+)" data-key="(\w+)"', sent[c]).groups() for c in (queue, runs))  # type: ignore[union-attr]
    assert set(keys) == {"queue", "runs"}
    screen = Screen.read(json.dumps({"parts": keys}))
    same = {queue: "<p>three</p>", runs: "<p>none</p>", field: "typed"}
    assert shell.fresh(same, screen) == {field: "typed"}
    assert shell.fresh({**same, queue: "<p>two</p>", runs: ""}, screen) == {
        queue: "<p>two</p>",
        runs: "",
        field: "typed",
    }
    assert shell.fresh({queue: ""}, Screen()) == {}, "nothing stands there, and nothing would"


def test_no_verdict_without_a_pair_on_the_screen() -> None:
    assert Screen.read("null") == Screen.read(None) == Screen()
    with pytest.raises(UsageError, match="Open a pair"):
        Screen().opened()
    with pytest.raises(UsageError, match="on the screen"):
        Screen.read(json.dumps({"asked": "R1"})).pair()
