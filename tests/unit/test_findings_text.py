"""The labeler reads reports as radiologists write them: what is there, what is denied, what is left open."""

from __future__ import annotations

import csv

import pytest

from tests.real_data import FOLDER, needs_real_data
from updp_core.findings.labeler import findings_in, mentions, statuses
from updp_core.findings.terms import FINDINGS, TERMS
from updp_core.phantom.patient import FINDINGS as PHANTOM_FINDINGS

# Each sentence with every finding that it mentions: + present, - absent, ? left open.
SENTENCES = [
    ("The heart is normal in size.", "-cardiomegaly"),
    ("Cardiac silhouette is mildly enlarged.", "+cardiomegaly"),
    ("The heart is not enlarged.", "-cardiomegaly"),
    ("Heart size borderline enlarged.", "?cardiomegaly"),
    ("Stable cardiomegaly without overt pulmonary edema.", "+cardiomegaly -edema"),
    ("No pleural effusion or pneumothorax.", "-pleural_effusion -pneumothorax"),
    ("No focal consolidation, pneumothorax, or effusion is seen.", "-consolidation -pneumothorax -pleural_effusion"),
    ("There is no evidence of pneumonia, but there is mild cardiomegaly.", "-consolidation +cardiomegaly"),
    ("No effusion, the heart is enlarged.", "-pleural_effusion +cardiomegaly"),
    ("Small left pleural effusion with adjacent atelectasis.", "+pleural_effusion +atelectasis"),
    ("Pleural effusion is small and pneumothorax is not seen.", "+pleural_effusion -pneumothorax"),
    ("The previously seen effusion has resolved.", "-pleural_effusion"),
    ("Blunting of the right costophrenic angle.", "+pleural_effusion"),
    ("The costophrenic angles are sharp.", "-pleural_effusion"),
    ("No change in the large right pneumothorax.", "+pneumothorax"),
    ("No significant interval change in bilateral effusions.", "+pleural_effusion"),
    ("Right lower lobe opacity may represent atelectasis or pneumonia.", "?atelectasis ?consolidation"),
    ("Pneumonia cannot be excluded.", "?consolidation"),
    ("Cannot exclude a small apical pneumothorax.", "?pneumothorax"),
    ("Left basilar opacity, atelectasis versus infiltrate.", "?atelectasis ?consolidation"),
    ("Findings consistent with pulmonary edema.", "+edema"),
    ("The lungs are clear.", "-consolidation -atelectasis -edema"),
    ("Right lung is clear.", ""),
    ("Heart size normal.", "-cardiomegaly"),
    ("The lungs are hyperinflated compatible with emphysema.", "+emphysema"),
    ("Subcutaneous emphysema along the left chest wall.", ""),
    ("Trace pericardial effusion.", ""),
    ("Calcified granuloma in the left upper lobe.", "+granuloma"),
    ("Scattered calcified pulmonary nodules.", "+granuloma"),
    ("A 7 mm nodule projects over the right lung.", "+nodule"),
    ("No suspicious pulmonary nodules or masses.", "-nodule"),
    ("Biapical pleural thickening.", "+pleural_thickening"),
    ("Moderate hiatal hernia.", "+hernia"),
    ("Mild dextroscoliosis of the thoracic spine.", "+scoliosis"),
    ("Old healed fractures of the right fifth and sixth ribs.", "+rib_fracture"),
    ("No displaced rib fractures.", "-rib_fracture"),
    ("Dual lead pacemaker in place.", "+pacemaker"),
    ("Right internal jugular central venous catheter tip in the SVC.", "+central_line"),
    ("The right PICC line has been removed.", "-central_line"),
    ("Endotracheal tube tip 4 cm above the carina.", "+endotracheal_tube"),
    ("Interval removal of the endotracheal tube.", "-endotracheal_tube"),
    ("Tracheostomy tube in place.", ""),
    ("Median sternotomy wires are intact.", "+sternotomy_wires"),
    ("A left chest tube is again seen; no residual pneumothorax.", "+chest_tube -pneumothorax"),
    ("Bibasilar fibrotic change with honeycombing.", "+fibrosis"),
    ("Chest radiograph.", ""),
    ("", ""),
]
_SIGN = {"+": "present", "-": "absent", "?": "uncertain"}


@pytest.mark.parametrize(("sentence", "expected"), SENTENCES)
def test_a_sentence_is_read_as_a_radiologist_means_it(sentence, expected):
    assert statuses(sentence) == {mark[1:]: _SIGN[mark[0]] for mark in expected.split()}


def test_the_labeler_knows_exactly_the_findings_of_the_phantom():
    assert PHANTOM_FINDINGS == FINDINGS
    assert set(TERMS) == set(FINDINGS)
    assert list(findings_in("")) == list(FINDINGS)


