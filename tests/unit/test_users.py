"""Users and sign-in: hashes only, one answer for every failure, and a limit on guessing."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.workbench_kit import ADMIN, workbench
from updp_core.domain import Actor
from updp_core.errors import NotAllowed, UsageError
from updp_core.workbench import Workbench, users_file

PASSWORD = "correct horse battery"


def test_the_users_file_holds_argon2_hashes_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    users_file.add(path, "ada", "radiologist", PASSWORD)
    text = path.read_text()
    assert "$argon2id$" in text and PASSWORD not in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_right_password_gives_the_actor_and_a_wrong_one_nobody(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    users_file.add(path, "ada", "radiologist", PASSWORD)
    assert users_file.check(path, "ada", PASSWORD) == Actor("ada", "radiologist")
    assert users_file.check(path, "ada", PASSWORD + "!") is None
    assert users_file.check(path, "eve", PASSWORD) is None
    users_file.add(path, "ada", "observer", PASSWORD + "?")
    assert users_file.check(path, "ada", PASSWORD) is None
    assert users_file.check(path, "ada", PASSWORD + "?") == Actor("ada", "observer")
    users_file.remove(path, "ada")
    assert users_file.check(path, "ada", PASSWORD + "?") is None


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
        users_file.add(tmp_path / "users.json", name, role, password)
    assert not (tmp_path / "users.json").exists()


def test_a_damaged_users_file_lets_nobody_in_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    path.write_text("{}")
    with pytest.raises(UsageError, match="not a users file"):
        users_file.check(path, "ada", PASSWORD)


def test_a_role_written_into_the_file_by_hand_that_does_not_exist_lets_nobody_in(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    users_file.add(path, "ada", "observer", PASSWORD)
    path.write_text(path.read_text().replace("observer", "superuser"))
    assert users_file.check(path, "ada", PASSWORD) is None


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    opened = workbench(tmp_path / "ws")
    yield opened
    opened.close()


def settled(bench: Workbench, **settings: Any) -> Workbench:
    """The same workspace under other settings."""
    bench.desk.settings = dataclasses.replace(bench.desk.settings, **settings)
    return bench


def events(bench: Workbench, verb: str) -> list[dict[str, Any]]:
    return [dict(event) for event in bench.audit(actor=ADMIN, verb=verb)["events"]]


def test_guessing_is_limited_and_every_failure_is_audited_without_what_was_typed(bench: Workbench) -> None:
    bench.add_user("ada", "radiologist", PASSWORD, actor=ADMIN)
    assert bench.users(actor=ADMIN) == [{"name": "ada", "role": "radiologist", "by": "password"}]
    assert bench.sign_in("ada", PASSWORD) == Actor("ada", "radiologist")
    for _ in range(5):
        assert bench.sign_in("ada", "wrong password") is None
    assert bench.sign_in("ada", PASSWORD) is None, "locked for ten minutes"
    assert bench.sign_in("my password by mistake", "x", "10.0.0.9") is None
    assert events(bench, "sign_in_failed")[0]["detail"] == {"address": "10.0.0.9", "by": "password"}
    assert bench.audit(actor=ADMIN, verb="sign_in_failed")["total"] == 6
    assert bench.audit(actor=ADMIN, verb="sign_in_locked")["total"] == 1
    with bench.desk.store.read() as tx:
        everything = str(tx.all("SELECT * FROM audit_event"))
    assert "mistake" not in everything and PASSWORD not in everything


def test_a_blank_more_does_not_make_another_person() -> None:
    assert Actor(" Anna  Berg ", "radiologist") == Actor("Anna Berg", "radiologist")


def test_guesses_at_the_same_time_do_not_get_round_the_limit(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    monkeypatch.setattr("updp_core.workbench.users_file.check", lambda path, name, password: checked.append(password))
    crowd = [threading.Thread(target=bench.sign_in, args=("ada", f"guess {n}")) for n in range(20)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert len(checked) == 5
    assert bench.audit(actor=ADMIN, verb="sign_in_locked")["total"] == 15


def test_two_processes_that_add_users_at_once_lose_none(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    code = (
        "import sys, pathlib; from updp_core.workbench import users_file\n"
        "for n in range(12):\n"
        "    users_file.add(pathlib.Path(sys.argv[1]), f'{sys.argv[2]}{n}', 'observer', None, by='proxy')"
    )
    work = [
        subprocess.Popen([sys.executable, "-c", code, str(path), name], cwd=Path(__file__).parents[2]) for name in "ab"
    ]
    assert [one.wait(120) for one in work] == [0, 0]
    assert len(users_file.load(path)) == 24


def test_a_write_that_fails_half_way_leaves_the_users_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "users.json"
    users_file.add(path, "ada", "radiologist", PASSWORD)
    before = path.read_bytes()

    def power_cut(source: str, target: str) -> None:
        raise OSError("no more")

    with monkeypatch.context() as broken:
        broken.setattr(os, "replace", power_cut)
        with pytest.raises(OSError, match="no more"):
            users_file.add(path, "eve", "administrator", PASSWORD)
    assert path.read_bytes() == before and sorted(p.name for p in tmp_path.iterdir() if p.suffix == ".json") == [
        "users.json"
    ]
    assert not list(tmp_path.glob(".part-*"))


def test_whoever_signs_in_elsewhere_has_no_password_here(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    users_file.add(path, "ada", "radiologist", None, by="oauth")
    assert "argon2" not in path.read_text()
    for password in ("", "nobody's password", PASSWORD):
        assert users_file.check(path, "ada", password) is None
    for password, by in ((PASSWORD, "oauth"), (None, "password"), (PASSWORD, "carrier pigeon")):
        with pytest.raises(UsageError):
            users_file.add(path, "eve", "observer", password, by=by)


def test_two_names_that_a_reader_would_take_for_one_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    users_file.add(path, "Ada Berg", "radiologist", PASSWORD)
    users_file.add(path, "Ada  Berg", "observer", PASSWORD)  # the same name: a new role
    assert users_file.listed(path) == [{"name": "Ada Berg", "role": "observer", "by": "password"}]
    with pytest.raises(UsageError, match="capitals"):
        users_file.add(path, "ada berg", "radiologist", PASSWORD)


@pytest.mark.parametrize(
    ("name", "by", "unlisted", "role"),
    [
        ("olga", "oauth", "refuse", "privacy-officer"),
        ("paul", "proxy", "refuse", "radiologist"),
        ("eve", "proxy", "refuse", None),
        ("eve", "proxy", "observer", "observer"),
        ("olga", "proxy", "observer", None),  # the proxy may not speak for who signs in at the provider
        ("ada", "oauth", "observer", None),  # nor the provider for who has a password
        ("ADA", "oauth", "observer", None),  # a colleague's name in capitals
        ("\u0430da", "oauth", "observer", None),  # with a Cyrillic letter
        ("boss", "proxy", "observer", None),  # a role written by hand that does not exist
        ("", "proxy", "observer", None),
        ("ada\nradiologist", "proxy", "observer", None),
        ("<script>", "proxy", "observer", None),
    ],
)
def test_others_say_who_somebody_is_and_our_file_what_they_may_do(
    bench: Workbench, name: str, by: str, unlisted: str, role: str | None
) -> None:
    for user, its_role, way in (
        ("olga", "privacy-officer", "oauth"),
        ("paul", "radiologist", "proxy"),
        ("boss", "observer", "proxy"),
    ):
        bench.add_user(user, its_role, None, by=way, actor=ADMIN)
    bench.add_user("ada", "radiologist", PASSWORD, actor=ADMIN)
    path = bench.desk.settings.home / "users.json"
    path.write_text(path.read_text().replace('"observer"', '"owner"'))
    settled(bench, unlisted=unlisted)
    if role:
        assert bench.sign_in_outside(name, by) == Actor(name, role)  # type: ignore[arg-type]
        assert events(bench, "sign_in")[0]["detail"]["by"] == by
    else:
        with pytest.raises(NotAllowed, match=r"[Aa]dministrator"):
            bench.sign_in_outside(name, by, address="10.0.0.9")
        assert [e["detail"]["address"] for e in events(bench, "sign_in_refused")] == ["10.0.0.9"]
        assert not events(bench, "sign_in")


def test_a_name_that_passes_to_another_account_does_not_pass_on_its_role(bench: Workbench) -> None:
    bench.add_user("olga", "privacy-officer", None, by="oauth", actor=ADMIN)
    assert bench.sign_in_outside("olga", "oauth", "issuer 1").role == "privacy-officer"
    assert bench.sign_in_outside("olga", "oauth", "issuer 1")
    with pytest.raises(NotAllowed, match="another account"):
        bench.sign_in_outside("olga", "oauth", "issuer 2")
    bench.add_user("olga", "observer", None, by="oauth", actor=ADMIN)
    assert bench.sign_in_outside("olga", "oauth", "issuer 2").role == "observer"
    with bench.desk.store.read() as tx:
        assert "issuer" not in str(tx.all("SELECT * FROM audit_event")), "the account is kept as a digest"


def test_the_mark_of_a_person_changes_with_role_way_and_password_and_with_nothing_else(bench: Workbench) -> None:
    def mark() -> Any:
        return bench.standing("ada")

    seen = [mark()]
    bench.add_user("ada", "radiologist", PASSWORD, actor=ADMIN)
    seen.append(mark())
    bench.add_user("eve", "observer", PASSWORD, actor=ADMIN)
    assert mark() == seen[-1], "somebody else was added"
    bench.add_user("ada", "radiologist", PASSWORD + "!", actor=ADMIN)
    seen.append(mark())
    bench.add_user("ada", "observer", None, by="proxy", actor=ADMIN)
    seen.append(mark())
    bench.remove_user("ada", actor=ADMIN)
    assert mark() is None is seen[0]
    assert len({str(one) for one in seen}) == 4


def test_a_flood_at_the_door_is_counted_and_does_not_fill_the_trail(bench: Workbench) -> None:
    for _ in range(100):
        bench.at_the_door("request_refused", "host", "10.0.0.9")
    bench.at_the_door("request_refused", "host", "10.0.0.10")
    told = [(e["detail"]["address"], e["detail"]["count"]) for e in events(bench, "request_refused")]
    assert told == [("10.0.0.10", 1), *(("10.0.0.9", n) for n in (64, 32, 16, 8, 4, 2, 1))]


def test_the_file_is_read_anew_when_it_is_another_one(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    users_file.add(path, "ada", "radiologist", PASSWORD)
    assert users_file.standing(path, "ada", "refuse")
    content = json.loads(path.read_text())
    content["users"]["ada"]["role"] = "observer"
    path.write_text(json.dumps(content))
    assert users_file.standing(path, "ada", "refuse")[0] == "observer"  # type: ignore[index]
    path.unlink()
    assert users_file.standing(path, "ada", "refuse") is None
