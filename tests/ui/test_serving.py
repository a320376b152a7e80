"""What stands around the web application: who may knock, who is let in, for how long, and what each answer forbids."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

import app
from tests.unit.workbench_kit import ADMIN, workbench
from ui.door.access import access
from ui.door.serving import Guard
from ui.door.session import IDLE_SECONDS, LONGEST_SECONDS, SITTING, Session
from ui.door.signin import MOST_FAILURES, SignIn
from updp_core.config import Settings
from updp_core.domain import Actor
from updp_core.errors import NotAllowed, UsageError
from updp_core.workbench import Workbench

PASSWORD = "a long password"
PROXY = {"proxy_user_header": "X-Forwarded-User", "proxy_from": "10.1.0.0/28, 127.0.0.9"}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclasses.dataclass
class Desk:
    """A door with nothing behind it but the name of who came in."""

    bench: Workbench
    clock: Clock
    session: Session
    guard: Guard

    def client(self, peer: str = "127.0.0.1", host: str = "127.0.0.1:7860", **more: Any) -> TestClient:
        return TestClient(self.guard, base_url=f"http://{host}", client=(peer, 4711), follow_redirects=False, **more)

    def signed_in(self, name: str = "rita", **more: Any) -> TestClient:
        client = self.client(**more)
        assert client.post("/login", data={"username": name, "password": PASSWORD}).json() == {"success": True}
        return client

    def direct(self, peer: str = "127.0.0.1", cookies: dict[str, str] | None = None) -> httpx.AsyncClient:
        """A client for requests side by side, in one event loop as a server has it."""
        way = httpx.ASGITransport(self.guard, client=(peer, 4711))
        return httpx.AsyncClient(transport=way, base_url="http://127.0.0.1:7860", cookies=cookies, timeout=120)

    def session_of(self, name: str) -> dict[str, str]:
        """The cookie of somebody who is signed in."""
        return {"updp-7860": self.session.open(Actor(name, "radiologist"))}

    def trail(self, verb: str) -> list[Any]:
        return list(self.bench.audit(actor=ADMIN, verb=verb)["events"])


def whoever(request: Request) -> PlainTextResponse:
    sitting = request.scope.get(SITTING)
    return PlainTextResponse(sitting.name if sitting else "somebody", headers={"Cache-Control": "public"})


def desk(home: Path, signed: bool = True, **settings: Any) -> Desk:
    bench, clock = workbench(home), Clock()
    chosen = dataclasses.replace(bench.desk.settings, **settings)
    bench.desk.settings = chosen
    session, allowed = Session(bench, signed, clock), access(chosen, {})
    sign_in = SignIn(session, chosen, allowed, {}) if signed else None
    inner = Starlette(
        routes=[*(sign_in.routes() if sign_in else []), Route("/{rest:path}", whoever, methods=["GET", "POST"])]
    )
    return Desk(bench, clock, session, Guard(inner, session, allowed, sign_in))


@pytest.fixture
def open_desk(tmp_path: Path) -> Iterator[Desk]:
    """One person's own desk, without sign-in."""
    made = desk(tmp_path / "home", signed=False)
    yield made
    made.bench.close()


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Desk]:
    """A desk with a users file: rita and olga by password."""
    made = desk(tmp_path / "home")
    made.bench.add_user("rita", "radiologist", PASSWORD, actor=ADMIN)
    made.bench.add_user("olga", "privacy-officer", PASSWORD, actor=ADMIN)
    yield made
    made.bench.close()


@pytest.fixture
def lobby(tmp_path: Path) -> Iterator[Desk]:
    """A desk behind a proxy that names people: paul by the proxy, rita by password."""
    made = desk(tmp_path / "home", **PROXY)
    made.bench.add_user("paul", "radiologist", None, by="proxy", actor=ADMIN)
    made.bench.add_user("rita", "radiologist", PASSWORD, actor=ADMIN)
    yield made
    made.bench.close()


# --- answers ---


def test_every_answer_forbids_storing_and_loading_from_elsewhere(open_desk: Desk) -> None:
    answer = open_desk.client().get("/config")
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] == "same-origin"
    for path in ("/gradio_api/file=/etc/passwd", "/file/x", "/gradio_api/proxy=http://elsewhere", "/monitoring"):
        closed = open_desk.client().get(path)
        assert closed.status_code == 403 and closed.headers["cache-control"] == "no-store", path


def test_refusals_are_sealed_as_well(door: Desk) -> None:
    for answer in (door.client().get("/"), door.client().get("/config"), door.client(host="evil.example").get("/")):
        assert answer.status_code in (401, 421)
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'self'" in answer.headers["content-security-policy"]