def test_true_false_and_none_stand_for_asserted_denied_and_not_stated():
    found = findings_in("Moderate cardiomegaly. No effusion. Possible edema.")
    assert found["cardiomegaly"] is True and found["pleural_effusion"] is False
    assert found["edema"] is None and found["nodule"] is None


def test_what_was_asked_or_known_before_is_not_what_was_seen():
    report = (
        "INDICATION: Rule out pneumonia. History of pneumothorax.\nCOMPARISON: Prior with effusion.\n\n"
        "FINDINGS: The heart is enlarged.\n\nIMPRESSION: Cardiomegaly."
    )
    assert statuses(report) == {"cardiomegaly": "present"}


def test_a_finding_asserted_once_wins_over_a_denial_elsewhere():
    assert findings_in("FINDINGS: No large effusion. Small left effusion.")["pleural_effusion"] is True


def test_a_negation_ends_with_its_sentence():
    assert statuses("No effusion. Cardiomegaly.") == {"pleural_effusion": "absent", "cardiomegaly": "present"}


def test_lines_wrapped_in_the_middle_of_a_sentence_are_read_as_one():
    assert statuses("There is no focal\nconsolidation or pleural\neffusion.") == {
        "consolidation": "absent",
        "pleural_effusion": "absent",
    }


@pytest.mark.parametrize(
    ("sentence", "side", "severity"),
    [
        ("Moderate left pleural effusion.", "left", "moderate"),
        ("Small bilateral pleural effusions.", "both", "mild"),
        ("Large pneumothorax on the right.", "right", "severe"),
        ("Trace right-sided effusion, left lung is clear.", "right", "minimal"),
        ("Pleural effusion.", "", ""),
    ],
)
def test_side_and_severity_are_read_where_they_are_stated(sentence, side, severity):
    found = next(m for m in mentions(sentence) if m.finding in ("pleural_effusion", "pneumothorax"))
    assert (found.side, found.severity) == (side, severity)


def test_on_phantom_reports_the_labeler_finds_what_the_picture_shows():
    """The reports are written from known findings, so every label has a true answer."""
    from updp_core.phantom import sample_patient, sample_visit
    from updp_core.phantom.report import write_report

    hits = misses = false_alarms = denied = 0
    for seed in range(1000, 1080):
        visit = sample_visit(sample_patient(seed), seed + 1)
        found = findings_in(write_report(visit, seed).text)
        hits += sum(found[name] is True and true for name, true in visit.labels.items())
        misses += sum(found[name] is not True and true for name, true in visit.labels.items())
        false_alarms += sum(found[name] is True and not true for name, true in visit.labels.items())
        denied += sum(found[name] is False and true for name, true in visit.labels.items())
    f1 = 2 * hits / (2 * hits + misses + false_alarms)
    assert hits > 80 and f1 > 0.98, f"F1 {f1:.3f}"
    assert denied == 0, "a finding that is there was read as denied"


# The indexers' own words (MeSH column) for findings that their vocabulary and ours share.
_MESH = {
    "cardiomegaly": ("Cardiomegaly", "Cardiac Shadow/enlarged"),
    "pleural_effusion": ("Pleural Effusion", "Costophrenic Angle"),
    "consolidation": ("Airspace Disease", "Consolidation", "Pneumonia", "Infiltrate"),
    "atelectasis": ("Pulmonary Atelectasis", "Volume Loss"),
    "emphysema": (
        "Emphysema",
        "Pulmonary Emphysema",
        "Bullous",
        "Pulmonary Disease, Chronic",
        "Lung/hyperdistention",
        "Lung, Hyperlucent",
    ),
    "granuloma": ("Granuloma", "Calcified Granuloma", "Granulomatous"),
    "hernia": ("Hernia",),
    "scoliosis": ("Scoliosis",),
}


@needs_real_data
def test_on_real_reports_the_labeler_agrees_with_the_human_indexers():
    with open(FOLDER / "reports_iu" / "iu_reports.csv", newline="") as file:
        rows = list(csv.DictReader(file))[250:]
    hits = misses = false_alarms = 0
    for row in rows:
        found = findings_in(f"FINDINGS: {row['findings']}\n\nIMPRESSION: {row['impression']}")
        for name, headings in _MESH.items():
            gold = any(term.strip().startswith(headings) for term in row["MeSH"].split(";"))
            hits += bool(gold and found[name])
            misses += bool(gold and not found[name])
            false_alarms += bool(found[name] and not gold)
    f1 = 2 * hits / (2 * hits + misses + false_alarms)
    assert hits > 100 and f1 > 0.9, f"F1 {f1:.3f} over {hits + misses} findings of {len(rows)} reports"
