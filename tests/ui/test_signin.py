"""Signing in to the whole app over HTTP: by password, by an OpenID provider, by a proxy; and what roles then may do."""

from __future__ import annotations

import contextlib
import json
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import gradio_client
import httpx
import pytest
from joserfc.jwk import RSAKey

from tests.e2e.served import free_port
from tests.ui.openid_provider import Provider, provider
from tests.ui.served_here import PASSWORD, person, served, workspace
from tests.unit.workbench_kit import ADMIN, OFFICER, workbench
from ui.door.oauth import Provider as OurSide
from updp_core.config import Settings
from updp_core.errors import UsageError
from updp_core.workbench import Workbench


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return workspace(tmp_path_factory.mktemp("signin") / "home")


@pytest.fixture(scope="module")
def at(home: Path) -> Iterator[str]:
    """Served with a users file."""
    with served(home, auth=str(home / "users.json"), upload_files=3, upload_files_all=4, upload_megabytes=1) as address:
        yield address


@pytest.fixture
def bench(home: Path) -> Iterator[Workbench]:
    opened = Workbench.open(Settings(home=home))
    yield opened
    opened.close()


def part(config: dict[str, Any], elem_id: str) -> int:
    return int(next(c["id"] for c in config["components"] if c["props"].get("elem_id") == elem_id))


def event(config: dict[str, Any], elem_id: str, kind: str = "click") -> dict[str, Any]:
    """The handler behind a control of the page."""
    target = part(config, elem_id)
    return next(d for d in config["dependencies"] if [target, kind] in [list(t) for t in d["targets"]])


def pixels(client: httpx.Client, config: dict[str, Any], asked: dict[str, Any]) -> httpx.Response:
    """What the viewer asks for: the one way in which an image leaves."""
    body = {"session_hash": "s1", "component_id": part(config, "viewer"), "fn_name": "pixels", "data": asked}
    return client.post("/gradio_api/component_server/", json=body)


def pair(bench: Workbench) -> dict[str, Any]:
    record = bench.page(actor=OFFICER)["records"][0]["record"]
    return {"record": record, "candidate": bench.show(record, actor=OFFICER)["candidate"]}


# --- what one person has under way, and another ---


def begin(client: httpx.Client, session: str, path: str = "/nowhere/of/peter") -> httpx.Response:
    """Have an import wait in the queue, as the page does."""
    config = client.get("/config").json()
    button = event(config, "import-go")
    body = {"fn_index": button["id"], "data": [{part(config, "import-path"): path}.get(i) for i in button["inputs"]]}
    return client.post("/gradio_api/queue/join", json={**body, "session_hash": session})


def answers(client: httpx.Client, session: str) -> str:
    """What the queue tells a session; it breaks off where it knows of none."""
    heard = ""
    query = f"/gradio_api/queue/data?session_hash={session}"
    with contextlib.suppress(httpx.RemoteProtocolError), client.stream("GET", query) as told:
        for piece in told.iter_text():
            heard += piece
    return heard


def test_what_one_person_has_begun_another_can_neither_read_nor_end(at: str) -> None:
    peter, obi = person(at, "peter"), person(at, "obi")
    mine = begin(peter, "shared").json()["event_id"]
    heard = answers(obi, "shared")
    assert "does not exist" not in heard and mine not in heard
    number = event(peter.get("/config").json(), "import-go")["id"]
    taken = {"event_id": mine, "fn_index": number, "session_hash": "shared", "data": []}
    for path in ("cancel", "run/predict", "queue/join"):
        assert obi.post(f"/gradio_api/{path}", json=taken).status_code == 403, path
    for path in (f"call/{mine}", f"call/predict/{mine}", "call/predict"):
        assert obi.get(f"/gradio_api/{path}").status_code in (403, 404, 405), path
    with obi.stream("GET", "/gradio_api/heartbeat/shared") as beat:  # and goes away: a page of peter's is not closed
        assert next(beat.iter_text()).startswith("data: ALIVE")
    assert "does not exist" in answers(peter, "shared")
    assert peter.post("/gradio_api/cancel", json=taken).status_code == 200


def upload(client: httpx.Client, *files: tuple[str, bytes]) -> httpx.Response:
    return client.post("/gradio_api/upload", files=[("files", file) for file in files])


