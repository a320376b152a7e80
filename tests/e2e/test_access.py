"""Past the page, straight to the server: signed in a role holds, signed out nothing answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from gradio_client import Client

from tests.e2e.keyboard import desk, reach, shown, until
from tests.e2e.reading_room import OFFICER, PASSWORD, Room

pytestmark = pytest.mark.browser
OFFICERS = ("lex-save", "word-save", "policy-save", "release-yes")
"""Buttons whose verbs are the privacy officer's alone."""


@pytest.fixture(scope="module")
def page(browser: Any, room: Room) -> Iterator[Any]:
    with desk(browser, room.address, "lena", PASSWORD) as tab:
        yield tab


@pytest.fixture(scope="module")
def cookie(page: Any) -> str:
    return "; ".join(f"{c['name']}={c['value']}" for c in page.context.cookies())


@pytest.fixture(scope="module")
def caller(room: Room, cookie: str) -> Iterator[httpx.Client]:
    """A program that has copied the cookie of the radiologist's browser."""
    with httpx.Client(base_url=room.address, headers={"Cookie": cookie}, timeout=120) as made:
        yield made


@pytest.fixture(scope="module")
def config(caller: httpx.Client) -> dict[str, Any]:
    """What the server says of its components and events to whoever is signed in."""
    answer = caller.get("/config")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


def components(config: dict[str, Any]) -> dict[int, dict[str, Any]]:
    return {part["id"]: part["props"] for part in config["components"]}


def event(config: dict[str, Any], elem_id: str) -> dict[str, Any]:
    """The event of a button that calls the server."""
    known = components(config)
    button = next(part for part, props in known.items() if props.get("elem_id") == elem_id)
    return next(d for d in config["dependencies"] if d["backend_fn"] and (button, "click") in map(tuple, d["targets"]))


def forged(config: dict[str, Any], found: dict[str, Any], folder: str) -> list[Any]:
    """Inputs for an event as the officer's page would send them: her role, a term, a reason."""
    known, said = (
        components(config),
        {
            "role": "privacy-officer",
            "lex-side": "blacklist",
            "lex-category": "names",
            "lex-terms": "effusion",
            "lex-comment": "because",
            "word-term": "effusion",
            "word-category": "names",
            "word-comment": "because",
            "release-folder": folder,
            "release-comment": "because",
            "release-recipient": "whoever",
        },
    )
    values = []
    for part in found["inputs"]:
        props = known[part]
        default = "because" if "Why" in str(props.get("label")) else props.get("value")
        values.append(said.get(props.get("elem_id") or "", default))
    return values


def answers(room: Room) -> tuple[Any, ...]:
    """All that only an officer may change."""
    tables = ("lexicon_version", "policy_version", "release")
    counted = [room.rows(f"SELECT count(*) FROM {table}")[0][0] for table in tables]
    return (*counted, room.bench.lexicon_current(actor=OFFICER)["digest"])


def refusals(room: Room) -> int:
    return room.rows("SELECT count(*) FROM audit_event WHERE verb = 'refused' AND actor = 'lena'")[0][0]


@pytest.mark.parametrize("button", OFFICERS)
def test_a_radiologist_cannot_do_an_officers_work_by_calling_the_server(
    room: Room, caller: httpx.Client, config: dict[str, Any], button: str, tmp_path: Any
) -> None:
    before, refused, found = answers(room), refusals(room), event(config, button)
    body = {"fn_index": found["id"], "data": forged(config, found, str(tmp_path / "out")), "session_hash": "forged"}
    if found["queue"] is False:
        assert "radiologist may not" in caller.post("/gradio_api/run/predict", json=body).text
    else:
        caller.post("/gradio_api/queue/join", json=body).raise_for_status()
        with caller.stream("GET", "/gradio_api/queue/data", params={"session_hash": "forged"}) as events:
            until(lambda: any("radiologist may not" in line for line in events.iter_lines()), "a refusal")
    assert answers(room) == before
    assert refusals(room) == refused + 1, "the attempt is in the audit trail"
    assert not (tmp_path / "out").exists()


def test_nor_with_gradio_s_own_client_and_her_cookie(room: Room, cookie: str, config: dict[str, Any]) -> None:
    before, refused, found = answers(room), refusals(room), event(config, "lex-save")
    client = Client(room.address, headers={"Cookie": cookie}, verbose=False, analytics_enabled=False)
    client.endpoints[found["id"]].is_valid = True  # the client would not even ask
    try:
        client.predict(*forged(config, found, ""), fn_index=found["id"])
    except Exception as error:
        print("the client gave up:", type(error).__name__)
    finally:
        client.close()
    assert refusals(room) == refused + 1
    assert answers(room) == before


def test_signed_out_no_image_and_no_endpoint_answers_with_the_old_cookie_or_without(
    page: Any, room: Room, caller: httpx.Client, config: dict[str, Any]
) -> None:
    record = shown(page)
    viewer = next(part for part, props in components(config).items() if props.get("elem_id") == "viewer")
    asked = {"session_hash": "x", "component_id": viewer, "fn_name": "pixels", "data": {"record": record}}
    image = "/gradio_api/component_server/"
    assert caller.post(image, json=asked).json()["original"]["data"], "signed in, the image comes"

    reach(page, "#signout")
    page.keyboard.press("Enter")
    page.locator("input[type=password]").wait_for()
    events = [(d["id"], len(d["inputs"])) for d in config["dependencies"]]
    with httpx.Client(base_url=room.address, timeout=120) as stranger:
        for who in (caller, stranger):
            answer = who.post(image, json=asked)
            assert answer.status_code == 401 and record not in answer.text
            for route in (
                "config",
                "gradio_api/info",
                "gradio_api/heartbeat/x",
                "gradio_api/queue/data?session_hash=x",
            ):
                assert who.get(f"/{route}").status_code == 401, route
            assert who.post("/gradio_api/upload", files={"files": b"x"}).status_code == 401
            for route in ("file=app.py", f"gradio_api/file={room.home / 'updp.sqlite3'}", "gradio_api/proxy=http://x"):
                assert who.get(f"/{route}").status_code in (401, 403), route
            for number, inputs in events:
                call = {"fn_index": number, "data": [None] * inputs, "session_hash": "x"}
                for route in ("run/predict", "queue/join"):
                    assert who.post(f"/gradio_api/{route}", json=call).status_code == 401, (route, number)
            start = who.get("/")
            assert record not in start.text and "no-store" in start.headers["cache-control"]
