"""The pages' handlers on a real workspace: what they ask of the core, and what they refuse."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest

from tests.ui.desk import acting, shell_on
from tests.unit.workbench_kit import OFFICER, SECOND, add, last, study, workbench
from ui.background import Background
from ui.pages.intake import Intake
from ui.pages.release import Release
from ui.pages.review import Review, viewer
from ui.shell import Screen
from updp_core.domain import Actor
from updp_core.errors import NotAllowed, UsageError
from updp_core.methods import METHODS
from updp_core.workbench import Workbench

READER, GUEST = "radiologist", "observer"


@dataclass
class Desk:
    bench: Workbench
    page: Review
    records: list[str]

    def acting(self, role: str = READER) -> Actor:
        return acting(self.page.shell, role)

    def asked(self, shown: bool = True) -> Screen:
        """What the browser says is on the screen: the pair that the page last put there."""
        value = self.now
        pair = {k: value[k] for k in ("record", "candidate", "revision")}
        return Screen.read(json.dumps({"shown": pair if shown else None, "asked": value["record"]}))

    def look(self, updates: dict[Any, Any]) -> dict[Any, Any]:
        self.now = updates.get(self.page.pair.column.viewer, getattr(self, "now", None))
        return updates

    def start(self) -> None:
        self.look(self.page.on_role(self.acting(), Screen(), {"state": "pending", "sort": "imported", "offset": 0}))

    @property
    def view(self) -> dict[str, Any]:
        return {"state": "pending", "sort": "imported", "offset": 0}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    bench = workbench(tmp_path)
    records = add(bench, [study(n) for n in range(6)])
    last(bench.generate(actor=OFFICER))
    with gr.Blocks():
        page = Review(shell_on(bench))
    made = Desk(bench, page, records)
    made.start()
    yield made
    bench.close()


def test_a_verdict_is_given_on_the_pair_that_is_on_the_screen_and_the_next_one_follows(desk: Desk) -> None:
    first = desk.now["record"]
    desk.look(desk.page.decide("approve", desk.acting(), desk.asked(), desk.view, ""))
    assert desk.bench.show(first, actor=OFFICER)["state"] == "approved"
    assert desk.now["record"] != first


def test_no_verdict_before_the_images_are_on_the_screen(desk: Desk) -> None:
    with pytest.raises(UsageError, match="on the screen"):
        desk.page.decide("approve", desk.acting(), desk.asked(shown=False), desk.view, "")


def test_a_verdict_on_a_pair_that_has_changed_meanwhile_is_refused_in_words(desk: Desk) -> None:
    stale = desk.asked()
    last(desk.bench.regenerate(desk.now["record"], actor=desk.acting(), seeds=[11]))
    answer = desk.page.shell.answer(desk.page.decide)("approve", desk.acting(), stale, desk.view, "")
    assert "say-stop" in answer[desk.page.shell.message]
    assert not desk.bench.show(desk.now["record"], actor=OFFICER)["decisions"]


def test_an_observer_reads_but_decides_nothing(desk: Desk) -> None:
    updates = desk.page.on_role(desk.acting(GUEST), Screen(), desk.view)
    assert "Not shown to your role" in updates[desk.page.pair.column.reports]
    with pytest.raises(NotAllowed):
        desk.page.decide("approve", desk.acting(GUEST), desk.asked(), desk.view, "")


def test_the_pair_that_is_open_stays_open_when_the_role_changes(desk: Desk) -> None:
    first, other = (row["record"] for row in desk.bench.page(actor=desk.acting())["records"][:2])
    for record in (first, other):
        updates = desk.page.on_role(desk.acting("privacy-officer"), Screen(record=record), desk.view)
        assert record in updates[desk.page.pair.side.head]


def test_buttons_that_a_role_may_not_press_are_dead(desk: Desk) -> None:
    guest, reader = (desk.page.on_role(desk.acting(role), Screen(), desk.view) for role in (GUEST, READER))
    for button in desk.page.pair.buttons:
        assert (guest[button]["interactive"], reader[button]["interactive"]) == (False, True)


def test_the_end_of_a_queue_sums_up_and_offers_what_is_next(desk: Desk) -> None:
    for record in desk.records:
        desk.bench.decide(record, "approve", actor=desk.acting())
    shown = desk.page.on_role(desk.acting(), Screen(), desk.view)[desk.page.pair.side.head]
    assert "Everything of this filter is done." in shown
    assert "You decided 6 pairs today: 6 approved." in shown and "Of all 6: 6 approved." in shown
    assert 'data-to-page="Release"' in shown and "6 approved: to the release" in shown


def test_the_clock_keeps_the_counts_of_the_filters_as_fresh_as_the_progress(desk: Desk) -> None:
    desk.bench.decide(desk.records[5], "approve", actor=SECOND)
    now = desk.page.tick(desk.acting(), desk.asked(), desk.view)
    assert ("To review (5)", "pending") in now[desk.page.filters.state]["choices"]
    assert "<b>5</b> to review" in now[desk.page.progress]


def test_a_batch_is_approved_after_a_look_at_both_images(desk: Desk) -> None:
    sample = desk.page.batch_look(desk.acting(), desk.view)[desk.page.batch.sample]
    number = int(re.search(r"<b>(\d+)</b>", sample)[1])  # type: ignore[index]
    assert sample.count("Original image of") == sample.count("Synthetic image of") == min(number, 12)


def test_the_menu_of_methods_of_the_next_run_is_filled(desk: Desk) -> None:
    with gr.Blocks():
        intake = Intake(shell_on(desk.bench))
    menu = intake.on_role(desk.acting("privacy-officer"), Screen())[intake.method]["choices"]
    assert menu[0][1] == "" and "updp" in [name for _, name in menu]


def test_the_release_tells_of_each_pair_whether_it_leaves_and_opens_it_at_a_click(desk: Desk) -> None:
    _, leaving, flagged, *_ = desk.records  # the first is in the hands of who sits here
    desk.bench.decide(leaving, "approve", actor=SECOND)
    desk.bench.decide(flagged, "approve", actor=SECOND)
    desk.bench.flag(flagged, "look", audience="privacy-officer", actor=SECOND)
    with gr.Blocks():
        page = Release(shell_on(desk.bench))
    table = page.look(desk.acting("privacy-officer"), Screen())[page.records]
    rows = {record: row for row in table.split("<tr>")[2:] for record in desk.records if f'"{record}"' in row}
    assert len(rows) == 6 and "<td>leaves</td>" in rows[leaving]
    assert "stays: flagged for the privacy officer" in rows[flagged]
    assert desk.bench.show(leaving, actor=OFFICER)["patient"] in rows[leaving]


def test_undo_brings_back_the_pair_and_its_state(desk: Desk) -> None:
    first = desk.now["record"]
    desk.look(desk.page.reject(desk.acting(), "Other", desk.asked(), desk.view, "blurred"))
    desk.look(desk.page.undo(desk.acting(), desk.view))
    assert desk.now["record"] == first
    assert desk.bench.show(first, actor=OFFICER)["state"] == "pending"


def test_a_flag_is_shown_in_queue_and_pair_and_is_cleared_with_words(desk: Desk) -> None:
    page, record = desk.page, desk.now["record"]
    shown = desk.look(page.flag_preset(desk.acting(), 3, desk.asked(), desk.view, "top left"))
    assert desk.now["record"] == record, "a flag does not go on to the next pair"
    assert "May still identify the patient: top left" in shown[page.pair.side.head]
    assert "Until cleared: not in a release" in shown[page.pair.side.head]
    assert "flagged for the privacy officer" in shown[page.queue]
    officers = desk.look(page.way(desk.acting("privacy-officer"), "flagged"))
    assert desk.now["record"] == record and officers[page.filters.flagged] == "privacy-officer"
    assert "Nothing is flagged for you." in page.way(desk.acting(), "flagged")[page.pair.side.head]
    [(label, flag)] = officers[page.flags.which]["choices"]
    assert "top left" in label
    with pytest.raises(UsageError, match="what came of it"):
        page.clear_flag(desk.acting("privacy-officer"), desk.asked(), desk.view, flag, " ")
    cleared = page.clear_flag(desk.acting("privacy-officer"), desk.asked(), desk.view, flag, "A side mark.")
    assert "Until cleared" not in cleared[page.pair.side.head] and "A side mark." in cleared[page.pair.column.history]
    assert cleared[page.flags.which]["choices"] == []


def test_who_may_not_edit_the_lists_asks_the_officer_from_the_word(desk: Desk) -> None:
    page = desk.page
    offered = page.words.open(desk.acting(), "chamber", "blacklist")
    assert not offered[page.words.save]["visible"] and offered[page.words.ask]["visible"]
    page.word_ask(desk.acting(), desk.asked(), desk.view, "chamber", "blacklist", "names")
    [flag] = desk.bench.show(desk.now["record"], actor=OFFICER)["flags"]
    assert (flag["audience"], flag["reason"]) == ("privacy-officer", "Forbid “chamber” (names)?")


def test_blind_second_readings_are_counted_above_the_queue_and_open_at_a_click(desk: Desk) -> None:
    desk.bench.set_policy({"second_reading": 1.0}, actor=OFFICER)
    desk.bench.release_hold(actor=desk.acting())
    for record in desk.records[:2]:
        desk.bench.decide(record, "approve", actor=SECOND)
    shown = desk.look(desk.page.way(desk.acting(), "second"))
    assert desk.now["record"] in desk.records[:2]
    assert "<b>2</b> ◐ blind" in shown[desk.page.progress] and "Blind second reading" in shown[desk.page.pair.side.head]
    assert SECOND.name not in shown[desk.page.pair.column.history]


def test_a_saved_view_sets_every_control_and_belongs_to_its_owner(desk: Desk) -> None:
    page, bar = desk.page, desk.page.filters
    view = {**desk.view, "finding": "nodule", "sort": "alignment"}
    kept = bar.keep(desk.acting(), "nodules", True, view)[bar.view]
    key = bar.recall("", desk.acting())
    assert key["state"] == "pending", "no view is the start"
    [row] = desk.bench.views(actor=SECOND)
    assert row["shared"]
    assert not page.recall(desk.acting(), kept, f"{row['owner']}\nnodules"), "its menu was only left"
    shown = page.recall(desk.acting(), desk.view, f"{row['owner']}\nnodules")
    assert shown[bar.saved]["value"] == shown[bar.view]["saved"] == f"{row['owner']}\nnodules"
    assert (shown[bar.finding]["value"], shown[bar.sort], shown[bar.free]) == ("nodule", "alignment", False)
    desk.bench.save_view("hers", actor=SECOND, shared=True)
    with pytest.raises(UsageError, match="belongs to"):
        bar.forget(desk.acting(), f"{SECOND.name}\nhers", view)
    bar.forget(desk.acting(), f"{row['owner']}\nnodules", view)
    assert [v["name"] for v in desk.bench.views(actor=SECOND)] == ["hers"]


def test_leaving_a_menu_of_the_filter_moves_nothing_and_changing_one_opens_the_first_pair(desk: Desk) -> None:
    page, bar = desk.page, desk.page.filters
    as_they_are = [desk.view.get(key, "") for key in bar.controls()]
    assert set(page.filter(desk.acting(), desk.view, *as_they_are)) == {bar.view}
    changed = [{"sort": "-imported"}.get(key, value) for key, value in zip(bar.controls(), as_they_are, strict=True)]
    shown = page.filter(desk.acting(), {**desk.view, "saved": "a view"}, *changed)
    assert page.pair.side.head in shown and shown[bar.saved]["value"] == "" and "saved" not in shown[bar.view]


def test_methods_stand_side_by_side_and_the_current_version_stays(desk: Desk) -> None:
    before, cards, actor = desk.now["candidate"], desk.page.methods.cards, desk.acting()
    here = {m["name"] for m in desk.bench.methods(actor=actor) if m["available"]}
    opened = desk.page.methods.look(actor, desk.asked())[cards]
    assert set(re.findall(r'data-method="([a-z-]+)"', opened)) == here and "not made yet" in opened
    for name in here:
        assert METHODS[name].holds in unescape(opened)
        assert all(f'data-setting="{slider.name}"' in opened for slider in METHODS[name].sliders)
    *steps, end = desk.page.compare(actor, "", {"dp-pix": {"b": 4}}, 7, desk.asked(), desk.view)
    assert end[desk.page.pair.column.viewer]["candidate"] == before
    sheet = [s[cards] for s in steps if cards in s][-1]
    assert "not made yet" not in sheet and sheet.count('class="marks"') == len(here)
    made = {c["method"]: c for c in desk.bench.show(desk.now["record"], actor=actor)["candidates"]}
    assert made["dp-pix"]["settings"]["requested"]["settings"] == {"b": 4} and {
        made[name]["seed"] for name in here
    } == {7}
    # Only what may leave can be made current: of these, UPDP's.
    assert re.findall(r'data-choose="(\d+)"', sheet) == [str(made["updp"]["candidate"])]
    assert "for comparison only" in sheet and "the policy does not let it out" in sheet
    *_, told, _ = desk.page.compare(actor, "dp-pix", {"dp-pix": {"b": 0}}, 7, desk.asked(), desk.view)
    assert "from 1 to 512" in str(told[desk.page.shell.message]), "and the sheet can be used again"
    assert "disabled" not in told[cards]


def test_a_click_beside_a_rare_combination_makes_the_pair_again_without_what_makes_it_rare(desk: Desk) -> None:
    page, gates = desk.page, desk.page.pair.side.gates
    report = "FINDINGS: The heart is enlarged. There is a small left pleural effusion."
    add(desk.bench, [study(100 + n, report=report) for n in range(100)])
    [rare] = add(desk.bench, [study(300, report=f"{report} There is a pacemaker.")])
    last(desk.bench.regenerate(rare, actor=OFFICER))
    shown = desk.look(page.pick(desk.acting(), rare))
    assert "data-clear" in shown[gates] and "without pacemaker" in shown[gates]
    assert "data-clear" not in page.pick(desk.acting(GUEST), rare)[gates]
    with pytest.raises(NotAllowed):
        list(page.clear_rarity(desk.acting(GUEST), desk.asked(), desk.view))
    *_, end = page.clear_rarity(desk.acting(), desk.asked(), desk.view)
    told = desk.bench.show(rare, actor=OFFICER)["report"]["filtered"]
    assert "data-clear" not in end[gates] and "pacemaker" not in told and "effusion" in told


def test_a_draft_belongs_to_its_pair(desk: Desk) -> None:
    desk.page.draft(desk.acting(), desk.asked(), "look again")
    updates = desk.page.look(desk.acting(), desk.asked(), desk.view)
    assert updates[desk.page.pair.side.comment] == "look again"


def test_other_versions_come_as_a_contact_sheet_and_one_is_picked(desk: Desk) -> None:
    settings = (2, "", 32, 60, 0.1, 0.0, "bias", 4.0, 20)
    *_, end = desk.page.make(desk.acting(), desk.asked(), desk.view, *settings)
    assert end[desk.page.pair.column.contact].count("data-choose") == 3
    assert end[desk.page.pair.column.contact].count("data:image/png;base64,") == 3
    desk.look(end)
    detail = desk.bench.show(desk.now["record"], actor=OFFICER)
    other = next(c["candidate"] for c in detail["candidates"] if not c["current"])
    desk.page.choose(desk.acting(), other, desk.asked(), desk.view)
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
