"""What stands around the web application: whom it lets in, and for how long."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import app
from ui.serving import Guard
from ui.session import IDLE_SECONDS, Session
from updp_core.config import Settings
from updp_core.errors import UsageError


def test_an_old_sign_in_ends_behind_any_cookies_and_unknown_tokens_are_not_noted() -> None:
    class App:
        tokens = {"mine": "rita"}  # noqa: RUF012

    now = [0.0]
    session: Any = Session(None, signed=True, clock=lambda: now[0])  # type: ignore[arg-type]
    guard = Guard(App, session)  # type: ignore[arg-type]
    scope = {"type": "http", "app": App, "headers": [(b"cookie", b"a b c; access-token-x=mine; access-token-y=guess")]}
    guard._end_old(scope)
    assert set(session._seen) == {"mine"} and App.tokens
    now[0] += IDLE_SECONDS + 1
    guard._end_old(scope)
    assert App.tokens == {}


def test_a_desk_without_sign_in_is_not_served_to_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UPDP_AUTH", raising=False)
    with pytest.raises(UsageError, match="UPDP_AUTH"):
        app.main(Settings(home=tmp_path / "ws", host="0.0.0.0"), wait=False)
    assert not (tmp_path / "ws").exists()


def test_a_space_listens_to_its_visitors_and_everything_else_to_this_machine() -> None:
    assert Settings.from_env({"SPACE_ID": "someone/updp"}).host == "0.0.0.0"
    assert Settings.from_env({"SPACE_ID": "someone/updp"}).demo
    assert Settings.from_env({}).host == "127.0.0.1"