# --- names and other sites ---


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost:8000", "LOCALHOST", "[::1]:7860", "localhost."])
def test_a_desk_of_one_person_answers_to_this_machines_names(open_desk: Desk, host: str) -> None:
    assert open_desk.client().get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["rebound.example:7860", "127.0.0.1.rebound.example", "192.168.1.7", "localhost.evil", "", "[::2]"]
)
def test_a_foreign_name_that_leads_here_gets_no_answer_and_is_noted(open_desk: Desk, host: str) -> None:
    answer = open_desk.client().get("/config", headers={"host": host})
    assert answer.status_code == 421 and "somebody" not in answer.text
    assert open_desk.trail("request_refused")[0]["subject"] == "host"


def test_the_names_that_an_operator_states_are_answered(tmp_path: Path) -> None:
    made = desk(tmp_path / "h", signed=False, public_url="https://updp.hospital.example", host="192.0.2.5")
    for host, status in {"updp.hospital.example": 200, "192.0.2.5:7860": 200, "192.0.2.6": 421}.items():
        assert made.client().get("/", headers={"host": host}).status_code == status, host
    made.bench.close()


def test_on_every_network_card_only_addresses_and_stated_names_are_answered(tmp_path: Path) -> None:
    made = access(Settings(host="0.0.0.0", auth="users.json", public_url="https://updp.hospital.example"), {})
    assert made.answers_to("192.0.2.6:7860") and made.answers_to("[2001:db8::1]") and made.answers_to("localhost")
    assert made.answers_to("updp.hospital.example") and not made.answers_to("rebound.example")


def test_the_public_demonstration_on_a_space_is_answered_under_any_name_and_without_sign_in() -> None:
    env = {"SPACE_ID": "someone/updp", "SPACE_HOST": "someone-updp.hf.space,updp.example"}
    settings = Settings.from_env(env)
    assert not settings.signed
    made = access(settings, env)
    assert made.answers_to("someone-updp.hf.space") and made.answers_to("10.20.1.7:7860")
    assert made.frames == "https://huggingface.co" and made.secure
    assert access(Settings(), {}).frames == ""


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
        {"sec-fetch-site": "same-site", "origin": "http://127.0.0.1:7860"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
    ],
)
def test_another_sites_page_changes_nothing(open_desk: Desk, headers: dict[str, str]) -> None:
    answer = open_desk.client().post("/gradio_api/run/predict", headers=headers, content="{}")
    assert answer.status_code == 403 and "somebody" not in answer.text
    assert open_desk.trail("request_refused")[0]["subject"] == "other site"


@pytest.mark.parametrize("headers", [{"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}])
def test_another_sites_page_reads_nothing(open_desk: Desk, headers: dict[str, str]) -> None:
    assert open_desk.client().get("/config", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},  # a program
        {"origin": "http://127.0.0.1:7860"},
        {"origin": "http://127.0.0.1:7860", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {"origin": "https://updp.hospital.example"},  # a proxy that puts its own name into Host
    ],
)
def test_our_own_page_and_programs_are_heard(tmp_path: Path, headers: dict[str, str]) -> None:
    made = desk(tmp_path / "h", signed=False, public_url="https://updp.hospital.example")
    assert made.client().post("/gradio_api/run/predict", headers=headers).status_code == 200
    made.bench.close()


def test_a_link_from_another_site_may_be_followed(open_desk: Desk) -> None:
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert open_desk.client().get("/", headers=link).status_code == 200


def test_no_web_socket_is_opened(open_desk: Desk) -> None:
    from starlette.websockets import WebSocketDisconnect

    with pytest.raises(WebSocketDisconnect), open_desk.client().websocket_connect("/queue/join"):
        pass


# --- signed out, signed in, signed out again ---


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/config"),
        ("GET", "/gradio_api/info"),
        ("GET", "/gradio_api/queue/data?session_hash=x"),
        ("GET", "/gradio_api/heartbeat/x"),
        ("GET", "/gradio_api/token"),
        ("GET", "/gradio_api/user"),
        ("POST", "/gradio_api/run/predict"),
        ("POST", "/gradio_api/component_server"),
        ("POST", "/gradio_api/upload"),
        ("POST", "/gradio_api/queue/join"),
        ("POST", "/gradio_api/reset"),
        ("POST", "/gradio_api/cancel"),
        ("GET", "/login/x"),
        ("GET", "/assets"),
        ("GET", "//config"),
        ("GET", "/any/thing"),
    ],
)
def test_signed_out_everything_but_the_door_answers_401(door: Desk, method: str, path: str) -> None:
    answer = door.client().request(method, path)
    assert answer.status_code == 401 and "somebody" not in answer.text


