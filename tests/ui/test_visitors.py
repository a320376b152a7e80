"""Visitors of a public demonstration: a workspace each, by a cookie, few at a time, forgotten after an hour."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.workbench_kit import OFFICER, READER, hush, made, workbench
from ui.door import visitors
from ui.door.session import Session
from ui.door.visitors import AWAY_SECONDS, COOKIE, HOUR, Current, VisitorCookie, Visitors, token_of
from ui.pages.story import a_word, links
from updp_core.errors import NotAllowed, UsageError
from updp_core.workbench import Workbench


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def original(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    hush(monkeypatch)
    bench = workbench(tmp_path / "ws")
    made(bench, 3)
    return bench


def names(bench: Any) -> dict[str, int]:
    return dict(bench.counts(actor=OFFICER)["states"])


def test_what_one_visitor_does_no_other_sees_and_the_workspace_that_is_copied_stays(original: Workbench) -> None:
    house = Visitors(original, 3)
    here: Any = Current(house, "workbench")
    record = original.page(actor=READER)["records"][0]["record"]
    house.enter("ann")
    assert names(here) == names(original)
    here.decide(record, "approve", actor=READER)
    here.lexicon_edit(add={"blacklist": {"names": ["whitfield"]}}, comment="x", actor=OFFICER)
    assert names(here)["approved"] == 1 and here.audit_verify(actor=OFFICER)["ok"]
    house.enter("bob")
    assert names(here) == names(original) and not names(original)["approved"]
    assert len(here.lexicon_log(actor=OFFICER)) == 1
    house.enter("ann")
    assert names(here)["approved"] == 1, "found again"
    homes = {visit.home for visit in house._visits.values()}
    assert len(homes) == 2 and all("ann" not in str(home) and "bob" not in str(home) for home in homes)
    house.close()
    assert not any(home.exists() for home in homes)
    assert original.image(record, "original", actor=READER) is not None, "the shared images stay"


def test_without_a_cookie_nothing_is_answered(original: Workbench) -> None:
    house = Visitors(original, 3)
    house.enter("")
    with pytest.raises(NotAllowed, match="cookie"):
        Current(house, "workbench").counts(actor=OFFICER)
    session = Session(original, signed=False, visitors=house)
    with pytest.raises(NotAllowed, match="cookie"):
        session.actor(object(), "radiologist")


def test_a_visit_ends_after_an_hour_and_a_reload_begins_another(original: Workbench) -> None:
    clock = Clock()
    house = Visitors(original, 3, clock)
    house.enter("ann")
    home = house.here().home
    clock.at = HOUR + 1
    with pytest.raises(UsageError, match="hour is over"):
        house.here()
    assert not home.exists()
    assert house.begin_again("ann") != "ann" and house.begin_again("bob") == "bob"


def test_a_full_house_lets_nobody_in_until_somebody_has_closed_their_page(original: Workbench) -> None:
    clock = Clock()
    house = Visitors(original, 2, clock)
    for name in ("ann", "bob"):
        house.enter(name)
        house.here()
    house.enter("eve")
    with pytest.raises(UsageError, match="taken"):
        house.here()
    clock.at = AWAY_SECONDS + 1
    house.enter("bob")
    house.here()
    house.enter("eve")
    assert house.here().home.exists() and len(house._visits) == 2


def test_a_visitor_s_workspace_grows_to_a_bound(original: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    house = Visitors(original, 2)
    house.enter("ann")
    monkeypatch.setattr(visitors, "MEGABYTES", 0)
    here: Any = Current(house, "workbench")
    assert names(here)
    with pytest.raises(UsageError, match="used up"):
        here.generate(actor=OFFICER)


@pytest.mark.anyio
@pytest.mark.parametrize(("secure", "how"), [(True, "Secure; SameSite=None; Partitioned"), (False, "SameSite=Lax")])
async def test_the_page_gives_a_cookie_that_scripts_do_not_see(original: Workbench, secure: bool, how: str) -> None:
    house, sent = Visitors(original, 2), list[dict[str, Any]]()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    door = VisitorCookie(app, house, secure)
    await door({"type": "http", "path": "/", "method": "GET", "headers": []}, None, send)  # type: ignore[arg-type]
    [(name, value)] = sent[0]["headers"]
    cookie = value.decode()
    assert name == b"set-cookie" and "HttpOnly" in cookie and cookie.endswith(how)
    token = cookie.split(";")[0].removeprefix(f"{COOKIE}=")
    assert len(token) > 40
    scope = {"type": "http", "path": "/", "method": "GET", "headers": [(b"cookie", f"a=b; {COOKIE}={token}".encode())]}
    assert token_of(scope) == token
    await door(scope, None, send)  # type: ignore[arg-type]
    assert sent[1]["headers"] == [], "kept as it is"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_the_story_names_a_word_of_the_pair_and_links_only_to_a_space_that_is_one() -> None:
    assert a_word({"prompt": {"text": "chest radiograph with small pleural effusion"}}) == "effusion"
    assert a_word({"prompt": None}) == ""
    assert links("someone/updp")["code"] == "https://huggingface.co/spaces/someone/updp/tree/main"
    assert links("") == links("x/y/../z") == {"code": "", "generator": "", "threats": ""}
