"""The key of a workspace: made once, whole, private, and said by nothing."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import pickle
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.unit.workbench_kit import ADMIN, OFFICER, READER, last, made, workbench
from updp_core.cli import app
from updp_core.errors import UpdpError
from updp_core.store import Store
from updp_core.store.secret import BYTES, NAME, Secret

pytestmark = pytest.mark.usefixtures("quick")

_OPEN = """
import sys
from pathlib import Path
from updp_core.store import Store
sys.stdin.read()
print(Store(Path(sys.argv[1])).secret.derive("x").hex())
"""


def test_a_key_is_made_once_for_the_owner_alone_and_kept(tmp_path: Path) -> None:
    first, path = Store(tmp_path / "ws"), tmp_path / "ws" / NAME
    key = path.read_bytes()
    assert len(key) == BYTES == 32 and stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    again = Store(tmp_path / "ws")
    assert path.read_bytes() == key and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert first.secret.derive("seed", 1) == again.secret.derive("seed", 1)
    assert Store(tmp_path / "other").secret.derive("seed", 1) != again.secret.derive("seed", 1)


def test_processes_that_open_a_new_workspace_at_once_share_one_key(tmp_path: Path) -> None:
    started = [
        subprocess.Popen([sys.executable, "-c", _OPEN, str(tmp_path / "ws")], stdin=-1, stdout=-1, text=True)
        for _ in range(4)
    ]
    for process in started:
        process.stdin.close()  # type: ignore[union-attr]  # all go on together
    told = {process.stdout.read() for process in started}  # type: ignore[union-attr]
    assert [process.wait() for process in started] == [0] * 4
    assert len(told) == 1


def test_a_damaged_key_is_told_in_words_and_never_replaced(tmp_path: Path) -> None:
    Store(tmp_path / "ws").close()
    (tmp_path / "ws" / NAME).write_bytes(b"half a key")
    with pytest.raises(UpdpError, match="Restore it from a backup"):
        Store(tmp_path / "ws")
    assert (tmp_path / "ws" / NAME).read_bytes() == b"half a key"


def test_purposes_and_parts_do_not_run_into_each_other() -> None:
    key = Secret(b"k" * 32)
    made = {
        key.derive(*parts) for parts in (("a", "b", "c"), ("a", "bc"), ("ab", "c"), ("a", "b,c"), ("a", 1), ("a", "1"))
    }
    assert len(made) == 6
    assert all(0 <= key.seed("a", n) < 2**31 for n in range(200))


def test_a_key_tells_nothing_of_itself() -> None:
    key = Secret(b"0123456789abcdef0123456789abcdef")
    assert "0123" not in repr(key) + str(key) + repr(vars(key) if hasattr(key, "__dict__") else "")
    for copied in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            copied(key)


def test_nothing_that_the_app_says_or_writes_holds_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    bench = workbench(tmp_path / "ws")
    [record] = made(bench, 1)
    bench.decide(record, "approve", actor=READER)
    last(bench.release(tmp_path / "out", actor=OFFICER))
    key = (tmp_path / "ws" / NAME).read_bytes()
    digest = hashlib.sha256(key)
    marks = [
        key,
        key[:12],
        key.hex()[:16].encode(),
        base64.b64encode(key)[:16],
        digest.digest()[:12],
        digest.hexdigest()[:16].encode(),
    ]
    said = [
        bench.show(record, actor=READER),
        bench.audit(actor=ADMIN, limit=500),
        bench.audit_verify(actor=ADMIN),
        bench.releases(actor=OFFICER),
        bench.insight(actor=OFFICER),
        repr(bench.desk.store.secret),
    ]
    bench.close()
    monkeypatch.setenv("UPDP_HOME", str(tmp_path / "ws"))
    for command in (["doctor", "--json"], ["show", record, "--json"], ["audit", "log", "--json"], ["list", "--json"]):
        said.append(CliRunner().invoke(app, command).output)
    everything = json.dumps(said, default=str).encode() + caplog.text.encode()
    for path in [*(tmp_path / "ws").rglob("*"), *(tmp_path / "out").rglob("*")]:
        if path.is_file() and path.name != NAME:
            everything += path.name.encode() + path.read_bytes()
    assert [mark for mark in marks if mark in everything] == []
