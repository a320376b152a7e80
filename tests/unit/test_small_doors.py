"""Paths that cannot be, signs that steer a terminal, digests that could be guessed, places that hold other things."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.unit.workbench_kit import ADMIN, OFFICER, READER, last, made, workbench
from updp_core.cli import app
from updp_core.cli.console import plain
from updp_core.domain import STEERING, Actor
from updp_core.errors import UsageError

pytestmark = pytest.mark.usefixtures("quick")


@pytest.mark.parametrize("path", ["a\0b", "~nobody-of-this-name/x", "x" * 5000, "\ud800"])
def test_a_path_that_nothing_can_have_is_refused_in_words_by_every_verb(tmp_path: Path, path: str) -> None:
    bench = workbench(tmp_path / "ws")
    [record] = made(bench, 1)
    bench.decide(record, "approve", actor=READER)
    for ask in (
        lambda: last(bench.import_(Path(path), actor=OFFICER)),
        lambda: last(bench.release(Path(path), actor=OFFICER)),
        lambda: bench.verify(Path(path), actor=OFFICER, anywhere=True),
        lambda: last(bench.stow(Path(path), "https://pacs.example/dicomweb", actor=OFFICER)),
        lambda: bench.backup(Path(path), "a long passphrase", actor=ADMIN),
    ):
        with pytest.raises(UsageError, match=r"no such user|can have this path"):
            ask()


def test_a_release_is_written_among_nothing_else(tmp_path: Path) -> None:
    home = tmp_path / "ws"
    bench = workbench(home)
    [record] = made(bench, 1)
    bench.decide(record, "approve", actor=READER)
    (tmp_path / "way").symlink_to(home / "images")
    for out in (home / "images" / "out", home / "tmp" / "x", home / "out", home / "releases", tmp_path / "way" / "out"):
        with pytest.raises(UsageError, match="files of the workspace"):
            last(bench.release(out, actor=OFFICER))
        assert out == home / "releases" or not out.exists()
    inside = home / "releases" / "first"
    assert last(bench.release(inside, actor=OFFICER))["released"] == 1
    with pytest.raises(UsageError, match="another release"):
        last(bench.release(inside / "images" / "second", actor=OFFICER))
    assert bench.verify(inside, actor=OFFICER)["ok"]


def test_a_name_that_failed_to_sign_in_cannot_be_guessed_from_the_trail(tmp_path: Path) -> None:
    told = []
    for home in (tmp_path / "a", tmp_path / "b"):
        bench = workbench(home)
        for _ in range(2):
            assert bench.sign_in("hunter2hunter2", "x") is None
        with pytest.raises(Exception, match="sign-in service"):
            bench.sign_in_outside("<my password>", "proxy")
        events = [e for e in bench.audit(actor=ADMIN)["events"] if e["verb"].startswith("sign_in")]
        subjects = [event["subject"] for event in events if event["verb"] == "sign_in_failed"]
        assert len(subjects) == 2 and len(set(subjects)) == 1  # the same person is the same, so that a lock can count
        told.append(subjects[0])
        said = json.dumps(events)
        for typed in ("hunter2hunter2", "<my password>"):
            for digest in (hashlib.sha256, hashlib.sha1, hashlib.md5, hashlib.sha512):
                assert digest(typed.encode()).hexdigest()[:12] not in said
    assert told[0] != told[1]  # another house has another key


@given(st.text())
def test_no_line_that_goes_to_a_terminal_steers_it(text: str) -> None:
    assert not STEERING.search(plain(text))
    assert STEERING.search(text) or plain(text) == text
    assert not STEERING.search(Actor(text, "radiologist").name)


def test_a_name_and_a_file_with_escapes_reach_the_terminal_as_signs(tmp_path: Path) -> None:
    home, source = tmp_path / "ws", tmp_path / "in"
    source.mkdir()
    (source / "a\x1b]0;owned\x07.dcm").write_bytes(b"no image")
    bench = workbench(home)
    [record] = made(bench, 1)
    bench.decide(record, "reject", actor=Actor("Dr\x1b[31m Red", "radiologist"), comment="\x1b[2Jgone")
    bench.close()

    def run(*words: str) -> Any:
        return CliRunner().invoke(app, [*words, "--home", str(home)])

    told = run("import", str(source), "--layout", "dicom").output + run("show", record, "--role", "radiologist").output
    assert "owned" in told and "Red" in told and "gone" in told
    assert "\x1b" not in told and "\x07" not in told