def test_who_may_import_nothing_uploads_nothing(at: str, bench: Workbench) -> None:
    answer = upload(person(at, "obi"), ("a.txt", b"x"))
    assert answer.status_code == 403 and "observer may not" in answer.text
    assert bench.audit(actor=ADMIN, verb="refused", who="obi")["events"][0]["subject"] == "upload"


def waiting(home: Path) -> list[Path]:
    return [path for path in (home / "gradio").rglob("*") if path.is_file()]


def test_uploads_are_bounded_and_what_is_refused_or_broken_off_leaves_nothing(at: str, home: Path) -> None:
    rita, peter, before = person(at, "rita"), person(at, "peter"), waiting(home)
    large = upload(rita, ("a.dcm", b"x" * 1_100_000))
    assert large.status_code == 413 and "no room" in large.text and waiting(home) == before
    broken = b'--b\r\nContent-Disposition: form-data; name="files"; filename="b.dcm"\r\n\r\n' + b"x" * 70_000
    form = {"content-type": "multipart/form-data; boundary=b"}
    with pytest.raises(httpx.HTTPError):
        rita.post("/gradio_api/upload", content=_stops(broken), headers={**form, "content-length": "900000"})
    until(lambda: waiting(home) == before)
    kept = upload(rita, ("a.dcm", b"x"), ("../../b\x1b.dcm", b"y"))
    assert [Path(path).name for path in kept.json()] == ["a.dcm", "b_.dcm"] and kept.status_code == 200
    assert all(Path(path).is_relative_to(home / "gradio") for path in kept.json())
    assert upload(rita, ("c.dcm", b"x"), ("d.dcm", b"x")).status_code == 413  # three of a person
    assert upload(peter, ("c.dcm", b"x"), ("d.dcm", b"x")).status_code == 200
    assert upload(peter, ("e.dcm", b"x")).status_code == 413  # four of all
    for path in waiting(home):
        path.unlink()
    assert upload(peter, ("e.dcm", b"x")).status_code == 200


def test_uploads_at_the_same_time_share_one_bound(at: str, home: Path) -> None:
    rita, before = person(at, "rita"), len(waiting(home))
    with ThreadPoolExecutor(8) as many:
        answers = list(many.map(lambda n: upload(rita, (f"{n}.dcm", b"x" * 300_000)).status_code, range(8)))
    assert set(answers) <= {200, 413} and answers.count(200) <= 3
    assert len(waiting(home)) - before == answers.count(200)
    for path in waiting(home):
        path.unlink()


def _stops(body: bytes) -> Iterator[bytes]:
    yield body
    raise httpx.WriteError("the line is cut")


def until(holds: Callable[[], bool]) -> None:
    for _ in range(200):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("It did not come to that.")


def test_a_file_that_somebody_else_has_uploaded_is_neither_read_nor_deleted(at: str, home: Path) -> None:
    for path in waiting(home):
        path.unlink()
    rita, peter = person(at, "rita"), person(at, "peter")
    [path] = upload(peter, ("names.txt", b"zorblatt")).json()
    config = rita.get("/config").json()
    button = next(d for d in config["dependencies"] if len(d["inputs"]) == 7 and d["targets"][0][1] == "upload")
    sent = {"path": path, "meta": {"_type": "gradio.FileData"}}
    data = ["radiologist", sent, "blacklist", "names", "", "", 0]
    answer = rita.post("/gradio_api/run/predict", json={"fn_index": button["id"], "data": data, "session_hash": "s7"})
    assert "not one that you have uploaded" in answer.text and Path(path).read_bytes() == b"zorblatt"