def test_a_person_comes_in_by_password_and_goes_out(door: Desk) -> None:
    client = door.signed_in()
    cookie = next(iter(client.cookies.jar))
    assert cookie.has_nonstandard_attr("HttpOnly") and cookie.get_nonstandard_attr("SameSite") == "lax"
    assert client.get("/config").text == "rita"
    token = cookie.value
    answer = client.post("/logout")
    assert answer.json()["to"] == "./" and "updp" not in str(client.cookies)
    again = door.client().get("/config", headers={"cookie": f"{cookie.name}={token}"})
    assert again.status_code == 401, "the token is no longer good, whoever has kept it"
    assert [e["subject"] for e in door.trail("sign_out")] == ["asked"] and door.trail("sign_out")[0]["actor"] == "rita"


def test_the_form_of_the_page_answers_with_pages(door: Desk) -> None:
    page = {"accept": "text/html"}
    wrong = door.client().post("/login", data={"username": "rita", "password": "x"}, headers=page)
    assert wrong.status_code == 400 and "not right" in wrong.text and "<form" in wrong.text
    right = door.client().post("/login", data={"username": " rita ", "password": PASSWORD}, headers=page)
    assert right.status_code == 303 and right.headers["location"] == "./"
    assert door.client().get("/login").headers["location"] == "./"


def test_a_sign_in_that_was_signed_in_before_begins_anew(door: Desk) -> None:
    client = door.client()
    client.cookies.set("updp-7860", "a token that somebody has planted")
    client.post("/login", data={"username": "rita", "password": PASSWORD})
    planted = door.client().get("/config", headers={"cookie": "updp-7860=a token that somebody has planted"})
    assert planted.status_code == 401


def test_an_upload_in_place_of_a_password_is_not_read(door: Desk) -> None:
    assert door.client().post("/login", content=b"username=rita&password=" + b"x" * 100_000).status_code == 400


@pytest.mark.parametrize(
    ("seconds", "touched", "reason"),
    [(IDLE_SECONDS + 1, False, "idle"), (LONGEST_SECONDS + 1, True, "too old")],
)
def test_a_sign_in_ends_when_nobody_uses_it_and_at_the_latest_after_twelve_hours(
    door: Desk, seconds: int, touched: bool, reason: str
) -> None:
    client = door.signed_in()
    end = door.clock.now + seconds
    while touched and door.clock.now + 600 < end:
        door.clock.now += 600
        assert client.get("/config").text == "rita"
    door.clock.now = end
    answer = client.get("/")
    assert answer.status_code == 401 and "has ended" in answer.text
    assert [e["subject"] for e in door.trail("sign_out")] == [reason]
    assert client.get("/config").status_code == 401


def test_a_new_password_a_new_role_and_a_removal_end_the_open_sign_ins_of_that_person_alone(door: Desk) -> None:
    other = door.signed_in("olga")
    for change in (
        lambda: door.bench.add_user("rita", "radiologist", PASSWORD + "!", actor=ADMIN),
        lambda: door.bench.add_user("rita", "observer", PASSWORD, actor=ADMIN),
        lambda: door.bench.remove_user("rita", actor=ADMIN),
    ):
        door.bench.add_user("rita", "radiologist", PASSWORD, actor=ADMIN)
        two = door.signed_in(), door.signed_in()
        change()
        assert [client.get("/config").status_code for client in two] == [401, 401]
        assert other.get("/config").text == "olga"
    assert {e["subject"] for e in door.trail("sign_out")} == {"account changed"}


def test_a_damaged_users_file_lets_nobody_in_and_keeps_nobody_in(door: Desk) -> None:
    client = door.signed_in()
    (door.bench.desk.settings.home / "users.json").write_text("{}")
    assert client.get("/config").status_code == 401


def test_a_stream_ends_with_the_sign_in_that_opened_it(door: Desk) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def stream() -> None:
        token = door.session.open(Actor("rita", "radiologist"))
        sitting = door.session.sitting(token)
        watched = door.guard._watched(send, sitting)
        await watched({"type": "http.response.body", "body": b"one", "more_body": True})
        door.session.close(token)
        for _ in range(2):
            await watched({"type": "http.response.body", "body": b"two", "more_body": True})

    asyncio.run(stream())
    assert [m["body"] for m in sent] == [b"one", b""] and sent[-1]["more_body"] is False


