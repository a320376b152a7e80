"""The server's log quotes neither what a browser sent nor what a menu offers."""

from __future__ import annotations

import logging

import gradio as gr
import gradio.queueing
import pytest
from gradio.routes import App
from starlette.testclient import TestClient

from ui.door.discretion import be_discreet


def test_a_choice_that_a_menu_does_not_hold_is_logged_by_kind_and_place_alone(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with gr.Blocks() as page:
        menu = gr.Dropdown(["MEIER, ANNA"])
        menu.change(lambda value: None, menu, None, queue=False)
    be_discreet()
    body = {"fn_index": 0, "data": ["QUILL, MORTIMER"], "session_hash": "s"}
    with TestClient(App.create_app(page)) as client, caplog.at_level(logging.ERROR):
        assert client.post("/gradio_api/run/predict", json=body).status_code == 500
    told = caplog.text + "".join(capfd.readouterr())
    assert "a request failed: Error at dropdown.py" in told
    assert "QUILL" not in told and "MEIER" not in told


def test_neither_the_queue_nor_the_server_below_writes_the_text_of_an_error(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    be_discreet()
    try:
        raise ValueError("QUILL, MORTIMER")
    except ValueError:
        vars(gradio.queueing)["traceback"].print_exc()
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    told = caplog.text + "".join(capfd.readouterr())
    assert told.count("a request failed: ValueError at test_discretion.py") >= 2 and "QUILL" not in told
