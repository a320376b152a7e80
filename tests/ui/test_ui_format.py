"""What the pages show: escaped, complete, and never by colour alone."""

from __future__ import annotations

import re
import time
from html import unescape
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ui import plots, show
from ui.show import evidence, imports, lexicons, report, review, work

HOSTILE = '<img src=x onerror="alert(1)">&\'"'

PIECE = {"text": HOSTILE, "joins_left": True, "joins_right": True}


def plain(markup: str) -> str:
    """The text that a reader sees."""
    return unescape(re.sub(r"<[^>]+>", "", markup))


def gate(name: str, state: str, value: Any = 0.4, hard: bool = False) -> dict[str, Any]:
    return {
        "name": name,
        "title": show.titled(name),
        "value": value,
        "threshold": 0.5,
        "state": state,
        "explanation": f"Why {HOSTILE}",
        "advice": f"Do {HOSTILE}" if state in ("warn", "block") else "",
        "hard": hard,
    }


def card(**changes: Any) -> dict[str, Any]:
    base = {
        "record": "R1",
        "approvals": 0,
        "state": "pending",
        "patient": HOSTILE,
        "study": "S1",
        "view": "PA",
        "candidate": 3,
        "revision": 2,
        "risk": 1.5,
        "worst_gate": "warn",
        "held_by": None,
        "has_report": True,
        "remarks": [HOSTILE],
        "flagged_for": None,
        "error": "",
    }
    return {**base, **changes}


def page_of(*cards: dict[str, Any]) -> dict[str, Any]:
    return {"records": list(cards), "total": len(cards), "offset": 0, "limit": 50}


def test_nothing_that_a_study_says_becomes_markup() -> None:
    shown = [
        review.queue(page_of(card())),
        evidence.gates([gate("a", "warn"), gate("b", "unknown")], {}),
        report.reports({"original": HOSTILE, "filtered": HOSTILE, "spans": []}),
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
                "waiting": 0,
                "other": 0,
                "conflicts": [HOSTILE],
                "swallowed": [HOSTILE],
                "where": [{"record": HOSTILE, "state": "replaced", "in": ["report"], "terms": [HOSTILE]}],
            }
        ),
        lexicons.log(
            [{"version": 1, "created_at": HOSTILE, "author": HOSTILE, "comment": HOSTILE, "added": 0, "removed": 0}]
        ),
        work.failures([{"record": HOSTILE, "error": HOSTILE}]),
        imports.page(
            {
                "row": dict.fromkeys(("id", "source", "actor", "started", "finished", "layout", "again"), HOSTILE)
                | dict.fromkeys(("imported", "duplicates", "rejections", "without_report"), 1)
                | {"assume": {"view": HOSTILE}, "there": True},
                "rejected": [{"source": HOSTILE, "reason": HOSTILE}],
                "reasons": [{"reason": HOSTILE, "count": 1}] * 2,
                "total": 1,
                "offset": 0,
            }
        ),
        imports.look(
            {
                "layout": "csv",
                "table": HOSTILE,
                "files": 1,
                "columns": [HOSTILE],
                "matched": {"file": HOSTILE},
                "missing": [],
                "rows": [{"file": HOSTILE, "problem": HOSTILE}],
            },
            {"file": "Image file"},
        ),
        show.render("verified.html", report={"ok": False, "problems": [HOSTILE]}),
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
    assert plain(report.original_report(text, spans)) == text


LETTERS = st.text(alphabet="ab \n<[].X", max_size=50)


@st.composite
def spans_in(draw: st.DrawFn, text: str) -> list[dict[str, Any]]:
    """Pieces of a text that do not overlap."""
    ends = sorted(draw(st.lists(st.integers(0, len(text)), max_size=6, unique=True)))
    pairs = zip(ends[::2], ends[1::2], strict=False)
    return [{"start": a, "end": b, "rule": "r", "category": "names"} for a, b in pairs]


@given(LETTERS, LETTERS, st.data())
@settings(max_examples=60, deadline=None)
def test_the_marked_filtered_report_reads_as_the_filtered_report(
    original: str, filtered: str, data: st.DataObject
) -> None:
    spans = data.draw(spans_in(original))
    assert plain(report.filtered_report(original, filtered, spans)).replace("⌫", "") == filtered


