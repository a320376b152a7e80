"""The evidence of a pair: what is measured, against what, and what stays unknown without judges."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from tests.pixel_judges import PixelJudges
from tests.real_data import FOLDER, needs_real_data
from updp_core.domain import MethodInput, Prompt, Proposal
from updp_core.evidence import appearance, distance
from updp_core.evidence.gates import gates
from updp_core.evidence.ocr import read_boxes, read_text
from updp_core.evidence.pair import combination, for_judges, identity_bank, measure, publishable
from updp_core.lexicon import Lexicon

LEXICON = Lexicon({"names": ("okonkwo",)}, {"findings": ("effusion", "clear", "lungs")})


def chest(seed: int, corners=(0, 0, 0, 0)) -> np.ndarray:
    """A smooth image, uint16 (256, 256), with set corner values (0 or 1)."""
    rng = np.random.default_rng(seed)
    field = np.asarray(Image.fromarray(rng.random((8, 8)).astype("f4")).resize((256, 256), Image.Resampling.BICUBIC))
    image = np.clip(field * 50000, 0, 65535).astype(np.uint16)
    for (y, x), value in zip(((0, 0), (0, -1), (-1, 0), (-1, -1)), corners, strict=True):
        image[y, x] = 65535 * value
    return image


def eight(image: np.ndarray) -> np.ndarray:
    return (image // 257).astype(np.uint8)


EQUAL = frozenset({"pleural_effusion"})


def record(name: str, image: np.ndarray, report: str = "Small left effusion. The lungs are clear.") -> MethodInput:
    return MethodInput(name, image, report, report)


def proposal(name: str, image: np.ndarray | None, prompt: str = "effusion") -> Proposal:
    known = Prompt(prompt, (), 0.25, 0.5, 0.75, ())
    return Proposal(name, 1, image, known, prompt, {"strength": None})


def test_without_judges_the_texts_are_measured_and_the_rest_is_unknown():
    image = chest(1)
    (found,) = measure([record("a", image)], [proposal("a", eight(image))], LEXICON, None)
    assert found["alignment"] == {"before": 0.25, "after": 0.5, "soft": 0.75}
    assert found["residual_phi"]["count"] == found["forbidden_in_prompt"]["count"] == found["image_text"]["count"] == 0
    states = {gate.name: gate.state for gate in gates(found)}
    assert states["residual_phi"] == states["image_text"] == states["forbidden_in_prompt"] == "clear"
    unknown = ("identity_similarity", "identity_rank", "findings_lost", "memorisation", "prompt_score", "rarity")
    assert {states[name] for name in unknown} == {"unknown"}


def test_evidence_is_json_and_holds_no_text_of_the_report():
    image = chest(1)
    report = "Small left effusion. Seen by Dr. Okonkwo on 03/04/2021."
    found = measure([record("a", image, report)], [proposal("a", eight(image), "okonkwo")], LEXICON, PixelJudges())
    text = json.dumps(found, allow_nan=False).lower()
    assert "2021" not in text and "dr." not in text and "okonkwo" not in text
    assert found[0]["residual_phi"]["count"] >= 2 and found[0]["forbidden_in_prompt"]["count"] == 1


def test_the_studys_own_identifiers_count_in_report_and_prompt():
    image = chest(1)
    item = record("a", image, "Small effusion. Compare Brzeczyk.")
    header = {"a": {"patient_name": ["Brzeczyk^Zyxwv"]}}
    (found,) = measure([item], [proposal("a", eight(image), "effusion Brzeczyk")], LEXICON, None, headers=header)
    assert found["residual_phi"]["count"] >= 1 and found["forbidden_in_prompt"]["count"] >= 1


def test_measures_of_a_batch_are_those_of_each_pair_alone():
    images = [chest(n, corners=(n % 2, 0, 1, 0)) for n in range(4)]
    inputs = [record(str(n), image) for n, image in enumerate(images)]
    made = [proposal(str(n), eight(images[(n + 1) % 4]), "effusion " * n) for n in range(4)]
    bank = identity_bank(images, list("0123"), [EQUAL] * 4, PixelJudges())
    together = measure(inputs, made, LEXICON, PixelJudges(), bank=bank)
    alone = [
        measure([item], [one], LEXICON, PixelJudges(), bank=bank)[0] for item, one in zip(inputs, made, strict=True)
    ]
    assert together == alone


def test_a_failed_proposal_among_others_keeps_its_place():
    image = chest(1)
    inputs = [record(name, image) for name in "abc"]
    made = [proposal("c", eight(image)), proposal("a", None), proposal("b", eight(image))]
    found = measure(inputs, made, LEXICON, PixelJudges())
    assert ["identity" in one for one in found] == [True, False, True]


def test_several_proposals_for_one_record_are_each_measured():
    a, b = chest(1), chest(2)
    found = measure([record("a", a)], [proposal("a", eight(a)), proposal("a", eight(b))], LEXICON, PixelJudges())
    assert found[0]["identity"]["similarity"] > 0.99 > found[1]["identity"]["similarity"]


def test_a_copy_of_the_original_ranks_its_patient_first_and_warns():
    images = [chest(n) for n in range(12)]
    bank = identity_bank(images, [f"p{n}" for n in range(12)], [EQUAL] * 12, PixelJudges())
    leak, other = measure(
        [record("r3", images[3])],
        [proposal("r3", eight(images[3])), proposal("r3", eight(images[7]))],
        LEXICON,
        PixelJudges(),
        patients={"r3": "p3"},
        bank=bank,
    )
    assert leak["identity"]["rank"] == 1 and leak["identity"]["equals"] == 12
    assert other["identity"]["rank"] > 1
    states = [{g.name: g.state for g in gates(one)}["identity_rank"] for one in (leak, other)]
    assert states == ["warn", "clear"]


def test_the_rank_counts_patients_and_not_images():
    images = [chest(n) for n in range(12)]
    bank = identity_bank(
        [images[3]] * 5 + images, ["p3"] * 5 + [f"p{n}" for n in range(12)], [EQUAL] * 17, PixelJudges()
    )
    (found,) = measure(
        [record("r", images[0])],
        [proposal("r", eight(images[3]))],
        LEXICON,
        PixelJudges(),
        patients={"r": "p0"},
        bank=bank,
    )
    assert found["identity"]["equals"] == 12 and found["identity"]["nearer"] == found["identity"]["rank"] - 1 >= 1


def test_a_rank_among_few_patients_is_not_told():
    image = chest(1)
    (found,) = measure([record("a", image)], [proposal("a", eight(image))], LEXICON, PixelJudges())
    assert found["identity"]["rank"] is None
    assert {gate.name: gate.state for gate in gates(found)}["identity_rank"] == "unknown"


def test_only_originals_of_equal_findings_are_asked_who_it_is():
    """Eleven with this disease, of whom another resembles the image most; twelve with none, of whom one is its copy."""
    images = [chest(n) for n in range(24)]
    findings = [EQUAL] * 12 + [frozenset()] * 12
    bank = identity_bank(images, [f"p{n}" for n in range(24)], findings, PixelJudges())
    found = measure(
        [record("a", images[3]), record("b", images[20], "Normal.")],
        [proposal("a", eight(images[15])), proposal("b", eight(images[20]))],
        LEXICON,
        PixelJudges(),
        patients={"a": "p3", "b": "p20"},
        bank=bank,
    )
    assert [one["identity"]["equals"] for one in found] == [12, 12]
    assert found[1]["identity"]["rank"] == 1 and found[1]["identity"]["chance"] == round(1 / 12, 3)
    few = identity_bank(images, [f"p{n}" for n in range(24)], [EQUAL] * 8 + [frozenset()] * 16, PixelJudges())
    (alone,) = measure([record("a", images[3])], [proposal("a", eight(images[3]))], LEXICON, PixelJudges(), bank=few)
    states = {gate.name: gate.state for gate in gates(alone)}
    assert states["identity_rank"] == "unknown", "among few the first place is chance"
    assert states["identity_similarity"] == "warn", "a copy is one, however few share its findings"
    other = [proposal("a", eight(images[15]))]
    (unlike,) = measure([record("a", images[3])], other, LEXICON, PixelJudges(), bank=few)
    assert {gate.name: gate.state for gate in gates(unlike)}["identity_similarity"] != "clear"


def test_lost_and_invented_findings_are_told_apart_from_those_left_open():
    report = "Cardiomegaly. No effusion. Possible edema."
    original = chest(1, (1, 0, 0, 0))
    shown = {"lost": (0, 0, 0, 0), "kept": (1, 0, 0, 0), "invented": (1, 1, 0, 1), "open": (1, 0, 1, 0)}
    found = measure(
        [record("a", original, report)],
        [proposal("a", eight(chest(1, corners))) for corners in shown.values()],
        LEXICON,
        PixelJudges(),
    )
    lost, kept, invented, left_open = (one["findings"] for one in found)
    assert lost["lost"] == ["cardiomegaly"] and lost["invented"] == []
    assert kept["lost"] == kept["invented"] == []
    assert sorted(invented["invented"]) == ["nodule", "pleural_effusion"]
    assert left_open["invented"] == []


def test_a_stated_finding_that_the_judge_sees_nowhere_is_unjudged_and_not_lost():
    image = chest(1)
    (found,) = measure([record("a", image, "Cardiomegaly.")], [proposal("a", eight(image))], LEXICON, PixelJudges())
    assert found["findings"]["unjudged"] == ["cardiomegaly"] and found["findings"]["lost"] == []


def test_a_stated_finding_seen_nowhere_is_lost_where_the_judge_hardly_ever_misses_it():
    class Reliable(PixelJudges):
        sensitivity: Mapping[str, float] = {"cardiomegaly": 0.97, "edema": 0.6}

    image = chest(1)
    stated = [record("a", image, "Cardiomegaly. Pulmonary edema.")]
    (found,) = measure(stated, [proposal("a", eight(image))], LEXICON, Reliable())
    assert found["findings"]["lost"] == found["findings"]["missing"] == ["cardiomegaly"]
    assert found["findings"]["unjudged"] == ["edema"] and found["findings"]["sensitivity"]["edema"] == 0.6


def test_a_record_without_a_report_shares_no_findings_with_anybody():
    image = chest(1)
    (found,) = measure(
        [record("a", image, "")], [proposal("a", eight(image))], LEXICON, None, sharing={frozenset(): 40}
    )
    assert found["report"] == {"given": False} and found["rarity"]["others"] is None


def test_a_finding_that_the_original_shows_and_the_report_leaves_out_is_not_invented():
    both = chest(1, (0, 0, 0, 1))
    (found,) = measure([record("a", both, "No effusion.")], [proposal("a", eight(both))], LEXICON, PixelJudges())
    assert found["findings"]["invented"] == []


def test_rarity_counts_the_other_patients_with_the_same_findings():
    image = chest(1)
    together = combination("Small left effusion. The lungs are clear.")
    assert together == {"pleural_effusion"}
    for count, others in ((1, 0), (5, 4)):
        (found,) = measure(
            [record("a", image)], [proposal("a", eight(image))], LEXICON, None, sharing={together: count}, people=100
        )
        assert found["rarity"]["others"] == others


def test_what_to_leave_out_to_be_one_of_several_is_named_rarest_first():
    report = "Cardiomegaly. Pleural effusion. Hiatal hernia."
    both, one = frozenset({"cardiomegaly", "pleural_effusion"}), frozenset({"pleural_effusion"})
    image, alone = chest(1), combination(report)
    for sharing, out in (
        ({alone: 1, both: 3, one: 200}, ["hernia"]),
        ({alone: 1, one: 200, frozenset(): 300}, ["cardiomegaly", "hernia"]),  # as rare as each other: by name
        ({alone: 2, one: 200}, []),
    ):
        pair = [record("a", image, report)], [proposal("a", eight(image))]
        (found,) = measure(*pair, LEXICON, None, sharing=sharing, people=200)
        assert found["rarity"]["leave_out"] == out
        state = {gate.name: gate.state for gate in gates(found)}["rarity"]
        assert state == ("warn" if out else "clear")
    (found,) = measure(*pair, LEXICON, None, sharing={alone: 1, one: 90}, people=91)
    assert {gate.name: gate.state for gate in gates(found)}["rarity"] == "unknown"


def test_a_copied_training_image_is_noticed():
    training = for_judges([chest(n) for n in range(200)])
    found = measure(
        [record("a", chest(900))],
        [proposal("a", eight(chest(3))), proposal("a", eight(chest(901)))],
        LEXICON,
        PixelJudges(training),
    )
    assert found[0]["memorisation"]["percentile"] == 0.0 and found[1]["memorisation"]["percentile"] > 1.0


def test_an_image_unlike_those_of_the_training_set_is_outside_and_one_like_them_is_not():
    y, x = np.mgrid[0:256, 0:256] / 256
    rng = np.random.default_rng(0)

    def kin() -> np.ndarray:
        a, b, c = rng.uniform(0.2, 0.8, 3)
        return np.clip(255 * (a * x + b * (1 - y) * x + 0.1 * c) + rng.normal(0, 4, (256, 256)), 0, 255).astype(
            np.uint8
        )

    known = appearance.fit(np.stack([kin() for _ in range(300)]))
    others = np.stack([kin() for _ in range(20)]).astype(np.float32) / 255
    strangers = np.stack([1 - others[0], others[1].T, np.round(others[2] * 4) / 4])
    assert sum(row["outside"] for row in appearance.domain(others, known)) <= 3
    assert all(row["outside"] for row in appearance.domain(strangers, known))
    with pytest.raises(ValueError, match="too few"):
        appearance.fit(np.zeros((10, 256, 256), np.uint8))


@pytest.mark.skipif(not appearance.FILE.exists(), reason="the starter models are not here")
def test_phantoms_are_known_to_the_starter_models():
    from updp_core.phantom import render, sample_patient, sample_visit

    images = for_judges(list(render([sample_visit(sample_patient(8_000_000 + n), n) for n in range(12)], 256)))
    known = appearance.load_appearance()
    assert sum(row["outside"] for row in appearance.domain(images, known)) <= 2


@pytest.mark.skipif(not appearance.FILE.exists(), reason="the starter models are not here")
@needs_real_data
def test_every_real_radiograph_is_marked_as_unknown_to_the_starter_models():
    paths = sorted((FOLDER / "images").iterdir())[::8]
    images = for_judges([np.asarray(Image.open(path).convert("L")) for path in paths])
    rows = appearance.domain(images, appearance.load_appearance())
    assert len(rows) >= 20 and all(row["outside"] for row in rows)


@given(st.integers(0, 2**32 - 1), st.integers(25, 80))
@settings(max_examples=25, deadline=None)
def test_distances_are_those_of_brute_force(seed, count):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, 6)).astype(np.float32)
    reference = distance.reference_of(features)
    apart = np.linalg.norm(features[:, None] - features[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert np.allclose(reference.nearest, np.sort(apart.min(1)), atol=2e-3)
    query = rng.normal(size=(3, 6)).astype(np.float32)
    to_query = np.linalg.norm(query[:, None] - features[None], axis=2)
    for row, expected in zip(distance.copies(query, reference), to_query.min(1), strict=True):
        assert row["distance"] == pytest.approx(expected, abs=2e-3)


def test_a_reference_of_a_handful_of_images_is_refused():
    with pytest.raises(ValueError, match="at least 20"):
        distance.reference_of(np.eye(5))


def test_what_leaves_of_the_evidence_is_on_a_list():
    evidence = {"surprise": "Okonkwo", "identity": {"similarity": 0.5}, "findings": {"original": {"edema": 0.9}}}
    text = json.dumps(publishable(evidence))
    assert "Okonkwo" not in text and "0.5" not in text and "0.9" not in text


def test_images_reach_the_judges_whole_and_between_zero_and_one():
    wide = np.full((100, 400), 65535, dtype=np.uint16)
    batch = for_judges([wide, np.full((64, 64), 255, dtype=np.uint8)])
    assert batch.shape == (2, 256, 256) and batch.dtype == np.float32
    assert batch[1].min() == batch[1].max() == 1.0
    assert batch[0][128].min() == 1.0 and batch[0][0].max() == 0.0, "stretched instead of letterboxed"


def drawn(text: str, size: int = 16) -> np.ndarray:
    picture = Image.fromarray(eight(chest(3)))
    ImageDraw.Draw(picture).text((20, 30), text, fill=255, font=ImageFont.load_default(size))
    return np.asarray(picture)


@pytest.mark.parametrize("text", ["SMITH JOHN", "MRN 4471902", "12/03/1961", "John Doe"])
def test_a_name_a_number_or_a_date_written_in_the_image_is_read(text):
    assert read_text(drawn(text))
    ((_, (left, top, right, bottom)),) = read_boxes(drawn(text))
    assert 0 < left < right < 1 and 0 < top < bottom < 0.3


@pytest.mark.parametrize("text", ["L", "R", "AP ERECT", "PORTABLE", "PA", ""])
def test_the_marks_of_radiographers_are_not_taken_for_a_leak(text):
    assert read_text(drawn(text)) == []


def test_reading_text_needs_no_network(monkeypatch):
    import socket

    from updp_core.evidence import ocr

    def refuse(*_):
        raise AssertionError("the text reader asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    ocr._engine.cache_clear()
    assert read_text(drawn("SMITH JOHN"))


def test_noise_holds_no_text():
    noise = np.random.default_rng(0).integers(0, 256, (128, 128), dtype=np.uint8)
    assert read_text(noise) == []


@needs_real_data
def test_a_name_like_date_burned_into_a_real_image_is_read_at_the_size_of_a_release():
    path = next((FOLDER / "images").glob("CCX-100_000*"))
    small = np.asarray(Image.open(path).convert("L").resize((256, 256)))
    assert any("1980" in text for text in read_text(small))
