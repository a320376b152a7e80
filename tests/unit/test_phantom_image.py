"""The phantom's pictures: seeds, identity, sides, masks and physics."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from updp_core.phantom import FINDINGS, render, render_masks, sample_patient, sample_visit
from updp_core.phantom.chest import Scene
from updp_core.phantom.patient import sample_finding
from updp_core.phantom.rays import Rays
from updp_core.phantom.render import images_per_second

SIZE = 112


def plain_visit(seed: int, view: str = "PA", **changes):
    """A visit without findings and without nuisance of position."""
    patient = replace(sample_patient(seed), chronic=())
    visit = sample_visit(patient, 0)
    quiet = {
        "rotation": 0.0,
        "roll": 0.0,
        "shift": (0.0, 0.0),
        "collimation": (0.0,) * 4,
        "inspiration": 0.0,
        "field": 38.0,
    }
    return replace(visit, findings=(), view=view, **(quiet | changes))


def one_finding(name: str, seed: int = 5, **changes):
    """A visit that has this finding alone."""
    finding = replace(sample_finding(name, True, np.random.default_rng(seed)), **changes)
    return replace(plain_visit(300 + seed), findings=(finding,))


def test_the_same_seeds_give_the_same_picture_and_other_seeds_another():
    first = render([sample_visit(sample_patient(11), 3)], SIZE)
    again = render([sample_visit(sample_patient(11), 3)], SIZE)
    other = render([sample_visit(sample_patient(12), 3)], SIZE)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_batch_gives_the_pictures_that_single_calls_give():
    visits = [sample_visit(sample_patient(s), 0) for s in (1, 2)]
    batch = render(visits, 64)
    assert np.array_equal(batch, np.concatenate([render([v], 64) for v in visits]))


def test_pictures_are_12_bit_monochrome2_with_dark_lungs_and_a_bright_mediastinum():
    visit = plain_visit(21)
    image = render([visit], SIZE, annotate=False)
    assert image.shape == (1, SIZE, SIZE)
    assert image.dtype == np.uint16
    assert not np.any(image % 16)
    scene = Scene(visit, SIZE)
    lung = (scene.lung[-1] > 12) | (scene.lung[1] > 12)
    middle = (np.abs(scene.x) < 1.5) & (np.abs(scene.y) < 6)
    assert image[0][middle].mean() > 1.8 * image[0][lung].mean()


def test_no_visits_give_an_empty_batch():
    assert render([], 64).shape == (0, 64, 64)


def test_a_patient_keeps_anatomy_and_chronic_findings_over_visits():
    patient = sample_patient(42)
    visits = [sample_visit(patient, k) for k in range(4)]
    for visit in visits:
        assert visit.patient.anatomy == patient.anatomy
        assert {f for f in visit.findings if f.chronic} == set(patient.chronic)
    assert len({v.rotation for v in visits}) == 4
    assert len(patient.anatomy) >= 40


def test_acute_findings_come_and_go():
    patient = next(p for p in map(sample_patient, range(50)) if p.chronic)
    acute = [frozenset(f.name for f in sample_visit(patient, k).findings if not f.chronic) for k in range(12)]
    assert len(set(acute)) > 1
    assert frozenset() in acute


def test_two_visits_of_a_patient_look_more_alike_than_visits_of_two_patients():
    patients = [replace(sample_patient(s), chronic=()) for s in range(600, 610)]
    pairs = [[replace(sample_visit(p, k), findings=()) for k in (0, 1)] for p in patients]
    aligned = [
        [
            replace(v, rotation=0.0, roll=0.0, shift=(0.0, 0.0), field=38.0, view="PA", collimation=(0.0,) * 4)
            for v in pair
        ]
        for pair in pairs
    ]
    flat = [
        [render([v], 96, annotate=False)[0].astype(float)[10:-10, 10:-10].ravel() for v in pair] for pair in aligned
    ]
    same = [np.corrcoef(a, b)[0, 1] for a, b in flat]
    different = [np.corrcoef(flat[i][0], flat[(i + 1) % 10][1])[0, 1] for i in range(10)]
    assert np.mean(same) > np.mean(different) + 0.03
    assert sum(s > d for s, d in zip(same, different, strict=True)) >= 9


@pytest.mark.parametrize("name", FINDINGS)
def test_each_finding_changes_the_picture_inside_its_mask_more_than_outside(name):
    visit = one_finding(name)
    mask = render_masks(visit, SIZE)[name]
    assert 0.0005 < mask.mean() < 0.75
    with_it = render([visit], SIZE, annotate=False)[0].astype(float)
    without = render([visit.without(name)], SIZE, annotate=False)[0].astype(float)
    change = np.abs(with_it - without)
    assert change[mask].mean() > 1.8 * change[~mask].mean()
    assert change[mask].mean() > 0.01 * 65535


@pytest.mark.parametrize(("side", "on_the_left"), [("right", True), ("left", False)])
@pytest.mark.parametrize(
    "name", ["pleural_effusion", "consolidation", "pneumothorax", "nodule", "chest_tube", "rib_fracture"]
)
def test_the_patients_right_is_on_the_images_left(name, side, on_the_left):
    mask = render_masks(one_finding(name, side=side), SIZE)[name]
    centre = np.nonzero(mask)[1].mean() / SIZE
    assert bool(centre < 0.5) is on_the_left


@pytest.mark.parametrize("name", ["consolidation", "nodule", "granuloma"])
def test_zones_stand_in_their_order_from_head_to_foot(name):
    heights = [
        np.nonzero(render_masks(one_finding(name, side="right", zone=z), SIZE)[name])[0].mean()
        for z in ("upper", "mid", "lower")
    ]
    assert heights == sorted(heights)


@pytest.mark.parametrize("name", ["pleural_effusion", "consolidation", "pneumothorax", "cardiomegaly", "edema"])
def test_a_severe_finding_takes_more_of_the_picture_or_changes_it_more_than_a_mild_one(name):
    changes = []
    for severity, size in (("mild", 0.15), ("severe", 0.9)):
        visit = one_finding(name, severity=severity, size=size)
        pair = render([visit, visit.without(name)], SIZE, annotate=False).astype(float)
        changes.append(np.abs(pair[0] - pair[1]).mean())
    assert changes[1] > changes[0]


def test_the_heart_is_larger_on_ap_than_on_pa_views():
    widths = {}
    for view in ("PA", "AP"):
        scene = Scene(plain_visit(33, view), SIZE)
        widths[view] = (scene.heart > 1.0).any(0).sum()
    assert widths["AP"] > widths["PA"]


def test_a_point_nearer_the_source_is_magnified_more():
    pa, ap = Rays(plain_visit(1, "PA"), 64), Rays(plain_visit(1, "AP"), 64)
    assert pa.magnification(-8.0) > pa.magnification(8.0) > 1
    assert ap.magnification(8.0) > ap.magnification(-8.0) > 1


def test_a_tube_has_the_chord_of_its_circle():
    rays = Rays(plain_visit(2), 256)
    y = np.linspace(-12, 12, 4000)
    points = np.stack([np.zeros_like(y), y, np.zeros_like(y)], 1)
    thickness = rays.tube(points, np.full(4000, 24 / 4000), 1.5)
    row = thickness[128]
    assert row.max() == pytest.approx(3.0, rel=0.03)
    width = rays.pixel / float(rays.magnification(0.0))
    assert row.sum() * width == pytest.approx(np.pi * 1.5**2, rel=0.03)


def test_letters_are_left_out_on_request():
    visit = sample_visit(sample_patient(4), 0)
    plain, marked = render([visit], SIZE, annotate=False)[0], render([visit], SIZE)[0]
    share = (plain != marked).mean()
    assert 0 < share < 0.02


def test_a_quarter_of_the_visits_is_normal_and_each_finding_has_a_useful_prevalence():
    visits = [sample_visit(sample_patient(s), 0) for s in range(1500)]
    assert 0.2 < np.mean([not v.findings for v in visits]) < 0.3
    counts = Counter(f.name for v in visits for f in v.findings)
    assert all(0.05 < counts[name] / len(visits) < 0.2 for name in FINDINGS)
    assert all(v.labels == {n: n in {f.name for f in v.findings} for n in FINDINGS} for v in visits[:50])


def test_no_visit_has_a_finding_twice_or_fluid_and_air_on_the_same_side():
    for s in range(800):
        visit = sample_visit(sample_patient(s), 1)
        names = [f.name for f in visit.findings]
        assert len(names) == len(set(names))
        air, fluid = visit.get("pneumothorax"), visit.get("pleural_effusion")
        if air and fluid:
            assert {air.side, fluid.side} == {"right", "left"}


def test_the_speed_measurement_gives_images_per_second():
    assert 1 < images_per_second(64, 3) < 10_000
