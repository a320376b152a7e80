"""The pages' handlers on a real workspace: what they ask of the core, and what they refuse."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest

from tests.unit.workbench_kit import OFFICER, SECOND, add, last, study, workbench
from ui.background import Background
from ui.door.session import Session, told
from ui.pages.review import layout as review
from ui.pages.review import viewer
from ui.shell import Shell
from updp_core.errors import NotAllowed, UsageError
from updp_core.workbench import Workbench

READER, GUEST = "radiologist", "observer"


@dataclass
class Desk:
    bench: Workbench
    page: review.Review
    records: list[str]
    request: gr.Request

    def asked(self, shown: bool = True) -> str:
        """What the browser says is on the screen: the pair that the page last put there."""
        value = self.now
        pair = {k: value[k] for k in ("record", "candidate", "revision")}
        return json.dumps({"shown": pair if shown else None, "asked": value["record"]})

    def look(self, updates: dict[Any, Any]) -> dict[Any, Any]:
        self.now = updates.get(self.page.panes.viewer, getattr(self, "now", None))
        return updates

    def start(self) -> None:
        self.look(self.page.start(READER, {"state": "pending", "sort": "imported", "offset": 0}, self.request))

    @property
    def view(self) -> dict[str, Any]:
        return {"state": "pending", "sort": "imported", "offset": 0}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    bench = workbench(tmp_path)
    records = add(bench, [study(n) for n in range(6)])
    last(bench.generate(actor=OFFICER))
    with gr.Blocks():
        role, message = gr.Dropdown([READER]), gr.HTML()
        shell = Shell(Session(bench, signed=False), role, message)
        page = review.build(shell)
    made = Desk(bench, page, records, gr.Request())
    made.start()
    yield made
    bench.close()


def test_a_verdict_is_given_on_the_pair_that_is_on_the_screen_and_the_next_one_follows(desk: Desk) -> None:
    first = desk.now["record"]
    desk.look(desk.page.decide(desk.asked(), READER, desk.view, "approve", "", False, desk.request))
    assert desk.bench.show(first, actor=OFFICER)["state"] == "approved"
    assert desk.now["record"] != first


def test_no_verdict_before_the_images_are_on_the_screen(desk: Desk) -> None:
    with pytest.raises(UsageError, match="on the screen"):
        desk.page.decide(desk.asked(shown=False), READER, desk.view, "approve", "", False, desk.request)


def test_a_verdict_on_a_pair_that_has_changed_meanwhile_is_refused_in_words(desk: Desk) -> None:
    stale = desk.asked()
    last(desk.bench.regenerate(desk.now["record"], actor=desk.page.shell.actor(desk.request, READER), seeds=[11]))
    answer = told(desk.page.shell.say)(desk.page.decide)(stale, READER, desk.view, "approve", "", False, desk.request)
    assert "say-stop" in answer[desk.page.shell.message]
    assert not desk.bench.show(desk.now["record"], actor=OFFICER)["decisions"]


def test_an_observer_reads_but_decides_nothing(desk: Desk) -> None:
    updates = desk.page.start(GUEST, desk.view, desk.request)
    assert "Not shown to your role" in updates[desk.page.panes.reports]
    with pytest.raises(NotAllowed):
        desk.page.decide(desk.asked(), GUEST, desk.view, "approve", "", False, desk.request)


def test_undo_brings_back_the_pair_and_its_state(desk: Desk) -> None:
    first = desk.now["record"]
    desk.look(desk.page.decide(desk.asked(), READER, desk.view, "reject", "blurred", False, desk.request, ("Other",)))
    desk.look(desk.page.undo(READER, desk.view, desk.request))
    assert desk.now["record"] == first
    assert desk.bench.show(first, actor=OFFICER)["state"] == "pending"


def event(**data: Any) -> gr.EventData:
    return gr.EventData(None, data)


def test_a_flag_is_shown_in_queue_and_pair_and_is_cleared_with_words(desk: Desk) -> None:
    page, record = desk.page, desk.now["record"]
    shown = desk.look(page.flag_preset(desk.asked(), READER, desk.view, "top left", event(reason=3), desk.request))
    assert desk.now["record"] == record, "a flag does not go on to the next pair"
    assert "May still identify the patient: top left" in shown[page.panes.head]
    assert "Until cleared: not in a release" in shown[page.panes.head]
    assert "flagged for the privacy officer" in shown[page.queue]
    officers = desk.look(page.way("privacy-officer", event(to="flagged"), desk.request))
    assert desk.now["record"] == record and officers[page.filters.flagged] == "privacy-officer"
    assert "Nothing is flagged for you." in page.way(READER, event(to="flagged"), desk.request)[page.panes.head]
    [(label, flag)] = officers[page.flags.which]["choices"]
    assert "top left" in label
    with pytest.raises(UsageError, match="what came of it"):
        page.clear_flag(desk.asked(), "privacy-officer", desk.view, flag, " ", desk.request)
    cleared = page.clear_flag(desk.asked(), "privacy-officer", desk.view, flag, "A side mark.", desk.request)
    assert "Until cleared" not in cleared[page.panes.head] and "A side mark." in cleared[page.panes.history]
    assert cleared[page.flags.which]["choices"] == []


def test_who_may_not_edit_the_lists_asks_the_officer_from_the_word(desk: Desk) -> None:
    page = desk.page
    offered = page.words.open("chamber", "blacklist", page.shell.actor(desk.request, READER))
    assert not offered[page.words.save]["visible"] and offered[page.words.ask]["visible"]
    page.word_ask(desk.asked(), READER, desk.view, "chamber", "blacklist", "names", desk.request)
    [flag] = desk.bench.show(desk.now["record"], actor=OFFICER)["flags"]
    assert (flag["audience"], flag["reason"]) == ("privacy-officer", "Forbid “chamber” (names)?")


def test_blind_second_readings_are_counted_above_the_queue_and_open_at_a_click(desk: Desk) -> None:
    desk.bench.set_policy({"second_reading": 1.0}, actor=OFFICER)
    desk.bench.release_hold(actor=desk.page.shell.actor(desk.request, READER))
    for record in desk.records[:2]:
        desk.bench.decide(record, "approve", actor=SECOND)
    shown = desk.look(desk.page.way(READER, event(to="second"), desk.request))
    assert desk.now["record"] in desk.records[:2]
    assert "<b>2</b> ◐ blind" in shown[desk.page.progress] and "Blind second reading" in shown[desk.page.panes.head]
    assert SECOND.name not in shown[desk.page.panes.history]


def test_a_saved_view_sets_every_control_and_belongs_to_its_owner(desk: Desk) -> None:
    page, bar = desk.page, desk.page.filters
    view = {**desk.view, "finding": "nodule", "sort": "alignment"}
    bar.keep("nodules", True, view, READER, desk.request)
    key = bar.recall("", desk.page.shell.actor(desk.request, READER))
    assert key["state"] == "pending", "no view is the start"
    [row] = desk.bench.views(actor=SECOND)
    assert row["shared"]
    shown = page.recall(READER, f"{row['owner']}\nnodules", desk.request)
    assert (shown[bar.finding], shown[bar.sort], shown[bar.free]) == ("nodule", "alignment", False)
    desk.bench.save_view("hers", actor=SECOND, shared=True)
    with pytest.raises(UsageError, match="belongs to"):
        bar.forget(f"{SECOND.name}\nhers", READER, desk.request)
    bar.forget(f"{row['owner']}\nnodules", READER, desk.request)
    assert [v["name"] for v in desk.bench.views(actor=SECOND)] == ["hers"]


def test_methods_stand_side_by_side_and_the_current_version_stays(desk: Desk) -> None:
    before = desk.now["candidate"]
    *_, end = desk.page.compare(desk.asked(), READER, desk.view, desk.request)
    assert end[desk.page.panes.contact].count("data-choose") >= 3
    assert end[desk.page.panes.viewer]["candidate"] == before


def test_a_draft_belongs_to_its_pair(desk: Desk) -> None:
    desk.page.draft(desk.asked(), READER, "look again", desk.request)
    updates = desk.page.refresh(desk.asked(), READER, desk.view, desk.request)
    assert updates[desk.page.panes.comment] == "look again"


def test_other_versions_come_as_a_contact_sheet_and_one_is_picked(desk: Desk) -> None:
    settings = (2, "", 32, 60, 0.1, 0.0, "bias", 4.0, 20)
    *_, end = desk.page.make(desk.asked(), READER, desk.view, desk.request, *settings)
    assert end[desk.page.panes.contact].count("data-choose") == 3
    assert end[desk.page.panes.contact].count("data:image/png;base64,") == 3
    desk.look(end)
    detail = desk.bench.show(desk.now["record"], actor=OFFICER)
    other = next(c["candidate"] for c in detail["candidates"] if not c["current"])
    event = gr.EventData(None, {"candidate": other})
    desk.page.choose(desk.asked(), READER, desk.view, event, desk.request)
    assert desk.bench.show(desk.now["record"], actor=OFFICER)["candidate"] == other


def unpack(packed: dict[str, Any]) -> np.ndarray:
    """The browser's way back, in numpy."""
    import base64
    import zlib

    planes = np.frombuffer(zlib.decompress(base64.b64decode(packed["data"])), np.uint8)
    high, low = planes.reshape(2, packed["height"], packed["width"]).astype(np.uint16)
    return np.cumsum((high << 8) | low, axis=1, dtype=np.uint64).astype(np.uint16)


def test_pixels_reach_the_browser_at_full_depth() -> None:
    rng = np.random.default_rng(0)
    deep = rng.integers(0, 65536, (13, 17), dtype=np.uint16)
    assert np.array_equal(unpack(viewer.pack(deep)), deep)
    shallow = rng.integers(0, 256, (5, 9), dtype=np.uint8)
    assert np.array_equal(unpack(viewer.pack(shallow)), shallow.astype(np.uint16) * 257)


def test_the_background_imports_the_sample_once_and_generates_without_being_asked(tmp_path: Path) -> None:
    import time

    from tests.e2e.served import write_studies

    bench = workbench(tmp_path / "home")
    work = Background(bench, write_studies(tmp_path / "studies", 3))
    work.start()
    deadline = time.monotonic() + 30
    while bench.counts(actor=OFFICER)["states"]["pending"] < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    work.close()
    assert not work._thread.is_alive()
    assert bench.counts(actor=OFFICER)["states"]["pending"] == 3
    again = Background(bench, tmp_path / "studies" / "manifest.csv")
    again._first_import()
    assert bench.counts(actor=OFFICER)["total"] == 3
