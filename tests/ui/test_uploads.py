"""What the page promises about uploads: none overwrites another, and none outlives the process that took it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ui.door.streams import MOST_SESSIONS, SESSION_SECONDS, Streams
from ui.pages.importing import places
from ui.pages.intake import clean_uploads
from updp_core.errors import UsageError


def test_files_of_one_name_lie_apart_each_with_its_report() -> None:
    assert places(["a.dcm", "a.txt", "b.dcm", "a.dcm", "a.txt"]) == ["a.dcm", "a.txt", "b.dcm", "2/a.dcm", "2/a.txt"]


def test_a_table_beside_two_files_of_one_name_is_refused_in_words() -> None:
    with pytest.raises(UsageError, match="same name"):
        places(["a.png", "a.png", "manifest.csv"])


def test_what_killed_processes_left_is_removed_and_the_rest_stays(tmp_path: Path) -> None:
    (tmp_path / "locks").mkdir()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    gone = [f"upload-{dead.pid}-x1", "upload-old", f"gradio/{dead.pid}", "gradio/4f3c2b1a"]
    stay = [f"upload-{os.getpid()}-x2", f"gradio/{os.getpid()}", "images"]
    for name in (*gone, *stay):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "scan.dcm").write_bytes(b"x")
    assert len(clean_uploads(tmp_path)) == len(gone)
    assert not any((tmp_path / name).exists() for name in gone)
    assert all((tmp_path / name / "scan.dcm").exists() for name in stay)


def test_pages_that_a_person_opens_are_bounded_and_others_go_on() -> None:
    now = [0.0]
    streams = Streams(lambda: now[0])
    assert all(streams.admits("obi", f"n{n}") for n in range(MOST_SESSIONS))
    assert not streams.admits("obi", "one more") and streams.admits("obi", "n0") and streams.admits("rita", "n0")
    now[0] += SESSION_SECONDS + 1
    assert streams.admits("obi", "one more")


@given(st.text(max_size=50), st.text(max_size=50), st.text(max_size=50))
def test_two_people_never_meet_in_one_session_whatever_they_call_it(session: str, one: str, other: str) -> None:
    streams = Streams()
    assert streams.named(one, session) == streams.named(one, session)
    assert (streams.named(one, session) == streams.named(other, session)) == (one == other)
