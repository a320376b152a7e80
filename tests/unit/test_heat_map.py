"""Heat maps: what is shown is what the classifier counted, where the finding is, for those who may see the image."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.unit.workbench_kit import ADMIN, OBSERVER, OFFICER, READER, hush, made, workbench
from updp_core.backends.judges import Judges, load_judges
from updp_core.errors import ModelUnavailable, UsageError
from updp_core.imageset import VALIDATION
from updp_core.phantom import render, sample_patient, sample_visit
from updp_core.phantom.masks import render_masks
from updp_core.phantom.patient import Visit
from updp_core.workbench import Workbench

FINDING = "pleural_effusion"


@pytest.fixture(scope="module")
def judges() -> Judges:
    return load_judges(device="cpu")


@pytest.fixture(scope="module")
def visits(judges: Judges) -> list[Visit]:
    """Four visits with an effusion that the classifier sees."""
    found: list[Visit] = []
    for seed in VALIDATION[:400]:
        visit = sample_visit(sample_patient(seed), 0)
        if (finding := visit.get(FINDING)) and finding.severity != "mild":
            found.append(visit)
        if len(found) == 4:
            return found
    raise AssertionError("too few effusions")


def pictures(visits: Sequence[Visit]) -> np.ndarray:
    return render(visits).astype(np.float32) / 65535


def logits(judges: Judges, images: np.ndarray, finding: str = FINDING) -> np.ndarray:
    p = judges.findings(images)[:, judges.finding_names.index(finding)].astype(np.float64)
    return np.log(p / (1 - p))


def test_the_fields_add_up_to_the_logit_less_its_bias(judges: Judges, visits: list[Visit]) -> None:
    images = pictures(visits[:2])
    for column, finding in enumerate(judges.finding_names):
        logit = logits(judges, images, finding)
        bias = float(judges.network.finding_head.bias[column])
        certain = np.abs(logit) < 8  # beyond, the probability's last digits are gone
        total = judges.heat(images, finding).sum(axis=(1, 2)) + bias
        np.testing.assert_allclose(total[certain], logit[certain], atol=0.02)


def test_the_peak_lies_on_the_finding(judges: Judges, visits: list[Visit]) -> None:
    for visit, fields in zip(visits, judges.heat(pictures(visits), FINDING), strict=True):
        mask = cv2.resize(render_masks(visit)[FINDING].astype(np.float32), fields.shape, interpolation=cv2.INTER_AREA)
        assert cv2.dilate((mask > 0).astype(np.uint8), np.ones((3, 3)))[peak(fields)], visit.patient.seed


def test_covering_the_peak_takes_most_of_the_finding_away(judges: Judges, visits: list[Visit]) -> None:
    """Occlusion (Zeiler and Fergus 2014) as an oracle that knows nothing of gradients: cover each field in turn."""
    for image, fields in zip(pictures(visits), judges.heat(pictures(visits), FINDING), strict=True):
        side = image.shape[0] // fields.shape[0]
        smooth = cv2.GaussianBlur(image, (0, 0), side)
        covered = []
        for y in range(0, image.shape[0], side):
            for x in range(0, image.shape[1], side):
                one = image.copy()
                # A window of three fields, as wide as what one field sees at least.
                part = np.s_[max(0, y - side) : y + 2 * side, max(0, x - side) : x + 2 * side]
                one[part] = np.median(smooth)
                covered.append(one)
        drop = (logits(judges, image[None]) - logits(judges, np.stack(covered))).reshape(fields.shape)
        assert drop[peak(fields)] > 0.5 * drop.max() > 0
        assert max(abs(a - b) for a, b in zip(peak(drop), peak(fields), strict=True)) <= 2


def peak(fields: np.ndarray) -> tuple[int, ...]:
    return tuple(int(n) for n in np.unravel_index(fields.argmax(), fields.shape))


@pytest.fixture
def bench(tmp_path: Path, judges: Judges, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    hush(monkeypatch)
    with contextlib.closing(workbench(tmp_path / "ws")) as opened:
        made(opened, 2)
    return workbench(tmp_path / "ws", judges=judges)


def test_a_map_is_shown_to_those_who_may_see_its_image(bench: Workbench) -> None:
    card = bench.page(actor=OFFICER)["records"][0]
    record, candidate = card["record"], card["candidate"]
    for actor in (READER, OFFICER):
        both = bench.heat_map(record, FINDING, actor=actor, candidate=candidate)
        assert both["original"] and both["synthetic"] and both["original"]["fields"].shape == (8, 8)
    for actor in (OBSERVER, ADMIN):
        one = bench.heat_map(record, FINDING, actor=actor, candidate=candidate)
        assert one["original"] is None and one["synthetic"]
        np.testing.assert_array_equal(one["synthetic"]["fields"], both["synthetic"]["fields"])
    assert bench.heat_map(record, FINDING, actor=READER)["synthetic"] is None


def test_what_cannot_be_mapped_is_refused_in_a_sentence(bench: Workbench) -> None:
    first, second = bench.page(actor=OFFICER)["records"]
    with pytest.raises(UsageError, match="do not know"):
        bench.heat_map(first["record"], "broken_heart", actor=READER)
    with pytest.raises(UsageError, match="no synthetic image"):
        bench.heat_map(first["record"], FINDING, actor=READER, candidate=second["candidate"])
    without = workbench(bench.desk.settings.home)
    with pytest.raises(ModelUnavailable, match="no heat map"):
        without.heat_map(first["record"], FINDING, actor=READER)


def test_the_command_line_prints_the_same_fields(bench: Workbench, judges: Judges, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from updp_core.cli import app

    card = bench.page(actor=OFFICER)["records"][0]
    shown = bench.heat_map(card["record"], FINDING, actor=OFFICER, candidate=card["candidate"])
    home = str(tmp_path / "ws")
    done = CliRunner().invoke(app, ["show", card["record"], "--home", home, "--heat", FINDING, "--json"])
    told = json.loads(done.stdout.splitlines()[-1])["heat_map"]
    for kind in ("original", "synthetic"):
        np.testing.assert_allclose(told[kind]["fields"], shown[kind]["fields"], atol=1e-3)


def test_a_map_leaves_nothing_in_the_workspace(bench: Workbench, tmp_path: Path) -> None:
    record = bench.page(actor=OFFICER)["records"][0]["record"]
    before = {file: file.stat().st_size for file in (tmp_path / "ws").rglob("*") if "updp.sqlite3" not in file.name}
    bench.heat_map(record, FINDING, actor=READER)
    after = {file: file.stat().st_size for file in (tmp_path / "ws").rglob("*") if "updp.sqlite3" not in file.name}
    assert before == after
