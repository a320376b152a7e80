"""The whole app served from this process, and people with a role each, for tests of the door."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest

import app
from tests.e2e.served import free_port
from tests.unit.workbench_kit import ADMIN, made, workbench
from updp_core.config import Settings

PASSWORD = "a long password"
PEOPLE = (
    ("rita", "radiologist", "password"),
    ("peter", "privacy-officer", "password"),
    ("obi", "observer", "password"),
    ("adam", "administrator", "password"),
    ("olga", "privacy-officer", "oauth"),
    ("paul", "radiologist", "proxy"),
)


def workspace(home: Path) -> Path:
    """A workspace with three pairs and a person for each role and way."""
    bench = workbench(home)
    made(bench, 3)
    for name, role, by in PEOPLE:
        bench.add_user(name, role, PASSWORD if by == "password" else None, by=by, actor=ADMIN)
    bench.close()
    return home


@contextmanager
def served(home: Path, env: dict[str, str] | None = None, **settings: Any) -> Iterator[str]:
    """The app's address, as `python app.py` serves it: a real server, its own temporary folder."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED", "FORWARDED_ALLOW_IPS", "HF_HUB_DISABLE_TELEMETRY"):
            patch.setenv(name, "")
        for name, value in (env or {}).items():
            patch.setenv(name, value)
        chosen = Settings.from_env(env or {}, home=home, port=free_port(), **settings)
        others = set(gr.Blocks.get_instances())
        try:
            app.main(chosen, home / "no sample", wait=False)
            yield f"http://127.0.0.1:{chosen.port}"
        finally:
            for served_here in set(gr.Blocks.get_instances()) - others:
                served_here.close(verbose=False)


def person(at: str, name: str = "", password: str = PASSWORD, **more: Any) -> httpx.Client:
    """A browser's worth of cookies, signed in where a name is given."""
    client = httpx.Client(base_url=at, timeout=120, **more)
    if name:
        assert client.post("/login", data={"username": name, "password": password}).json() == {"success": True}
    return client