@pytest.mark.parametrize("head", [b"", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: b", b"P"])
def test_a_connection_that_never_asks_for_anything_is_closed(
    at: str, head: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ui.door.patience.HEAD_SECONDS", 0.6)
    where = urlsplit(at)
    with socket.create_connection((where.hostname, where.port), timeout=20) as line:
        began = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - began < 15:  # a byte now and then, so that it is never silent
                line.sendall(head or b"")
                head = head and b"x"
                line.settimeout(0.2)
                try:
                    if line.recv(10) == b"":
                        break
                except TimeoutError:
                    continue
        assert time.monotonic() - began < 10


def test_a_body_that_does_not_arrive_or_is_too_long_is_answered(at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.door.streams.BODY_SECONDS", 0.5)
    rita = person(at, "rita")
    head = {"content-type": "application/json", "content-length": "1000"}

    def slow() -> Iterator[bytes]:
        yield b"{"
        time.sleep(3)
        yield b" " * 999

    began = time.monotonic()
    with contextlib.suppress(httpx.WriteError, httpx.ReadError):
        assert rita.post("/gradio_api/queue/join", content=slow(), headers=head).status_code == 408
    assert time.monotonic() - began < 20
    long = b"[" + b" " * (16 * 2**20) + b"]"
    monkeypatch.setattr("ui.door.streams.BODY_SECONDS", 30)
    with contextlib.suppress(httpx.WriteError, httpx.ReadError):
        assert rita.post("/gradio_api/queue/join", content=long).status_code == 413


# --- signed out ---


def test_signed_out_no_image_no_config_and_no_call_is_answered(at: str, bench: Workbench) -> None:
    config = person(at, "rita").get("/config").json()
    nobody = person(at)
    for path in (
        "/config",
        "/gradio_api/info",
        "/gradio_api/openapi.json",
        "/gradio_api/queue/data?session_hash=s1",
        "/gradio_api/heartbeat/s1",
        "/gradio_api/user",
        "/gradio_api/token",
        "/gradio_api/startup-event",
        "/?page=x/",
    ):
        answer = nobody.get(path)
        assert answer.status_code == 401 and len(answer.content) < 9000, path
    for path in ("run/predict", "api/predict", "queue/join", "call/predict", "call/v2/x", "upload", "cancel", "reset"):
        assert nobody.post(f"/gradio_api/{path}", json={"fn_index": 0, "data": []}).status_code == 401, path
    answer = pixels(nobody, config, pair(bench))
    assert answer.status_code == 401 and "data" not in answer.json()


def test_signed_out_only_the_door_is_shown(at: str) -> None:
    page = person(at).get("/", headers={"accept": "text/html"})
    assert page.status_code == 401 and "<form" in page.text and "gradio" not in page.text.lower()
    assert page.headers["cache-control"] == "no-store"


def test_a_cookie_of_gradios_own_opens_nothing(at: str) -> None:
    app_id = person(at, "rita").get("/gradio_api/app_id").json()["app_id"]
    nobody = person(at, cookies={f"access-token-{app_id}": "x", f"access-token-unsecure-{app_id}": "x"})
    assert nobody.get("/config").status_code == 401


# --- roles, by HTTP ---


def test_an_image_reaches_a_reader_and_an_observer_gets_the_synthetic_one_alone(at: str, bench: Workbench) -> None:
    shown = {}
    for name in ("rita", "obi"):
        client = person(at, name)
        answer = pixels(client, client.get("/config").json(), pair(bench))
        assert answer.headers["cache-control"] == "no-store"
        shown[name] = answer.json()
    assert shown["rita"]["original"]["data"] and shown["rita"]["synthetic"]["data"]
    assert shown["obi"]["original"] is None and shown["obi"]["synthetic"]["data"]


def test_the_role_that_a_page_claims_is_not_heeded(at: str, bench: Workbench) -> None:
    client = person(at, "obi")
    answer = pixels(client, client.get("/config").json(), {**pair(bench), "role": "privacy-officer"})
    assert answer.json()["original"] is None


def edit(client: httpx.Client, role: str) -> str:
    """What the lexicon page sends when its button is pressed, with the role that somebody writes into it."""
    config = client.get("/config").json()
    typed = {
        "role": role,
        "lex-side": "blacklist",
        "lex-category": "names",
        "lex-terms": "effusion",
        "lex-comment": "because",
    }
    named = {c["id"]: typed[c["props"]["elem_id"]] for c in config["components"] if c["props"].get("elem_id") in typed}
    button = event(config, "lex-save")
    assert set(typed.values()) <= {named.get(i) for i in button["inputs"]}
    body = {"fn_index": button["id"], "data": [named.get(i) for i in button["inputs"]], "session_hash": "s2"}
    return client.post("/gradio_api/run/predict", json=body).text


@pytest.mark.parametrize("name", ["rita", "obi", "adam"])
def test_no_session_but_an_officers_edits_a_lexicon_by_raw_http(at: str, bench: Workbench, name: str) -> None:
    refused = bench.audit(actor=ADMIN, verb="refused", who=name)["total"]
    assert "may not" in edit(person(at, name), "privacy-officer")
    assert not bench.audit(actor=ADMIN, verb="lexicon_edit", who=name)["total"]
    assert bench.audit(actor=ADMIN, verb="refused", who=name)["total"] > refused


def test_the_same_call_by_an_officer_is_not_refused_or_those_refusals_would_prove_nothing(
    at: str, bench: Workbench
) -> None:
    answer = edit(person(at, "peter"), "observer")
    assert "may not" not in answer and "data" in answer
    assert bench.audit(actor=ADMIN, verb="refused", who="peter")["total"] == 0


def test_a_call_that_waits_in_the_queue_is_made_in_the_name_of_who_sent_it(at: str, bench: Workbench) -> None:
    client = person(at, "obi")
    config = client.get("/config").json()
    button = event(config, "import-go")
    typed = {part(config, "role"): "privacy-officer", part(config, "import-path"): "/nowhere"}
    body = {"fn_index": button["id"], "data": [typed.get(i) for i in button["inputs"]], "session_hash": "s4"}
    assert client.post("/gradio_api/queue/join", json=body).status_code == 200
    assert "observer may not" in client.get("/gradio_api/queue/data?session_hash=s4").text
    assert bench.audit(actor=ADMIN, verb="refused", who="obi")["events"][0]["subject"] == "import_"


def test_gradios_client_with_a_radiologists_password_finds_nothing_to_call(at: str, bench: Workbench) -> None:
    with tempfile.TemporaryDirectory() as downloads:
        client = gradio_client.Client(
            at, auth=("rita", PASSWORD), verbose=False, download_files=downloads, httpx_kwargs={"timeout": 120}
        )
        offered = client.view_api(return_format="dict", print_info=False)
        assert not offered["named_endpoints"] and not offered["unnamed_endpoints"]
        for dependency in client.config["dependencies"]:
            with pytest.raises(ValueError, match=r"[Ii]nvalid|no endpoints|private|Cannot"):
                client.predict("privacy-officer", fn_index=dependency["id"])
    assert not bench.audit(actor=ADMIN, verb="lexicon_edit", who="rita")["total"]


def test_gradios_client_with_a_wrong_password_stays_outside(at: str) -> None:
    with pytest.raises(ValueError, match=r"[Cc]ould not login"):
        gradio_client.Client(at, auth=("rita", "wrong"), verbose=False, httpx_kwargs={"timeout": 120})
    with pytest.raises(gradio_client.exceptions.AuthenticationError, match="Please login"):
        gradio_client.Client(at, verbose=False, httpx_kwargs={"timeout": 120})


# --- signed out again ---


def test_after_signing_out_nothing_of_the_pair_is_left_on_the_servers_disk(
    home: Path, at: str, bench: Workbench
) -> None:
    def files() -> set[Path]:
        places = [home / "gradio", Path(tempfile.gettempdir()) / "gradio"]
        return {path for place in places for path in place.rglob("*") if path.is_file()}

    before = files()
    client = person(at, "rita")
    config = client.get("/config").json()
    assert pixels(client, config, pair(bench)).json()["original"]
    load = next(d for d in config["dependencies"] if any(t[1] == "load" for t in d["targets"]))
    known = {c["id"]: c["props"].get("value") for c in config["components"]}
    body = {"fn_index": load["id"], "data": [known.get(i) for i in load["inputs"]], "session_hash": "s3"}
    assert client.post("/gradio_api/run/predict", json=body).status_code == 200
    assert client.post("/logout").headers["clear-site-data"] == '"cache"'
    assert files() == before
    assert client.get("/config").status_code == 401
    assert pixels(client, config, pair(bench)).status_code == 401


def test_another_sites_page_cannot_sign_anybody_in_or_out(at: str) -> None:
    client = person(at, "rita")
    foreign = {"origin": "https://evil.example"}
    assert client.post("/logout", headers=foreign).status_code == 403
    assert client.post("/login", data={"username": "obi", "password": PASSWORD}, headers=foreign).status_code == 403
    assert client.get("/config").json()["username"] == "rita"


# --- a proxy ---


def from_address(address: str, **more: Any) -> dict[str, Any]:
    """Another loopback address to come from: the server sees it as the peer."""
    return {"transport": httpx.HTTPTransport(local_address=address), **more}


def test_the_proxys_header_counts_from_the_listed_address_alone(home: Path, bench: Workbench) -> None:
    says = {"X-Forwarded-User": "paul"}
    with served(home, proxy_user_header="X-Forwarded-User", proxy_from="127.0.0.7") as address:
        behind = person(address, **from_address("127.0.0.7"))
        assert behind.get("/config", headers=says).json()["username"] == "paul"
        assert behind.get("/config").status_code == 401, "the proxy lets somebody through without a name"
        assert "may not" in edit_as(behind, says)
        for spoof in ({}, {"X-Forwarded-For": "127.0.0.7"}, {"X-Real-IP": "127.0.0.7"}):
            answer = person(address).get("/config", headers={**says, **spoof})
            assert answer.status_code == 403, spoof
    noted = bench.audit(actor=ADMIN, verb="request_refused")["events"][0]
    assert noted["subject"] == "user header" and noted["detail"]["address"] == "127.0.0.1"
    assert not bench.audit(actor=ADMIN, verb="lexicon_edit", who="paul")["total"]


def edit_as(client: httpx.Client, says: dict[str, str]) -> str:
    client.headers.update(says)
    return edit(client, "privacy-officer")


# --- an OpenID provider ---


@pytest.fixture(scope="module")
def openid(home: Path) -> Iterator[tuple[str, Provider]]:
    """The app and the provider that it sends people to."""
    with provider() as there, served(home, there.env, oauth=True) as address:
        yield address, there


@pytest.fixture
def there(openid: tuple[str, Provider]) -> Iterator[Provider]:
    """The provider, put right again after each test."""
    url, key = openid[1].url, openid[1].key
    yield openid[1]
    fresh = Provider(url, key=key)
    for name, value in vars(fresh).items():
        setattr(openid[1], name, value)


def through(address: str) -> tuple[httpx.Client, httpx.Response]:
    """Press the button and follow every redirect, as a browser does."""
    client = httpx.Client(base_url=address, timeout=120, follow_redirects=True)
    return client, client.get("/login/oauth")


def test_a_person_comes_in_by_the_provider_with_the_role_of_our_file(
    openid: tuple[str, Provider], there: Provider, bench: Workbench
) -> None:
    there.claims = {"role": "administrator", "roles": ["administrator"], "groups": ["administrators"]}
    page = httpx.get(openid[0]).text
    assert "Sign in with 127.0.0.1" in page
    client, answer = through(openid[0])
    assert answer.status_code == 200 and answer.url.path == "/", answer.text[-500:]
    steps = [response.url.path for response in answer.history]
    assert steps == ["/login/oauth", "/authorize", "/login/callback"]
    config = client.get("/config").json()
    assert config["username"] == "olga"
    sign_in = bench.audit(actor=ADMIN, verb="sign_in", who="olga")["events"][0]
    assert sign_in["role"] == "privacy-officer" and sign_in["detail"]["by"] == "oauth"
    assert pixels(client, config, pair(bench)).json()["original"]
    asked = there.asked[-1]
    assert asked["code_challenge_method"] == "S256" and asked["nonce"] and "openid" in asked["scope"].split()
    assert asked["redirect_uri"] == f"{openid[0]}/login/callback"
    assert client.post("/logout").json()["to"] == "./"
    assert client.get("/config").status_code == 401


def test_no_token_of_the_provider_reaches_the_browser(openid: tuple[str, Provider], there: Provider) -> None:
    client, _ = through(openid[0])
    assert [len(cookie.value or "") for cookie in client.cookies.jar] == [43], "our own random token and nothing else"
    assert all(cookie.has_nonstandard_attr("HttpOnly") for cookie in client.cookies.jar)


@pytest.mark.parametrize(
    ("person_there", "sentence"),
    [
        ({"sub": "7", "preferred_username": "stranger"}, "no role here"),
        ({"sub": "7", "preferred_username": "rita"}, "another way"),
        ({"sub": "another account", "preferred_username": "olga"}, "another account"),
        ({"sub": "7", "preferred_username": "<b>x</b>"}, "no name that can be used"),
    ],
)
def test_whoever_has_no_role_here_is_refused_in_a_sentence_and_noted(
    openid: tuple[str, Provider], there: Provider, bench: Workbench, person_there: dict[str, str], sentence: str
) -> None:
    through(openid[0])  # olga's first account
    there.person = person_there
    before = bench.audit(actor=ADMIN, verb="sign_in_refused")["total"]
    client, answer = through(openid[0])
    assert answer.status_code == 403 and sentence in answer.text and "<b>" not in answer.text
    assert client.get("/config").status_code == 401
    assert bench.audit(actor=ADMIN, verb="sign_in_refused")["total"] == before + 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"denies": True},
        {"signs_with": RSAKey.generate_key(2048, {"kid": "k1"})},
        {"claims": {"aud": "another client"}},
        {"claims": {"iss": "https://evil.example"}},
        {"claims": {"nonce": "of another browser"}},
        {"claims": {"exp": 1}},
        {"claims": {"preferred_username": None}},
        {"claims": {"sub": None}},
    ],
    ids=lambda wrong: "a key of its own" if "signs_with" in wrong else str(wrong),
)
def test_what_the_provider_does_not_confirm_brings_nobody_in(
    openid: tuple[str, Provider], there: Provider, bench: Workbench, wrong: dict[str, Any]
) -> None:
    for name, value in wrong.items():
        setattr(there, name, value)
    signed_in = bench.audit(actor=ADMIN, verb="sign_in")["total"]
    client, answer = through(openid[0])
    assert answer.status_code == 403 and "did not confirm" in answer.text
    assert client.get("/config").status_code == 401
    assert bench.audit(actor=ADMIN, verb="sign_in")["total"] == signed_in
    assert bench.audit(actor=ADMIN, verb="sign_in_failed")["events"][0]["subject"] == "oauth"


def test_a_callback_belongs_to_the_browser_that_began(openid: tuple[str, Provider], there: Provider) -> None:
    attacker = httpx.Client(base_url=openid[0], timeout=120)
    to_provider = attacker.get("/login/oauth").headers["location"]
    back = httpx.get(to_provider).headers["location"]
    victim = httpx.Client(base_url=openid[0], timeout=120)
    assert victim.get(back).status_code == 403
    assert victim.get("/config").status_code == 401
    assert attacker.get(back).status_code == 303
    assert attacker.get(back).status_code == 403, "a code is good once"


def test_a_provider_that_does_not_answer_is_told_in_words(home: Path) -> None:
    env = {**Provider(f"http://127.0.0.1:{free_port()}", key=object()).env}
    with served(home, env, oauth=True) as address:
        answer = httpx.get(f"{address}/login/oauth", timeout=120)
        assert answer.status_code == 502 and "does not answer" in answer.text


def test_a_stranger_is_an_observer_where_the_operator_says_so(home: Path, there: Provider, bench: Workbench) -> None:
    there.person = {"sub": "7", "preferred_username": "stranger"}
    with served(home, there.env, oauth=True, unlisted="observer") as address:
        client, answer = through(address)
        config = client.get("/config").json()
        assert answer.status_code == 200 and config["username"] == "stranger"
        shown = pixels(client, config, pair(bench)).json()
        assert shown["original"] is None and shown["synthetic"]
        assert "may not" in edit(client, "privacy-officer")


@pytest.mark.parametrize(
    ("env", "names"),
    [
        ({}, "OAUTH_CLIENT_ID"),
        ({"OAUTH_CLIENT_ID": "x", "OAUTH_CLIENT_SECRET": "y"}, "OPENID_PROVIDER_URL"),
        ({"OAUTH_CLIENT_ID": "x", "OAUTH_CLIENT_SECRET": "y", "OPENID_PROVIDER_URL": "http://far.example"}, "https"),
    ],
)
def test_a_provider_that_is_half_named_is_refused_at_the_start(env: dict[str, str], names: str) -> None:
    with pytest.raises(UsageError, match=names):
        OurSide(env)


# --- without sign-in ---


def test_the_public_demonstration_on_a_space_asks_nobody_to_sign_in(tmp_path: Path) -> None:
    name = {"host": "someone-updp.hf.space", "x-forwarded-proto": "https"}
    workbench(tmp_path / "home").close()
    with served(tmp_path / "home", {"SPACE_ID": "someone/updp", "SPACE_HOST": name["host"]}) as address:
        page = httpx.get(address, headers=name, timeout=120)
        assert page.status_code == 200 and "gradio" in page.text.lower()
        assert "https://huggingface.co" in page.headers["content-security-policy"]
        config = httpx.get(f"{address}/config", headers=name, timeout=120).json()
        assert config.get("username") is None and "Public demonstration" in json.dumps(config)
        assert httpx.get(f"{address}/login/oauth", timeout=120).status_code == 404
