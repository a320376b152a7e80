"""What the server's log may say of a failure: its kind and its place.

Gradio and its server write an error with its text, which may quote what a browser sent, or what a menu offers: columns
of a patient's table, names of reviewers.
"""

from __future__ import annotations

import logging
import sys
from types import SimpleNamespace

import gradio.queueing
import gradio.route_utils
import gradio.routes

from updp_core.errors import kind_and_place

LOG = logging.getLogger("updp")


def be_discreet() -> None:
    """Have the servers of this process write no text of an error."""
    for module in (gradio.routes, gradio.queueing, gradio.route_utils):
        vars(module)["traceback"] = SimpleNamespace(print_exc=_told)
    for name in ("uvicorn.error", "asyncio"):
        logging.getLogger(name).addFilter(_without_text)


def _told() -> None:
    if error := sys.exception():
        LOG.error("a request failed: %s", kind_and_place(error))


def _without_text(record: logging.LogRecord) -> bool:
    if record.exc_info and record.exc_info[1]:
        record.msg, record.args = "a request failed: %s", (kind_and_place(record.exc_info[1]),)
        record.exc_info = record.exc_text = None
    return True
