"""Users and sign-in: hashes only, one answer for every failure, and a limit on guessing."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from workbench_kit import ADMIN, workbench

from updp_core import users
from updp_core.domain import Actor
from updp_core.errors import UsageError

PASSWORD = "correct horse battery"


def test_the_users_file_holds_argon2_hashes_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    users.add(path, "ada", "radiologist", PASSWORD)
    text = path.read_text()
    assert "$argon2id$" in text and PASSWORD not in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_right_password_gives_the_actor_and_a_wrong_one_nobody(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    users.add(path, "ada", "radiologist", PASSWORD)
    assert users.check(path, "ada", PASSWORD) == Actor("ada", "radiologist")
    assert users.check(path, "ada", PASSWORD + "!") is None
    assert users.check(path, "eve", PASSWORD) is None
    users.add(path, "ada", "observer", PASSWORD + "?")
    assert users.check(path, "ada", PASSWORD) is None
    assert users.check(path, "ada", PASSWORD + "?") == Actor("ada", "observer")
    users.remove(path, "ada")
    assert users.check(path, "ada", PASSWORD + "?") is None


@pytest.mark.parametrize(
    ("name", "role", "password"),
    [
        ("", "observer", PASSWORD),
        ("a\nb", "observer", PASSWORD),
        ("ada", "boss", PASSWORD),
        ("ada", "observer", "short"),
    ],
)
def test_bad_users_are_refused(tmp_path: Path, name: str, role: str, password: str) -> None:
    with pytest.raises(UsageError):
        users.add(tmp_path / "users.json", name, role, password)
    assert not (tmp_path / "users.json").exists()


def test_a_damaged_users_file_lets_nobody_in_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    path.write_text("{}")
    with pytest.raises(UsageError, match="not a users file"):
        users.check(path, "ada", PASSWORD)


def test_a_role_written_into_the_file_by_hand_that_does_not_exist_lets_nobody_in(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    users.add(path, "ada", "observer", PASSWORD)
    path.write_text(path.read_text().replace("observer", "superuser"))
    assert users.check(path, "ada", PASSWORD) is None


def test_guessing_is_limited_and_every_failure_is_audited_without_what_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UPDP_AUTH", raising=False)
    bench = workbench(tmp_path / "ws")
    bench.add_user("ada", "radiologist", PASSWORD, actor=ADMIN)
    assert bench.users(actor=ADMIN) == [{"name": "ada", "role": "radiologist"}]
    assert bench.sign_in("ada", PASSWORD) == Actor("ada", "radiologist")
    for _ in range(5):
        assert bench.sign_in("ada", "wrong password") is None
    assert bench.sign_in("ada", PASSWORD) is None, "locked for ten minutes"
    assert bench.sign_in("my password by mistake", "x") is None
    assert bench.audit(actor=ADMIN, verb="sign_in_failed")["total"] == 6
    assert bench.audit(actor=ADMIN, verb="sign_in_locked")["total"] == 1
    with bench.desk.store.read() as tx:
        everything = str(tx.all("SELECT * FROM audit_event"))
    assert "mistake" not in everything and PASSWORD not in everything


def test_a_blank_more_does_not_make_another_person() -> None:
    assert Actor(" Anna  Berg ", "radiologist") == Actor("Anna Berg", "radiologist")