def test_a_guesser_is_slowed_down_by_address_whatever_names_are_tried(door: Desk) -> None:
    client = door.client(peer="10.0.0.66")
    for n in range(MOST_FAILURES):
        assert client.post("/login", data={"username": f"name{n}", "password": "guess"}).status_code == 400
    right = {"username": "rita", "password": PASSWORD}
    assert client.post("/login", data=right).status_code == 429
    assert door.client(peer="10.0.0.67").post("/login", data=right).status_code == 200
    assert len(door.trail("sign_in_failed")) == MOST_FAILURES
    assert [e["detail"]["address"] for e in door.trail("sign_in_locked")] == ["10.0.0.66"]


def test_guesses_side_by_side_are_counted_like_guesses_in_a_row(door: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []

    def slow(name: str, password: str, address: str) -> None:
        time.sleep(0.1)
        hashed.append(name)

    monkeypatch.setattr(door.bench, "sign_in", slow)
    cookies = door.session_of("rita")

    async def attack() -> tuple[set[int], float]:
        longest = 0.0
        guesser, reader = door.direct(peer="10.0.0.68"), door.direct(cookies=cookies)
        guesses = [
            asyncio.create_task(guesser.post("/login", data={"username": f"name{n}", "password": "guess"}))
            for n in range(200)
        ]
        while not all(guess.done() for guess in guesses):
            began = time.monotonic()
            assert (await reader.get("/config")).status_code == 200
            longest = max(longest, time.monotonic() - began)
        return {guess.result().status_code for guess in guesses}, longest

    answers, longest = asyncio.run(attack())
    assert answers <= {400, 429, 503}
    assert 0 < len(hashed) <= MOST_FAILURES
    assert longest < 2  # all that is hashed takes 3 s: who waited for it would be seen


def test_a_form_that_never_ends_holds_nobody_up(door: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.door.signin.FORM_SECONDS", 0.05)

    async def endless() -> AsyncIterator[bytes]:
        yield b"username=rita&password="
        await asyncio.sleep(60)

    async def half_open() -> int:
        return (await door.direct().post("/login", content=endless())).status_code

    assert asyncio.run(half_open()) == 408


def test_a_role_comes_from_the_users_file_and_not_from_the_page(door: Desk) -> None:
    assert door.session.actor(gr.Request(username="rita"), "privacy-officer").role == "radiologist"
    for nobody in (None, "eve"):
        with pytest.raises(NotAllowed, match="signed out"):
            door.session.actor(gr.Request(username=nobody))


# --- a proxy that says who somebody is ---


@pytest.mark.parametrize("peer", ["10.1.0.3", "127.0.0.9", "::ffff:10.1.0.3"])
def test_a_listed_proxy_names_a_person_and_the_role_is_ours(lobby: Desk, peer: str) -> None:
    assert lobby.client(peer=peer).get("/config", headers={"X-Forwarded-User": "paul"}).text == "paul"
    sign_in = lobby.trail("sign_in")[0]
    assert (sign_in["actor"], sign_in["role"], sign_in["detail"]["by"]) == ("paul", "radiologist", "proxy")


@pytest.mark.parametrize("peer", ["10.1.0.77", "127.0.0.1", "testclient"])
@pytest.mark.parametrize("path", ["/config", "/", "/login"])
def test_the_header_from_anybody_else_is_refused_and_noted(lobby: Desk, peer: str, path: str) -> None:
    claims = {"X-Forwarded-User": "paul", "X-Forwarded-For": "10.1.0.3", "Forwarded": "for=10.1.0.3"}
    answer = lobby.client(peer=peer).get(path, headers=claims)
    assert answer.status_code == 403 and "proxy" in answer.text and "paul" not in answer.text
    noted = lobby.trail("request_refused")[0]
    assert (noted["subject"], noted["detail"]["address"]) == ("user header", peer)


def test_the_header_is_refused_even_from_who_is_signed_in(lobby: Desk) -> None:
    assert lobby.signed_in().get("/config", headers={"X-Forwarded-User": "paul"}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        [("X-Forwarded-User", "paul"), ("X-Forwarded-User", "eve")],
        [("X-Forwarded-User", "")],
        [("X-Forwarded-User", "paul, eve")],
        [("X-Forwarded-User", "eve")],
        [("X-Forwarded-User", "rita")],
    ],
)
def test_a_proxy_that_names_nobody_we_know_brings_nobody_in(lobby: Desk, headers: list[tuple[str, str]]) -> None:
    answer = lobby.client(peer="10.1.0.3").get("/", headers=headers)
    assert answer.status_code == 403 and "administrator" in answer.text
    assert lobby.trail("sign_in_refused")


@pytest.mark.parametrize("header", ["X-Forwarded_User", "X_Forwarded_User", "X-Remote-User"])
def test_other_headers_name_nobody(lobby: Desk, header: str) -> None:
    assert lobby.client(peer="10.1.0.3").get("/config", headers={header: "paul"}).status_code == 401


def test_somebody_without_an_entry_is_an_observer_where_the_operator_says_so(tmp_path: Path) -> None:
    made = desk(tmp_path / "h", unlisted="observer", **PROXY)
    assert made.client(peer="10.1.0.3").get("/config", headers={"X-Forwarded-User": "eve"}).text == "eve"
    assert made.session.actor(gr.Request(username="eve"), "administrator").role == "observer"
    made.bench.close()


def test_one_sign_in_is_noted_for_many_requests_and_another_after_a_pause(lobby: Desk) -> None:
    client, says = lobby.client(peer="10.1.0.3"), {"X-Forwarded-User": "paul"}
    for _ in range(3):
        assert client.get("/config", headers=says).text == "paul"
    assert len(lobby.trail("sign_in")) == 1
    lobby.clock.now += IDLE_SECONDS + 1
    assert client.get("/config", headers=says).text == "paul"
    assert len(lobby.trail("sign_in")) == 2
    lobby.bench.remove_user("paul", actor=ADMIN)
    assert client.get("/config", headers=says).status_code == 403


def test_whoever_came_by_the_proxy_is_told_to_sign_out_there(tmp_path: Path) -> None:
    for where in ("", "/oauth2/sign_out"):
        made = desk(tmp_path / f"h{len(where)}", proxy_sign_out=where, **PROXY)
        made.bench.add_user("paul", "radiologist", None, by="proxy", actor=ADMIN)
        answer = made.client(peer="10.1.0.3").post("/logout", headers={"X-Forwarded-User": "paul"}).json()
        assert answer["to"] == where and bool(answer["said"]) != bool(where)
        made.bench.close()


def test_the_address_in_the_trail_is_the_one_that_the_proxy_saw(lobby: Desk) -> None:
    for said, noted in {"203.0.113.5": "203.0.113.5", "evil, 203.0.113.6": "203.0.113.6", "evil": "10.1.0.3"}.items():
        claims = {"X-Forwarded-User": f"eve{noted}", "X-Forwarded-For": said}
        lobby.client(peer="10.1.0.3").get("/", headers=claims)
        assert lobby.trail("sign_in_refused")[0]["detail"]["address"] == noted


# --- settings ---


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"proxy_user_header": "X-Forwarded-User"}, "UPDP_PROXY_FROM"),
        ({"proxy_user_header": "X-Forwarded-User", "proxy_from": "everybody"}, "UPDP_PROXY_FROM"),
        ({"proxy_user_header": "X User", "proxy_from": "10.0.0.1"}, "UPDP_PROXY_USER_HEADER"),
        ({"unlisted": "administrator"}, "UPDP_UNLISTED"),
        ({"public_url": "updp.hospital.example"}, "UPDP_PUBLIC_URL"),
        ({"public_url": "https://hospital.example/updp"}, "UPDP_PUBLIC_URL"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused_at_the_start(settings: dict[str, Any], names: str) -> None:
    with pytest.raises(UsageError, match=names):
        access(Settings(**settings), {})


def test_a_desk_without_sign_in_is_not_served_to_the_network(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="UPDP_AUTH"):
        app.main(Settings(home=tmp_path / "ws", host="0.0.0.0"), wait=False)
    assert not (tmp_path / "ws").exists()


def test_a_space_listens_to_its_visitors_and_everything_else_to_this_machine() -> None:
    assert Settings.from_env({"SPACE_ID": "someone/updp"}).host == "0.0.0.0"
    assert Settings.from_env({"SPACE_ID": "someone/updp"}).demo
    assert Settings.from_env({}).host == "127.0.0.1"


@pytest.mark.parametrize(
    ("name", "value"),
    [("UPDP_AUTH", "users.json"), ("UPDP_OAUTH", "1"), ("UPDP_OAUTH", "true"), ("UPDP_PROXY_USER_HEADER", "X-User")],
)
def test_each_way_to_sign_in_ends_the_desk_of_one_person(name: str, value: str) -> None:
    assert Settings.from_env({name: value}).signed
    assert not Settings.from_env({"UPDP_OAUTH": "0"}).signed
