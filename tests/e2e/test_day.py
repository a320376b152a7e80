"""A working day on 500 pairs by keyboard alone: two radiologists and a privacy officer, each in their own browser.

Nothing here clicks. After each step the workspace is asked, through the core and by plain SQL, what really happened.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.keyboard import desk, focused, go_to, press, reach, said, shown, until, write
from tests.e2e.reading_room import HELD_BY_FEW, HOME_NAME, OFFICER, PAIRS, PASSWORD, Room
from updp_core.release import verify

pytestmark = pytest.mark.browser

LONG = 900.0
"""Seconds for work of the models on a machine that has other things to do."""


@pytest.fixture(scope="module")
def rita(browser: Any, room: Room) -> Iterator[Any]:
    with desk(browser, room.address, "rita", PASSWORD) as page:
        yield page


@pytest.fixture(scope="module")
def ravi(browser: Any, room: Room) -> Iterator[Any]:
    with desk(browser, room.address, "ravi", PASSWORD) as page:
        yield page


@pytest.fixture(scope="module")
def olga(browser: Any, room: Room) -> Iterator[Any]:
    with desk(browser, room.address, "olga", PASSWORD) as page:
        yield page


def search(page: Any, text: str) -> None:
    """Narrow the queue by a text, or widen it again with an empty one; the list follows."""
    page.keyboard.press("/")
    until(lambda: focused(page, "#f-text"), "the field of the search")
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.keyboard.type(text)
    field = page.locator("#f-text input, #f-text textarea").first
    until(lambda: field.input_value() == text, "the text in the field")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")


def listed(page: Any) -> list[str]:
    return page.locator("#queue [data-record]").evaluate_all("rows => rows.map(row => row.dataset.record)")


def decisions(room: Room) -> list[tuple[Any, ...]]:
    return room.rows("SELECT reviewer, verdict, record, reasons_json FROM decision ORDER BY id")


def approved_by(room: Room, name: str) -> list[str]:
    return [record for who, verdict, record, _ in decisions(room) if (who, verdict) == (name, "approve")]


def test_two_readers_at_the_same_time_hold_and_decide_different_pairs(rita: Any, ravi: Any, room: Room) -> None:
    assert room.states()["pending"] == PAIRS
    for key in ("a", "j", "a", "j", "a"):
        mine, other = press(rita, key), press(ravi, key)
        assert mine != other
        assert (room.holders()[mine], room.holders()[other]) == ("rita", "ravi")
    assert len(approved_by(room, "rita")) == len(approved_by(room, "ravi")) == 3
    assert not set(approved_by(room, "rita")) & set(approved_by(room, "ravi"))


def test_ten_approvals_two_of_them_found_by_a_search(rita: Any, room: Room) -> None:
    for _ in range(5):
        press(rita, "a")
    search(rita, HOME_NAME)
    until(lambda: len(listed(rita)) == HELD_BY_FEW, "the pairs whose report holds the word")
    until(lambda: shown(rita) in listed(rita), "the first of them is open")
    for _ in range(2):
        press(rita, "a")
    search(rita, "")
    until(lambda: len(listed(rita)) > HELD_BY_FEW, "the whole queue again")
    assert len(set(approved_by(room, "rita"))) == 10
    assert {room.show(record)["state"] for record in approved_by(room, "rita")} == {"approved"}


def test_a_rejection_with_its_reason_and_an_undo_that_is_an_entry_of_its_own(rita: Any, room: Room) -> None:
    rejected = shown(rita)
    rita.keyboard.press("r")
    until(lambda: focused(rita, "#reject-box.open"), "the focus is in the dialog")
    rita.keyboard.press("4")
    until(lambda: shown(rita) != rejected, "the next pair")
    assert decisions(room)[-1] == ("rita", "reject", rejected, '["Implausible anatomy"]')
    assert room.show(rejected)["state"] == "rejected"

    mistaken = shown(rita)
    press(rita, "a")
    assert room.show(mistaken)["state"] == "approved"
    rita.keyboard.press("u")
    until(lambda: shown(rita) == mistaken, "the pair is back on the screen")
    assert room.show(mistaken)["state"] == "pending"
    assert [entry[:3] for entry in decisions(room)[-2:]] == [
        ("rita", "approve", mistaken),
        ("rita", "undo", mistaken),
    ]


def test_a_flag_asks_the_officer_who_finds_the_pair_by_key_and_settles_it(rita: Any, olga: Any, room: Room) -> None:
    record = shown(rita)
    rita.keyboard.press("f")
    until(lambda: focused(rita, "#flag-box.open"), "the focus is in the dialog")
    rita.keyboard.press("3")
    said(rita, "Flagged for")
    assert [(f["reviewer"], f["audience"]) for f in room.show(record)["flags"]] == [("rita", "privacy-officer")]
    press(rita, "j")

    olga.keyboard.press("o")
    olga.keyboard.press("f")
    until(lambda: listed(olga) == [record] and shown(olga) == record, "what is flagged for the officer")
    olga.keyboard.press("Shift+F")
    until(lambda: focused(olga, "#clear-came"), "the focus is where the answer goes")
    olga.keyboard.type("no name in sight")
    reach(olga, "#clear-go")
    olga.keyboard.press("Enter")
    said(olga, "Flag cleared")
    until(lambda: not focused(olga, "#clear-box"), "the dialog is gone")
    assert not [flag for flag in room.show(record)["flags"] if flag["may_clear"]]
    olga.keyboard.press("o")
    olga.keyboard.press("q")
    until(lambda: len(listed(olga)) > 1, "the queue again")


def test_four_versions_with_new_seeds_are_made_and_another_one_is_picked(rita: Any, room: Room) -> None:
    record = shown(rita)
    rita.keyboard.press("g")
    until(lambda: focused(rita, "#regen-box.open"), "the focus is in the dialog")
    reach(rita, "#regen-now")
    rita.keyboard.press("Enter")
    until(lambda: rita.locator("#contact .card").count() == 5, "five versions on the contact sheet", LONG)
    made = room.rows("SELECT seed, image, width, method, error FROM candidate WHERE record = ? ORDER BY id", record)[1:]
    assert len({seed for seed, *_ in made}) == 4, "four seeds"
    assert len({image for _, image, *_ in made}) == 4, "four pictures"
    assert {tuple(rest) for _, _, *rest in made} == {(32, "updp", "")}, "drawn by the tiny generator, 32 px wide"
    rita.keyboard.press("v")
    until(lambda: focused(rita, "#contact .card"), "the focus is on the contact sheet")
    reach(rita, '#contact .card[aria-pressed="false"]')
    wanted = rita.evaluate("Number(document.activeElement.closest('.card').dataset.choose)")
    assert wanted != room.show(record)["candidate"]
    rita.keyboard.press("Enter")
    until(lambda: room.show(record)["candidate"] == wanted, "the picked version is current")
    assert room.rows("SELECT candidate FROM choice WHERE record = ? ORDER BY id DESC LIMIT 1", record) == [(wanted,)]


def test_a_word_is_forbidden_from_the_report_and_approvals_that_hold_it_come_back(
    olga: Any, rita: Any, room: Room
) -> None:
    held = [record for record in approved_by(room, "rita") if HOME_NAME in room.show(record)["report"]["filtered"]]
    assert len(held) == 2
    search(olga, HOME_NAME)
    until(lambda: HOME_NAME in olga.locator("#reports").inner_text(), "a report with the word")
    reach(olga, '#reports [aria-label="Filtered report"]')
    to_word(olga, HOME_NAME)
    olga.keyboard.press("Enter")
    until(lambda: olga.locator("#word-term input, #word-term textarea").input_value() == HOME_NAME, "the word's dialog")
    until(lambda: focused(olga, "#word-box.open"), "the focus is in the dialog")
    reach(olga, "#word-check")
    olga.keyboard.press("Enter")
    impact = until(lambda: "Pairs" in (t := olga.locator("#word-impact").inner_text()) and t, "the impact")
    assert f"{HELD_BY_FEW - 2} to review" in impact and "2 approved" in impact
    assert room.bench.lexicon_current(actor=OFFICER)["version"] == 1, "looking saves nothing"
    reach(olga, "#word-comment textarea, #word-comment input", "Shift+Tab")
    olga.keyboard.type("a nursing home in this town")
    reach(olga, "#word-save")
    olga.keyboard.press("Enter")
    said(olga, f"{HELD_BY_FEW} pairs went back into the queue")
    olga.keyboard.press("Escape")

    lexicon = room.bench.lexicon_current(actor=OFFICER)
    assert (lexicon["version"], lexicon["author"]) == (2, "olga")
    assert HOME_NAME in lexicon["blacklist"]["names"]
    assert dict(room.rows("SELECT record, count(*) FROM violation GROUP BY record")).keys() >= set(held)
    until(lambda: room.states()["void"] == 0, "the void pairs are made again", LONG)
    for record in held:
        now = room.show(record)
        assert (now["state"], now["candidates"][-1]["lexicon_version"]) == ("pending", 2)
        assert HOME_NAME not in f"{now['report']['filtered']} {now['prompt']['text']}".lower()
    search(rita, held[0])
    until(lambda: listed(rita) == [held[0]] and shown(rita) == held[0], "the void approval is in the queue again")
    search(rita, "")


def to_word(page: Any, word: str) -> None:
    """In a report: from word to word, until this one has the focus."""
    for _ in range(80):
        if page.evaluate("document.activeElement.textContent") == word:
            return
        page.keyboard.press("ArrowRight")
    raise AssertionError(f"the arrow keys do not lead to the word {word}")


def test_the_officer_asks_for_two_people_and_one_approval_no_longer_suffices(olga: Any, room: Room) -> None:
    before = room.states()["approved"]
    go_to(olga, "e", "Release")
    reach(olga, "#policy button")
    olga.keyboard.press("Enter")
    olga.locator("#policy-save").wait_for()
    olga.locator("#release-preview .leave").wait_for()
    olga.locator("#policy-gates table").wait_for()
    chosen = olga.locator("#policy-verdicts input:checked")
    until(lambda: chosen.count() == 1, "the policy in force")
    reach(olga, "#policy-verdicts input:not(:checked)")
    olga.keyboard.press("Space")
    until(lambda: "Two" in chosen.locator("xpath=..").inner_text(), "two people are chosen")
    reach(olga, "#policy textarea")
    olga.keyboard.type("two people from now on")
    reach(olga, "#policy-save")
    olga.keyboard.press("Enter")
    said(olga, "The policy is in force")
    assert room.rows("SELECT verdicts, author FROM policy_version ORDER BY id DESC LIMIT 1") == [(2, "olga")]
    assert (before, room.states()["approved"]) == (11, 0)


def test_a_second_person_s_approval_counts_and_one_s_own_again_does_not(ravi: Any, rita: Any, room: Room) -> None:
    mine = next(record for record in approved_by(room, "rita") if room.show(record)["state"] == "pending")
    search(rita, mine)
    until(lambda: shown(rita) == mine, "one's own pair")
    rita.keyboard.press("a")
    until(lambda: approved_by(room, "rita").count(mine) == 2, "the verdict is kept")
    assert room.show(mine)["state"] == "pending", "the same person twice is one person"
    search(rita, "")

    own = set(approved_by(room, "ravi"))
    ravi.keyboard.press("F5")
    until(lambda: ravi.evaluate("!!window.updp?.shown"), "the page again")
    for _ in range(5):
        assert shown(ravi) not in own, "what waits for somebody else is not offered again"
        press(ravi, "a")
    until(lambda: len(approved_by(room, "ravi")) == len(own) + 5, "five verdicts are kept", 60)
    both = set(approved_by(room, "ravi")) & set(approved_by(room, "rita"))
    assert len(both) == room.states()["approved"] >= 3
    assert {room.show(record)["state"] for record in both} == {"approved"}


def test_the_officer_signs_a_release_of_what_two_people_approved_and_verifies_it(
    olga: Any, room: Room, tmp_path: Path
) -> None:
    out = tmp_path / "release"
    go_to(olga, "r", "Review")
    go_to(olga, "e", "Release")
    number = str(room.states()["approved"])
    until(lambda: olga.locator("#release-preview .go b").inner_text().strip() == number, "what would leave", 60)
    reach(olga, "#release-folder textarea, #release-folder input")
    write(olga, str(out))
    reach(olga, "#release-comment textarea, #release-comment input")
    olga.keyboard.type("teaching files")
    reach(olga, "#release-recipient textarea, #release-recipient input")
    olga.keyboard.type("the medical school")
    reach(olga, "#release-go")
    olga.keyboard.press("Enter")
    olga.locator("#release-box.open").wait_for()
    assert f"{number} pair" in olga.locator("#release-question").inner_text()
    reach(olga, "#release-yes")
    olga.keyboard.press("Enter")
    until(lambda: f"{number} pairs released" in olga.locator("#release-outcome").inner_text(), "a release", LONG)
    reach(olga, "#verify-go")
    olga.keyboard.press("Enter")
    until(lambda: "Whole" in olga.locator("#verify-outcome").inner_text(), "it verifies")

    assert verify(out) == []
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    left = room.rows("SELECT c.record, c.prompt_text FROM release_pair p JOIN candidate c ON c.id = p.candidate")
    assert sorted(line["prompt"] for line in lines) == sorted(prompt for _, prompt in left)
    for record, _ in left:
        assert {d["reviewer"] for d in room.show(record)["decisions"] if d["verdict"] == "approve"} == {"rita", "ravi"}
    assert [row["officer"] for row in room.bench.releases(actor=OFFICER)] == ["olga"]
    assert room.bench.audit_verify(actor=OFFICER)["ok"]