@given(st.text(alphabet="ab \n<.X", max_size=60), st.sampled_from(["[NAME]", ""]), st.data())
@settings(max_examples=60, deadline=None)
def test_each_piece_that_stands_in_place_of_a_span_is_marked_and_nothing_else(
    original: str, placeholder: str, data: st.DataObject
) -> None:
    spans = data.draw(spans_in(original))
    kept = [
        original[a:b]
        for a, b in zip([0, *(s["end"] for s in spans)], [*(s["start"] for s in spans), None], strict=True)
    ]
    pieces = list(report.filtered_pieces(original, placeholder.join(kept), spans))
    assert "".join(text for text, _ in pieces) == placeholder.join(kept)
    if placeholder:
        assert [text for text, replaces in pieces if replaces] == [placeholder] * len(spans)


def test_what_stands_in_place_of_an_identifier_is_marked() -> None:
    span = {"start": 8, "end": 16, "rule": "titled name", "category": "names"}
    markup = report.filtered_report("Seen by Dr. Hill today", "Seen by [NAME] today", [span])
    assert '<mark class="sub">' in markup
    assert "[" in plain(markup) and "Hill" not in plain(markup)
    assert '<mark class="gone"' in report.filtered_report("Seen by Dr. Hill today", "Seen by  today", [span])


def test_a_stand_in_is_marked_whole() -> None:
    spans = [{"start": a, "end": b, "rule": "r", "category": "names"} for a, b in ((3, 11), (15, 25))]
    pieces = report.filtered_pieces(
        "By Ann Hill on 01/02/2020, 3 views.", "By Eva Stone on 05/06/2021, 3 views.", spans
    )
    assert [text for text, replaces in pieces if replaces] == ["Eva Stone", "05/06/2021"]


def test_a_report_of_the_greatest_length_shows_in_half_a_second() -> None:
    """200,000 characters and 4,000 identifying pieces, both reports; comparing the texts took minutes."""
    line = "Seen by Dr. Hill, there is a small <effusion> on the left. "
    number = 200_000 // len(line)
    spans = [
        {"start": n * len(line) + 8, "end": n * len(line) + 16, "rule": "titled name", "category": "names"}
        for n in range(number)
    ]
    original, filtered = line * number, line.replace("Dr. Hill", "[NAME]") * number
    report.reports({"original": "a", "filtered": "a", "spans": []})
    began = time.process_time()
    markup = report.reports({"original": original, "filtered": filtered, "spans": spans})
    assert time.process_time() - began < 0.5
    assert markup.count('class="phi"') == markup.count('class="sub"') == number


def test_gates_that_are_not_clear_stand_open_and_what_is_not_measured_is_said_to_be() -> None:
    markup = evidence.gates(
        [gate("calm", "clear"), gate("odd", "warn"), gate("bad", "block", hard=True), gate("dark", "unknown")], {}
    )
    assert markup.count("<details") == 4 and markup.count(" open>") == 2
    assert markup.index("Bad") < markup.index("Odd") < markup.index("Calm")
    assert "not measurable" in markup and "cannot be overridden" in markup and "1 of 4 clear" in markup
    assert markup.count('class="advice"') == 2, "each warning says what a reader can do"


def test_where_a_measure_lies_among_all_pairs_is_said_in_words() -> None:
    values = {"odd": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]}
    assert "higher than in 3 of 6 pairs" in evidence.gates([gate("odd", "warn", value=0.35)], values)
    assert "the lowest of 6 pairs" in evidence.gates([gate("odd", "warn", value=0.1)], values)
    assert "%" not in plain(evidence.gates([gate("odd", "warn", value=0.35)], values))


def test_the_history_tells_in_sentences_who_did_what_and_what_a_lexicon_took_back() -> None:
    entry = {"decision": 7, "candidate": 3, "reviewer": HOSTILE, "role": "radiologist", "verdict": "approve"}
    entry |= {"reasons": ["Compared by eye"], "comment": "", "overrides": ["odd"], "decided_at": "2026-01-02T00:00:00Z"}
    entry |= {"undone": True, "undoes": None, "blind": False}
    former = {"verdict": "approve", "reviewer": "Ann", "at": "2026-01-02T00:00:00Z"}
    voided = {"version": 4, "author": "Olga", "at": "2026-01-03T00:00:00Z", "candidate": 3, "terms": ["oak"]}
    pair = {
        "candidates": [],
        "decisions": [entry],
        "gates": [gate("odd", "warn")],
        "voided": {**voided, "former": former},
    }
    told = plain(review.history(pair))
    assert "Lexicon version 4 by Olga forbade “oak” in version 3. The verdict of Ann on it fell." in told
    assert f"{HOSTILE} (radiologist) approved version 3. It was taken back later." in told
    assert "Compared by eye; overrides Odd" in told and "<img" not in review.history(pair)


