"""The phantom's reports and captions: true to the picture, PHI known to the character."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from updp_core.phantom import FINDINGS, caption, sample_patient, sample_visit, write_report
from updp_core.phantom.patient import SEVERITIES, Finding, sample_finding
from updp_core.phantom.people import encounter
from updp_core.phantom.phi import burn, burned_lines, mark, number_words, unmark
from updp_core.phantom.phrases import expand

CATEGORIES = {
    "name",
    "personnel",
    "contact",
    "location",
    "date",
    "demographic",
    "institution",
    "identifier",
    "device_serial",
}
# What a reader would take as a mention of each finding, written independently of the grammar.
MENTION = {
    "cardiomegaly": r"cardiomegaly|cardiac enlargement|enlarged|enlargement|cardiothoracic ratio is increased",
    "pleural_effusion": r"effusion|pleural fluid",
    "consolidation": r"consolidation|airspace|pneumonia\b",
    "atelectasis": r"atelecta",
    "edema": r"edema",
    "pneumothorax": r"pneumothorax",
    "nodule": r"\bnodule|\bmass\b",
    "emphysema": r"emphysem|bullae|hyperinflat|hyperexpan",
    "fibrosis": r"fibro",
    "pleural_thickening": r"pleural thickening",
    "hernia": r"hernia",
    "scoliosis": r"scoliosis",
    "rib_fracture": r"fracture",
    "granuloma": r"granuloma",
    "pacemaker": r"pacemaker",
    "central_line": r"central (venous|line)",
    "endotracheal_tube": r"endotracheal",
    "sternotomy_wires": r"sternotomy",
    "chest_tube": r"chest tube|thoracostomy|pleural drain",
}
NEGATION = re.compile(r"\b(no|not|without|negative|none)\b", re.I)
# Words of denial that deny something else than the finding of their sentence.
COMPARES = re.compile(
    r"no significant change|not seen previously|(no|without) lung markings|without mediastinal shift", re.I
)


def visits(count: int, start: int = 0):
    return [sample_visit(sample_patient(s), s % 3) for s in range(start, start + count)]


def statements(text: str) -> list[str]:
    """Sentences that assert something: those without a negation."""
    sentences = re.split(r"(?<=[.!?])\s+(?=[A-Z0-9])", text)
    return [s for s in sentences if not NEGATION.search(COMPARES.sub("", s))]


def asserted(text: str, name: str) -> bool:
    return any(re.search(MENTION[name], s, re.I) for s in statements(text))


def only(name: str, **changes) -> object:
    finding = replace(sample_finding(name, True, np.random.default_rng(3)), **changes)
    return replace(sample_visit(replace(sample_patient(77), chronic=()), 0), findings=(finding,))


def test_gold_spans_stand_in_order_and_cover_whole_values():
    for s, visit in enumerate(visits(150)):
        report = write_report(visit, s)
        end = 0
        for span in report.spans:
            piece = report.text[span.start : span.end]
            assert end <= span.start < span.end <= len(report.text)
            assert piece == piece.strip() != ""
            assert span.category in CATEGORIES
            before, after = report.text[span.start - 1 : span.start], report.text[span.end : span.end + 1]
            assert not (before.isalnum() and piece[0].isalnum())
            assert not (after.isalnum() and piece[-1].isalnum())
            end = span.end


def test_every_value_of_the_encounter_that_a_report_holds_is_a_gold_span():
    for s, visit in enumerate(visits(150)):
        report, e = write_report(visit, s), encounter(visit)
        covered = np.zeros(len(report.text), bool)
        for span in report.spans:
            covered[span.start : span.end] = True
        text = report.text.replace("\n", " ")
        values = [value for value in vars(e).values() if isinstance(value, str) and len(value) > 2]
        values += [e.patient.family, e.radiologist.full, e.referrer.full, e.relative.full]
        values += [f"{e.date:%m/%d/%Y}", f"{e.birth:%m/%d/%Y}"]
        for value in values:
            for match in re.finditer(rf"(?<!\w){re.escape(value)}(?!\w)", text):
                assert covered[match.start() : match.end()].all(), value
        for match in re.finditer(r"\d{3,}|@|https?:|\d+[-/]\d+[-/]\d+", text):
            assert covered[match.start() : match.end()].all(), match[0]


def test_every_category_of_phi_is_planted_in_header_body_and_signature():
    counts: Counter[str] = Counter()
    body: Counter[str] = Counter()
    for s, visit in enumerate(visits(250)):
        report = write_report(visit, s)
        counts.update(span.category for span in report.spans)
        inside = range(report.text.find("FINDINGS"), report.text.find("IMPRESSION"))
        body.update(span.category for span in report.spans if span.start in inside)
    assert set(counts) == CATEGORIES
    assert min(counts.values()) >= 20
    assert {"name", "date", "institution", "location", "device_serial"} <= set(body)


def test_a_report_without_phi_has_no_spans_and_no_value_of_the_encounter():
    for s, visit in enumerate(visits(80)):
        report, e = write_report(visit, s, phi=False), encounter(visit)
        assert report.spans == ()
        assert not re.search(r"\d{3,}|@|year|Dr\b", report.text)
        for value in (e.patient.family, e.hospital, e.city):
            assert not re.search(rf"\b{re.escape(value)}\b", report.text) or value.lower() in (
                "long",
                "small",
                "short",
                "hill",
                "hand",
                "bone",
            )


def test_a_caption_has_no_phi_and_no_marks_of_the_grammar():
    for s, visit in enumerate(visits(300)):
        text = caption(visit, s)
        assert not re.search(r"\d{3,}|\d+/\d+|@|year|\bDr\b|\bMr|Hospital|[\[\]{}|\ue000-\ue002]|  ", text), text
        for number in re.findall(r"\d+(?:\.\d+)?(?! cm)", text):
            assert re.search(rf"{number}(\.\d)? ?(cm|to|hours|weeks)|in \d to {number}", text), text


@pytest.mark.parametrize("kind", ["caption", "report"])
def test_no_text_states_a_finding_that_is_absent_or_leaves_one_out(kind):
    for s, visit in enumerate(visits(250, 1000)):
        text = caption(visit, s)
        if kind == "report":
            report = write_report(visit, s)
            text = report.findings_text + " " + report.impression
        for name in FINDINGS:
            if visit.labels[name]:
                assert re.search(MENTION[name], text, re.I), (name, text)
            else:
                assert not any(re.search(MENTION[name], x, re.I) for x in statements(text)), (name, text)


@pytest.mark.parametrize("name", FINDINGS)
def test_a_present_finding_is_asserted_in_both_sections(name):
    for seed in range(12):
        report = write_report(only(name), seed)
        assert asserted(report.findings_text, name), report.findings_text
        assert asserted(report.impression, name), report.impression


@pytest.mark.parametrize(
    "name",
    [
        "pleural_effusion",
        "consolidation",
        "pneumothorax",
        "nodule",
        "granuloma",
        "pacemaker",
        "chest_tube",
        "rib_fracture",
    ],
)
@pytest.mark.parametrize(("side", "other"), [("right", "left"), ("left", "right")])
def test_side_words_follow_the_finding(name, side, other):
    for seed in range(10):
        text = caption(only(name, side=side), seed).lower()
        assert re.search(rf"\b{side}", text)
        assert not re.search(rf"\b{other}\b", text)


@pytest.mark.parametrize(
    ("zone", "words", "wrong"),
    [
        ("upper", r"upper", r"lower|base|middle|mid\b"),
        ("lower", r"lower|base", r"upper|middle|mid\b"),
        ("mid", r"mid|lingula", r"upper|lower|base"),
    ],
)
def test_zone_words_follow_the_finding(zone, words, wrong):
    for seed in range(12):
        text = caption(only("consolidation", side="right", zone=zone), seed).lower()
        assert re.search(words, text)
        assert not re.search(wrong, text), text


def test_severity_words_follow_the_finding():
    allowed = {"mild": "small|trace|minimal", "moderate": "moderate", "severe": "large|massive"}
    for index, severity in enumerate(SEVERITIES):
        for seed in range(12):
            text = caption(only("pleural_effusion", severity=severity, size=(index + 0.5) / 3), seed).lower()
            assert re.search(allowed[severity], text), text
            for other in set(SEVERITIES) - {severity}:
                assert not re.search(rf"\b({allowed[other]})\b", text), text


def test_measures_in_a_report_are_those_of_the_picture():
    finding = Finding("nodule", "left", "upper", "moderate", True, 0.5, 9)
    visit = replace(only("nodule"), findings=(finding,))
    said = {m for seed in range(40) for m in re.findall(r"(\d\.\d) cm", caption(visit, seed))}
    assert said == {f"{2 * (1.05 + 1.25 * 0.5):.1f}"}


def test_texts_are_deterministic_and_varied():
    visit = sample_visit(sample_patient(5), 0)
    assert caption(visit, 1) == caption(visit, 1)
    assert write_report(visit, 1) == write_report(visit, 1)
    assert len({caption(visit, k) for k in range(20)}) > 5
    sentences = {s for k, v in enumerate(visits(400)) for s in re.split(r"(?<=\.) ", caption(v, k))}
    assert len(sentences) > 800


def test_a_patient_keeps_name_and_numbers_over_visits_and_visits_have_their_own():
    patient = sample_patient(9)
    first, second = (encounter(sample_visit(patient, k)) for k in (0, 1))
    assert (first.patient, first.mrn, first.birth, first.address) == (
        second.patient,
        second.mrn,
        second.birth,
        second.address,
    )
    assert first.accession != second.accession
    assert first.date < second.date
    assert encounter(sample_visit(sample_patient(10), 0)).mrn != first.mrn


def test_burned_in_text_changes_the_picture_in_its_boxes_alone():
    visit = sample_visit(sample_patient(3), 0)
    rng = np.random.default_rng(0)
    image = rng.integers(20000, 30000, (256, 256)).astype(np.uint16)
    lines = burned_lines(encounter(visit), rng)
    marked, boxes = burn(image, lines, rng)
    assert len(boxes) == len(lines) >= 2
    inside = np.zeros((256, 256), bool)
    for x0, y0, x1, y1 in boxes:
        assert 0 <= x0 < x1 <= 256
        assert 0 <= y0 < y1 <= 256
        inside[y0:y1, x0:x1] = True
    # Outside only the rounding of the conversion remains.
    assert np.abs(marked.astype(int) - image)[~inside].max() <= 1
    assert np.abs(marked.astype(int) - image)[inside].max() > 20000


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="ascii"), max_size=8),
            st.text(st.characters(codec="ascii"), min_size=1, max_size=8),
        ),
        max_size=6,
    )
)
def test_marking_and_unmarking_give_back_text_and_spans(parts):
    text, spans = unmark("".join(before + mark("date", value) for before, value in parts))
    assert text == "".join(before + value for before, value in parts)
    assert [text[a:b] for a, b, _ in spans] == [value for _, value in parts]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 99))
def test_numbers_in_words_are_distinct_and_lower_case(n):
    assert number_words(n) == number_words(n).lower()
    assert [number_words(k) for k in range(100)].count(number_words(n)) == 1


def test_the_grammar_resolves_nested_choices_and_articles():
    rng = np.random.default_rng(0)
    seen = {expand("a [old|[new|odd]] {thing}", rng, {"thing": "x"}) for _ in range(60)}
    assert seen == {"an old x", "a new x", "an odd x"}
