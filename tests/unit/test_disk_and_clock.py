"""A full disk, a disk that can only be read, a clock that goes back: told in words, logged with kind and place, and
nothing that was kept is lost."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import app
from tests.unit.workbench_kit import OFFICER, READER, SECOND, add, last, made, study, workbench
from updp_core.config import Settings
from updp_core.errors import Conflict, DiskError, UpdpError
from updp_core.store import store
from updp_core.workbench import Workbench

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MB."""
    at = tmp_path / "disk"
    at.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(at)], capture_output=True).returncode:
        pytest.skip("a disk of our own takes the right to mount one")
    yield at
    subprocess.run(["umount", "-l", str(at)], check=True)


def fill(disk: Path) -> Path:
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return ballast


def test_on_a_full_disk_every_verb_says_so_and_what_was_kept_stands(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = workbench(small_disk / "ws")
    first, second = made(bench, 2)
    bench.decide(first, "approve", actor=READER)
    ballast = fill(small_disk)
    for attempt in (
        lambda: bench.decide(second, "approve", comment="x" * 4000, actor=READER),
        lambda: bench.lexicon_edit(add={"blacklist": {"names": ["zorblatt"]}}, comment="", actor=OFFICER),
        lambda: add(bench, [study(9, report="FINDINGS: Seen by Mortimer Quill.")]),
        lambda: last(bench.release(small_disk / "out", actor=OFFICER)),
    ):
        with pytest.raises(DiskError, match=r"the disk is full.*Free some space"):
            attempt()
    assert not (small_disk / "out").exists()
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert told and all(".py:" in line for line in told)
    assert not [line for line in told if "Quill" in line or str(small_disk) in line]
    ballast.unlink()
    assert bench.show(first, actor=SECOND)["state"] == "approved"
    assert bench.audit_verify(actor=OFFICER)["problems"] == []
    assert bench.decide(second, "approve", actor=READER)["state"] == "approved"
    assert last(bench.release(small_disk / "out", actor=OFFICER))["released"] == 2


CHILD = """
import json, resource, sys
from pathlib import Path
home, *paths = sys.argv[1:]
sys.path[:0] = paths
from tests.unit.workbench_kit import READER, workbench
from updp_core.errors import DiskError
bench = workbench(Path(home))
record = bench.page(actor=READER)["records"][0]["record"]
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
said = []
for n in range(3):
    try:
        bench.decide(record, "reject", comment="x" * 4000, actor=READER)
    except DiskError as error:
        said.append(str(error))
print(json.dumps(said))
"""


def test_a_file_that_may_not_grow_is_told_in_words_and_the_chain_holds(tmp_path: Path) -> None:
    bench = workbench(tmp_path / "ws")
    made(bench, 1)
    bench.close()
    here = Path(__file__).parent
    call = [sys.executable, "-c", CHILD, str(tmp_path / "ws"), str(here), str(here.parents[1])]
    said = json.loads(subprocess.run(call, capture_output=True, text=True, check=True).stdout)
    assert len(said) == 3 and all("Free some space" in line for line in said)
    report = workbench(tmp_path / "ws").audit_verify(actor=OFFICER)
    assert report["ok"], report["problems"]


def test_a_workspace_that_can_only_be_read_is_told_in_words(small_disk: Path) -> None:
    bench = workbench(small_disk / "ws")
    [record] = made(bench, 1)
    bench.close()  # its connections are opened anew when they are needed
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(DiskError, match=r"can only be read|cannot be opened|full or fails"):
        bench.decide(record, "approve", actor=READER)
    for attempt in (
        lambda: Workbench.open(Settings(home=small_disk / "ws")),
        lambda: app.prepare(Settings(home=small_disk / "new")),
    ):
        with pytest.raises(UpdpError, match=r"cannot be written.*(--home|UPDP_HOME)"):
            attempt()
    bench.close()
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert bench.decide(record, "approve", actor=READER)["state"] == "approved"
    assert bench.audit_verify(actor=OFFICER)["ok"]


def test_a_clock_that_goes_back_is_in_the_trail_and_locks_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bench = workbench(tmp_path / "ws")
    first, second = made(bench, 2)
    ahead = timedelta(days=1)

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return datetime.now(UTC) + ahead

    with monkeypatch.context() as patch:
        patch.setattr(store, "datetime", Ahead)
        patch.setattr("time.time", lambda real=time.time: real() + ahead.total_seconds())
        bench.take(first, actor=READER)
    report = bench.audit_verify(actor=OFFICER)
    assert report["ok"], report["problems"]  # a hold until tomorrow is the clock's, not a forger's
    bench.decide(second, "approve", actor=SECOND)
    report = bench.audit_verify(actor=OFFICER)
    assert report["ok"] and len(report["remarks"]) == 1 and "went back by 86" in report["remarks"][0]
    assert [r.getMessage() for r in caplog.records if "clock" in r.getMessage()]
    with pytest.raises(Conflict):
        bench.take(first, actor=SECOND)  # still in hand, for its ten minutes
    with bench.desk.store.read() as tx:
        assert tx.value("SELECT max(expires) FROM hold") < time.time() + 700
    bench.decide(second, "reject", actor=SECOND)
    assert len(bench.audit_verify(actor=OFFICER)["remarks"]) == 1
