"""Retention: what identifies a patient is gone from every byte of the workspace; what was decided stays provable."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit import workbench_kit
from tests.unit.workbench_kit import ADMIN, OFFICER, READER, QuickMethod, add, last, made, study, workbench
from updp_core.errors import ReleaseError, UpdpError, UsageError
from updp_core.store import store
from updp_core.workbench import Filters, Workbench

pytestmark = pytest.mark.usefixtures("quick", "owning")

MARKS = ("zygomorph", "7700000", "7700001", "MRN0", "file-0.png", "study-0")
REPORT = "FINDINGS: A zygomorph nodule near the hilum. IMPRESSION: Nodule, zygomorph."


def days_later(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return datetime.now(UTC) + timedelta(days=days)

    monkeypatch.setattr(store, "datetime", Later)
    monkeypatch.setattr("updp_core.workbench.upkeep.datetime", Later)


def holding(home: Path, *marks: bytes) -> list[str]:
    """Files of the workspace, and of its database on the server, in which one of these stands."""
    files = [path for path in home.rglob("*") if path.is_file()]
    there = workbench_kit.raw(home)
    if not there.sqlite:
        there.execute("CHECKPOINT")
        [[folder]] = there.rows("SELECT setting || '/base' FROM pg_settings WHERE name = 'data_directory'")
        [[number]] = there.rows("SELECT oid FROM pg_database WHERE datname = current_database()")
        files += [path for path in (Path(folder) / str(number)).iterdir() if path.is_file()]
    there.close()
    return sorted({str(path) for path in files for mark in marks if mark in path.read_bytes()})


def two_done(home: Path) -> tuple[Workbench, list[str]]:
    """A rejected and a released record, each with text and pixels that can be looked for, and one that waits."""
    bench = workbench(home, QuickMethod(words=("zygomorph",)))
    records = add(bench, [study(n, report=REPORT) for n in range(2)])
    last(bench.generate(actor=OFFICER))
    records += add(bench, [study(2)])
    bench.save_draft(records[0], {"comment": "zygomorph!"}, actor=READER)
    bench.decide(records[0], "reject", actor=READER)
    bench.decide(records[1], "approve", actor=READER)
    last(bench.release(home.parent / "out", actor=OFFICER))
    (home / "copies").mkdir(exist_ok=True)
    (home / "copies" / "updp.version-3.sqlite3").write_bytes(b"an older database with zygomorph in it")
    return bench, records


def test_what_is_purged_is_in_no_byte_of_the_workspace_and_the_chain_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "ws"
    bench, records = two_done(home)
    pictures = [
        bench.desk.store.image_path(bench.show(r, actor=READER)["images"]["original"]["sha256"]) for r in records
    ]
    pixels = [path.read_bytes()[60:160] for path in pictures]
    digests = [path.stem.encode() for path in pictures]
    marks = [mark.encode() for mark in MARKS]
    assert holding(home, *marks) and holding(home, pixels[0]) and holding(home, digests[0])
    decided = [bench.show(r, actor=READER)["decisions"] for r in records]
    days_later(monkeypatch, 31)
    foreseen = bench.purge(30, dry_run=True, actor=ADMIN)
    assert (foreseen["records"], foreseen["rejected"], foreseen["released"]) == (2, 1, 1) and foreseen["dry_run"]
    assert holding(home, pixels[0]) and bench.audit(verb="purge", actor=ADMIN)["total"] == 0
    done = bench.purge(30, actor=ADMIN)
    assert {k: done[k] for k in ("records", "images", "files")} == {
        k: foreseen[k] for k in ("records", "images", "files")
    }
    assert done["whole"]
    assert holding(home, *marks) == []
    assert holding(home, *pixels[:2]) == [] and holding(home, *digests[:2]) == []
    assert holding(home, pixels[2])  # the one that nobody has decided
    report = bench.audit_verify(actor=OFFICER)
    assert report["ok"], report["problems"]
    assert [bench.show(r, actor=READER)["decisions"] for r in records] == decided
    assert bench.verify(tmp_path / "out", actor=OFFICER, anywhere=True)["ok"]
    assert bench.purge(30, actor=ADMIN)["records"] == 0


def test_a_purged_record_is_shown_for_what_it_is_and_leaves_in_no_further_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, records = two_done(tmp_path / "ws")
    days_later(monkeypatch, 31)
    bench.purge(30, actor=ADMIN)
    shown = bench.show(records[1], actor=READER)
    assert shown["state"] == "approved" and shown["report"]["original"] == "" and "destroyed" in shown["remarks"][0]
    assert bench.image(records[1], "synthetic", actor=READER).size  # it has left, so it may be looked at
    with pytest.raises(UpdpError, match="retention"):
        bench.image(records[1], "original", actor=READER)
    with pytest.raises(UpdpError, match="retention"):
        bench.image(records[0], "synthetic", actor=READER)
    assert bench.page(filters=Filters(text="zygomorph"), actor=READER)["total"] == 0
    assert bench.page(filters=Filters(text=records[0]), actor=READER)["total"] == 1
    assert bench.release_preview(actor=OFFICER)["would"] == 0
    with pytest.raises(ReleaseError, match="nothing to release"):
        last(bench.release(tmp_path / "again", actor=OFFICER))
    bench.lexicon_edit(add={"blacklist": {"names": ["zygomorph"]}}, comment="", actor=OFFICER)
    assert bench.audit_verify(actor=OFFICER)["ok"]


def test_what_is_young_flagged_in_hand_or_undecided_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = workbench(tmp_path / "ws")
    flagged, held, young, _ = made(bench, 4)
    bench.decide(flagged, "reject", actor=READER)
    bench.flag(flagged, "look again", actor=READER)
    bench.decide(held, "reject", actor=READER)
    with monkeypatch.context() as later:
        days_later(later, 31)
        bench.decide(young, "reject", actor=READER)
        bench.take(held, actor=READER)
        assert bench.purge(30, actor=ADMIN)["records"] == 0
        bench.release_hold(actor=READER)
        assert bench.purge(30, actor=ADMIN)["records"] == 1
    for days in (-1, 40_000, True):
        with pytest.raises(UsageError, match="number of days"):
            bench.purge(days, actor=ADMIN)


@pytest.mark.parametrize("change", ["report = 'another'", "findings_json = '[]'", "flags_json = '[]'"])
def test_a_purge_covers_no_other_change_of_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    bench, records = two_done(tmp_path / "ws")
    days_later(monkeypatch, 31)
    bench.purge(30, actor=ADMIN)
    with bench.desk.store.write() as tx, tx.dialect.unguarded(tx, ["record_no_update"]):
        tx.run(f"UPDATE record SET {change} WHERE id = :r", r=records[0])
    problems = bench.audit_verify(actor=OFFICER)["problems"]
    assert any("record" in problem and "changed" in problem for problem in problems), problems


def test_a_purge_that_is_killed_before_its_files_go_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, records = two_done(tmp_path / "ws")
    picture = bench.desk.store.image_path(bench.show(records[0], actor=READER)["images"]["original"]["sha256"])
    days_later(monkeypatch, 31)

    def killed(*given: Any) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("updp_core.store.purge.destroy_images", killed)
        with pytest.raises(KeyboardInterrupt):
            bench.purge(30, actor=ADMIN)
    assert picture.exists()
    monkeypatch.setattr("updp_core.store.purge.ORPHAN_SECONDS", -1)
    done = bench.purge(30, actor=ADMIN)
    assert done["records"] == 0 and done["images"] and done["whole"] and not picture.exists()
    assert json.dumps(done) and holding(tmp_path / "ws", b"zygomorph") == []