def test_every_state_has_a_word_and_a_sign_besides_its_colour() -> None:
    for state, (label, sign) in show.STATES.items():
        row = review.queue(page_of(card(state=state)))
        assert label in row and sign in row
    assert len(set(show.GATE_MARKS.values())) == len(show.GATE_MARKS)


def test_a_pair_that_somebody_else_holds_is_marked_and_ones_own_is_not() -> None:
    assert "held" in review.queue(page_of(card(held_by="Dr. Second")), "Dr. Reader")
    assert ">held<" not in review.queue(page_of(card(held_by="Dr. Reader")), "Dr. Reader")


def test_a_token_tells_its_report_word_rank_and_what_was_refused() -> None:
    token = {
        "id": 1,
        "text": "effusion",
        "role": "whitelist",
        "cosine": 0.41,
        "rank": 2,
        "report_word": "fluid",
        "refused": [{"text": "whitlock", "cosine": 0.6, "entry": "names: whitlock"}],
    }
    value = {"tokens": [token], "alignment_before": 0.2, "alignment_after": 0.4, "unread": ""}
    markup = unescape(review.prompt(value))
    for part in ("fluid", "0.41", "rank 2", "whitlock", "names: whitlock", "whitelist"):
        assert part in markup


def test_a_distribution_says_in_words_where_this_pair_lies() -> None:
    markup = plots.place([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 0.45, 0.3)
    assert "higher than in 4 of 6 pairs" in markup and 'class="limit"' in markup
    assert plots.place([0.1, 0.2], 0.1, 0.3) == ""


def test_a_run_never_says_that_it_made_more_than_there_was() -> None:
    run = {"run": 1, "state": "running", "done": 11, "failed": 0, "total": 5, "method": "updp", "actor": "x"}
    run |= {"started_at": "2026-01-01T00:00:00Z", "seconds": 22.0}
    assert "11 of 11" in work.running([run], {}, 0) and "11 of 11" in work.runs([run])


def test_panes_that_may_scroll_take_the_focus_so_that_keys_scroll_them() -> None:
    table = evidence.findings({"findings": {"report": {"nodule": "present"}}})
    entry: dict[str, Any] = {"candidate": 1, "created_at": "2026-01-01T00:00:00Z", "method": "updp", "seed": 1}
    entry |= {"lexicon_version": 1, "current": True, "void": False, "error": "", "prompt_text": "nodule"}
    for pane in (table, review.history({"candidates": [entry], "decisions": []})):
        assert pane.startswith('<section tabindex="0" aria-label=')


def test_a_lost_finding_is_named_before_the_others() -> None:
    value = {
        "report": {"nodule": "present", "edema": "absent"},
        "original": {"nodule": 0.9, "edema": 0.1},
        "synthetic": {"nodule": 0.2, "edema": 0.1},
        "lost": ["nodule"],
        "invented": [],
    }
    markup = evidence.findings({"findings": value})
    assert markup.index("Nodule") < markup.index("Edema") and "▲ lost" in markup


def test_a_stated_finding_that_the_judge_sees_in_neither_image_is_not_measurable() -> None:
    value: dict[str, Any] = {"report": {"nodule": "present"}, "original": {"nodule": 0.1}, "synthetic": {"nodule": 0.2}}
    assert "? seen in neither: not measurable" in evidence.findings({"findings": value})
    value["original"] = {"nodule": 0.9}
    assert "not measurable" not in evidence.findings({"findings": value})


def test_saving_a_list_tells_how_many_pairs_went_back() -> None:
    assert review.voided({"pending": 1, "approved": 2}) == "3 pairs went back into the queue."
    assert review.voided({"pending": 0, "approved": 0}) == "No pair was affected."


def test_a_report_that_hid_text_says_so_in_words_and_any_other_does_not() -> None:
    def shown(*spans: dict[str, Any]) -> str:
        return str(report.reports({"original": "a\u200bb S m i t h", "filtered": "ab [OTHER]", "spans": list(spans)}))

    hidden = {"start": 1, "end": 2, "rule": "hidden characters", "category": "hidden_text", "short": "hidden"}
    spaced = {"start": 4, "end": 13, "rule": "spaced letters", "category": "disguised_text", "short": "disguised"}
    plain = {"start": 4, "end": 13, "rule": "list of names", "category": "names", "short": "name"}
    assert "hid text from readers (hidden characters, spaced letters)" in shown(hidden, spaced)
    assert "hid text" not in shown(plain) and "hid text" not in shown()
