"""Backup and restore: a drill, as a hospital should do one each quarter."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import threading
import time
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from tests.unit.workbench_kit import ADMIN, OFFICER, READER, last, made, workbench
from updp_core.errors import NotAllowed, UpdpError, UsageError
from updp_core.store.backup import KEY, WORKSPACE, restore_backup
from updp_core.workbench import Workbench

pytestmark = pytest.mark.usefixtures("quick")
PASSPHRASE = "correct horse battery"


@pytest.fixture
def saved(bench: Workbench, tmp_path: Path) -> Path:
    """A backup of a workspace with three pairs, one of them approved."""
    ids = made(bench)
    bench.decide(ids[0], "approve", actor=READER)
    (bench.desk.store.home / "upload-1-x").mkdir()
    (bench.desk.store.home / "upload-1-x" / "chosen.png").write_bytes(b"not imported yet")
    bench.backup(tmp_path / "saved.updp", PASSPHRASE, actor=ADMIN)
    return tmp_path / "saved.updp"


def test_a_restored_workspace_has_its_decisions_its_chain_its_key_and_can_release(
    bench: Workbench, saved: Path, tmp_path: Path
) -> None:
    before = bench.page(actor=READER)["records"]
    assert restore_backup(saved, tmp_path / "again", PASSPHRASE) > 3
    assert not list((tmp_path / "again").glob("upload-*"))
    again = workbench(tmp_path / "again")
    assert again.page(actor=READER)["records"] == before
    assert again.audit_verify(actor=OFFICER)["ok"]
    assert again.desk.store.secret.derive("x") == bench.desk.store.secret.derive("x")
    assert last(again.release(tmp_path / "out", actor=OFFICER))["released"] == 1
    assert (tmp_path / "again").stat().st_mode & 0o777 == 0o700


def test_nothing_of_the_workspace_can_be_read_in_the_file(saved: Path) -> None:
    content = saved.read_bytes()
    for clear in (b"SQLite format", b"MRN", b"heart is enlarged", b"\x89PNG"):
        assert clear not in content
    assert saved.stat().st_mode & 0o777 == 0o600
    assert zipfile.ZipFile(saved).namelist() == [KEY, WORKSPACE]


def test_a_backup_is_of_one_moment_while_people_decide(bench: Workbench, tmp_path: Path) -> None:
    ids, stop = made(bench, 6), threading.Event()

    def decide() -> None:
        while not stop.is_set():
            bench.decide(ids[0], "approve", actor=READER)
            bench.undo(actor=READER)

    busy = threading.Thread(target=decide)
    busy.start()
    try:
        for n in range(3):
            bench.backup(tmp_path / f"{n}.updp", PASSPHRASE, actor=ADMIN)
    finally:
        stop.set()
        busy.join()
    for n in range(3):
        restore_backup(tmp_path / f"{n}.updp", tmp_path / str(n), PASSPHRASE)
        assert workbench(tmp_path / str(n)).audit_verify(actor=OFFICER)["problems"] == []


@pytest.mark.parametrize("spoil", [b"no backup", None, "cut"])
def test_what_is_no_backup_or_is_damaged_is_told_and_leaves_nothing(saved: Path, tmp_path: Path, spoil: object) -> None:
    content = saved.read_bytes()
    if isinstance(spoil, bytes):
        saved.write_bytes(spoil)
    elif spoil == "cut":
        saved.write_bytes(content[: len(content) // 2])
    else:
        at = len(content) // 2
        saved.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    with pytest.raises(UsageError, match=r"damaged|no backup"):
        restore_backup(saved, tmp_path / "again", PASSPHRASE)
    assert not (tmp_path / "again").exists()
    assert not list(tmp_path.glob(".restore-*"))


@pytest.mark.parametrize(
    "kind", ["no tar", "packed", "climbs", "link", "fifo", "no database", "another database", "too deep", "nowhere"]
)
def test_a_sealed_file_that_holds_something_else_than_a_workspace_is_told_without_its_names(
    tmp_path: Path, kind: str
) -> None:
    content = BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz" if kind == "packed" else "w") as tar:
        name = {"climbs": "../meier.txt", "another database": "updp.sqlite3", "too deep": "meier/" * 2000 + "x"}
        member = tarfile.TarInfo(name.get(kind, "meier"))
        types = {"link": tarfile.SYMTYPE, "fifo": tarfile.FIFOTYPE, "nowhere": tarfile.LNKTYPE}
        member.type = types.get(kind, tarfile.REGTYPE)
        member.linkname = "meier" if kind in ("link", "nowhere") else ""
        tar.addfile(member)
    sealed(tmp_path / "odd.updp", b"meier" * 400 if kind == "no tar" else content.getvalue())
    with pytest.raises(UsageError, match="something else than a workspace") as refused:
        restore_backup(tmp_path / "odd.updp", tmp_path / "again", PASSPHRASE)
    assert "meier" not in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["odd.updp"]


def sealed(file: Path, content: bytes) -> None:
    """A file in the form of a backup around any bytes, as who knows the passphrase can make it."""
    import pyrage

    identity = pyrage.x25519.Identity.generate()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(KEY, pyrage.passphrase.encrypt(str(identity).encode(), PASSPHRASE))
        archive.writestr(WORKSPACE, pyrage.encrypt(content, [identity.to_public()]))


def test_wrong_and_short_passphrases_existing_files_and_full_folders_are_refused(
    bench: Workbench, saved: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="passphrase does not open"):
        restore_backup(saved, tmp_path / "again", "wrong horse battery")
    with pytest.raises(UsageError, match="12 characters"):
        bench.backup(tmp_path / "other", "short", actor=ADMIN)
    with pytest.raises(UsageError, match="exists already"):
        bench.backup(saved, PASSPHRASE, actor=ADMIN)
    with pytest.raises(UsageError, match="not empty"):
        restore_backup(saved, bench.desk.store.home, PASSPHRASE)
    with pytest.raises(NotAllowed):
        bench.backup(tmp_path / "other", PASSPHRASE, actor=READER)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("where", ["images", "images/one.png", "notes"])
def test_a_workspace_with_a_link_is_not_backed_up_in_part(bench: Workbench, tmp_path: Path, where: str) -> None:
    made(bench, 1)
    home = bench.desk.store.home
    if (home / where).exists():
        (home / where).rename(tmp_path / "elsewhere")
    (home / where).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="is a link"):
        bench.backup(tmp_path / "x.updp", PASSPHRASE, actor=ADMIN)
    assert not (tmp_path / "x.updp").exists()


@pytest.mark.parametrize("kind", ["packed key", "large key", "costly key", "no scrypt", "encrypted by zip"])
def test_a_key_that_would_cost_memory_is_refused_before_anything_is_computed(
    saved: Path, tmp_path: Path, kind: str
) -> None:
    with zipfile.ZipFile(saved) as archive:
        key, workspace = archive.read(KEY), archive.read(WORKSPACE)
    lines = key.split(b"\n")
    asked = lines[1].split(b" ")
    if kind == "costly key":
        lines[1] = b" ".join([*asked[:3], b"22"])
    if kind == "no scrypt":
        lines[1] = b" ".join([b"->", b"X25519", asked[2]])
    bad = {"large key": key + b"\0" * 10_000, "packed key": key}.get(kind, b"\n".join(lines))
    with zipfile.ZipFile(tmp_path / "bad", "w") as archive:
        archive.writestr(KEY, bad, zipfile.ZIP_DEFLATED if kind == "packed key" else zipfile.ZIP_STORED)
        archive.writestr(WORKSPACE, workspace)
    if kind == "encrypted by zip":
        content = bytearray((tmp_path / "bad").read_bytes())
        content[content.index(b"PK\x01\x02") + 8] |= 1
        (tmp_path / "bad").write_bytes(content)
    began = time.monotonic()
    with pytest.raises(UsageError, match="no backup"):
        restore_backup(tmp_path / "bad", tmp_path / "again", PASSPHRASE)
    assert time.monotonic() - began < 1
    assert not (tmp_path / "again").exists()


def test_a_place_that_is_no_new_folder_is_told_in_words(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "way").symlink_to(tmp_path / "folder")
    for place in ("file", "way", "file/below"):
        with pytest.raises(UpdpError, match="Choose a"):
            restore_backup(saved, tmp_path / place, PASSPHRASE)
    with pytest.raises(UsageError, match="does not open"):
        restore_backup(saved, tmp_path / "new", "\udce9" * 20)


@pytest.mark.skipif(shutil.which("age") is None, reason="no age here: apt-get install age")
def test_the_public_tool_age_opens_the_archive_with_the_key(saved: Path, tmp_path: Path) -> None:
    from pyrage import passphrase

    with zipfile.ZipFile(saved) as archive:
        archive.extractall(tmp_path)
    (tmp_path / "identity").write_bytes(passphrase.decrypt((tmp_path / KEY).read_bytes(), PASSPHRASE))
    command = ["age", "-d", "-i", str(tmp_path / "identity"), str(tmp_path / WORKSPACE)]
    tar = subprocess.run(command, capture_output=True, check=True).stdout
    assert b"updp.sqlite3" in tar[:512]
