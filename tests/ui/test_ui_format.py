"""What the pages show: escaped, complete, and never by colour alone."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ui.show import evidence as evidence
from ui.show import lexicons as lexicons
from ui.show import pages as pages
from ui.show import review as show

HOSTILE = '<img src=x onerror="alert(1)">&\'"'

PIECE = {"text": HOSTILE, "joins_left": True, "joins_right": True}


def plain(markup: str) -> str:
    """The text that a reader sees."""
    return unescape(re.sub(r"<[^>]+>", "", markup))


def gate(name: str, state: str, value: Any = 0.4, hard: bool = False) -> dict[str, Any]:
    return {
        "name": name, "title": show.title(name), "value": value, "threshold": 0.5, "state": state,
        "explanation": f"Why {HOSTILE}", "hard": hard,
    }  # fmt: skip


def card(**changes: Any) -> dict[str, Any]:
    base = {
        "record": "R1", "state": "pending", "patient": HOSTILE, "study": "S1", "view": "PA", "candidate": 3,
        "revision": 2,
        "risk": 1.5, "worst_gate": "warn", "held_by": None, "has_report": True, "remarks": [HOSTILE],
        "flagged_for": None, "error": "",
    }  # fmt: skip
    return {**base, **changes}


def page_of(*cards: dict[str, Any]) -> dict[str, Any]:
    return {"records": list(cards), "total": len(cards), "offset": 0, "limit": 50}


def test_nothing_that_a_study_says_becomes_markup() -> None:
    shown = [
        show.queue(page_of(card())),
        evidence.gates([gate("a", "warn"), gate("b", "unknown")], {}),
        show.reports({"original": HOSTILE, "filtered": HOSTILE, "spans": []}),
        show.message(HOSTILE),
        evidence.findings({"findings": {"report": {HOSTILE: "present"}}}),
        lexicons.hits("x", {"blacklist": {HOSTILE: ["x" + HOSTILE]}, "whitelist": {}}),
        lexicons.draft(
            {
                "add": {"blacklist": {HOSTILE: [HOSTILE]}},
                "remove": {},
                "terms": 1,
                "version": 1,
                "current": 1,
                "saved_at": HOSTILE,
            }
        ),
        lexicons.pieces(
            {
                "encoder": HOSTILE,
                "size": 1,
                "masked": 1,
                "freed": 1,
                "more": 0,
                "free_again": [PIECE],
                "terms": [{"term": HOSTILE, "masked": [PIECE], "reads": [PIECE]}],
            }
        ),
        lexicons.impact(
            {
                "pending": 1,
                "approved": 0,
                "released": 0,
                "other": 0,
                "conflicts": [HOSTILE],
                "swallowed": [HOSTILE],
                "where": [{"record": HOSTILE, "state": "replaced", "in": ["report"], "terms": [HOSTILE]}],
            }
        ),
        lexicons.log(
            [{"version": 1, "created_at": HOSTILE, "author": HOSTILE, "comment": HOSTILE, "added": 0, "removed": 0}]
        ),
        pages.failures([{"record": HOSTILE, "error": HOSTILE}]),
        pages.imported({"imported": 0, "duplicates": 0, "rejected": [{"source": HOSTILE, "reason": HOSTILE}]}),
        pages.verified({"ok": False, "problems": [HOSTILE]}),
    ]
    for markup in shown:
        assert "<img src=x" not in markup
        assert plain(markup)


@given(st.text(alphabet="ab \n<&.-_1", max_size=60), st.data())
@settings(max_examples=60, deadline=None)
def test_a_marked_report_reads_as_the_report(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    spans = [{"start": start, "end": end, "rule": "r", "category": "names"}] if end > start else []
    assert plain(show.original_report(text, spans)) == text


@given(st.text(alphabet="ab \n<[].X", max_size=50), st.text(alphabet="ab \n<[].X", max_size=50))
@settings(max_examples=60, deadline=None)
def test_the_marked_filtered_report_reads_as_the_filtered_report(original: str, filtered: str) -> None:
    assert plain(show.filtered_report(original, filtered)).replace("⌫", "") == filtered


def test_what_stands_in_place_of_an_identifier_is_marked() -> None:
    markup = show.filtered_report("Seen by Dr. Hill today", "Seen by [NAME] today")
    assert '<mark class="sub">' in markup
    assert "[" in plain(markup) and "Hill" not in plain(markup)


def test_gates_that_are_not_clear_stand_open_and_what_is_not_measured_is_said_to_be() -> None:
    markup = evidence.gates(
        [gate("calm", "clear"), gate("odd", "warn"), gate("bad", "block", hard=True), gate("dark", "unknown")], {}
    )
    assert markup.count("<details") == 4 and markup.count(" open>") == 2
    assert markup.index("Bad") < markup.index("Odd") < markup.index("Calm")
    assert "Not measured (1)" in markup and "cannot be overridden" in markup and "1 of 4 clear" in markup


def test_every_state_has_a_word_and_a_sign_besides_its_colour() -> None:
    for state, (label, sign) in show.STATES.items():
        row = show.queue(page_of(card(state=state)))
        assert label in row and sign in row
    assert len(set(show.GATE_MARKS.values())) == len(show.GATE_MARKS)


def test_a_pair_that_somebody_else_holds_is_marked_and_ones_own_is_not() -> None:
    assert "held" in show.queue(page_of(card(held_by="Dr. Second")), "Dr. Reader")
    assert ">held<" not in show.queue(page_of(card(held_by="Dr. Reader")), "Dr. Reader")


def test_a_token_tells_its_report_word_rank_and_what_was_refused() -> None:
    token = {
        "id": 1, "text": "effusion", "role": "whitelist", "cosine": 0.41, "rank": 2, "report_word": "fluid",
        "refused": [{"text": "whitlock", "cosine": 0.6, "entry": "names: whitlock"}],
    }  # fmt: skip
    value = {"tokens": [token], "alignment_before": 0.2, "alignment_after": 0.4, "unread": ""}
    markup = unescape(show.prompt(value))
    for part in ("fluid", "0.41", "rank 2", "whitlock", "names: whitlock", "whitelist"):
        assert part in markup


def test_a_distribution_says_in_words_where_this_pair_lies() -> None:
    markup = evidence.histogram([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 0.45, 0.3)
    assert "67 % of 6 pairs lie below this one" in markup and 'class="limit"' in markup
    assert evidence.histogram([0.1, 0.2], 0.1, 0.3) == ""


def test_panes_that_may_scroll_take_the_focus_so_that_keys_scroll_them() -> None:
    table = evidence.findings({"findings": {"report": {"nodule": "present"}}})
    entry: dict[str, Any] = {"candidate": 1, "created_at": "2026-01-01T00:00:00Z", "method": "updp", "seed": 1}
    entry |= {"lexicon_version": 1, "current": True, "void": False, "error": "", "prompt_text": "nodule"}
    for pane in (table, show.history({"candidates": [entry], "decisions": []})):
        assert pane.startswith('<section tabindex="0" aria-label=')


def test_a_lost_finding_is_named_before_the_others() -> None:
    value = {
        "report": {"nodule": "present", "edema": "absent"}, "original": {"nodule": 0.9, "edema": 0.1},
        "synthetic": {"nodule": 0.2, "edema": 0.1}, "lost": ["nodule"], "invented": [],
    }  # fmt: skip
    markup = evidence.findings({"findings": value})
    assert markup.index("Nodule") < markup.index("Edema") and "▲ lost" in markup


def test_saving_a_list_tells_how_many_pairs_went_back() -> None:
    assert show.voided({"pending": 1, "approved": 2}) == "3 pairs went back into the queue."
    assert show.voided({"pending": 0, "approved": 0}) == "No pair was affected."
