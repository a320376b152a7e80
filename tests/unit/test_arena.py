"""The arena: every method under the same attackers, in seconds on stand-ins for the models."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from tests.unit.evaluation_kit import Judges
from tests.unit.workbench_kit import OBSERVER
from updp_core.cli import evaluate as cli
from updp_core.config import ROOT, Settings
from updp_core.domain import Proposal, Step
from updp_core.errors import Conflict, IntakeError
from updp_core.evaluation import archive, arena, arena_report, attackers, testbed
from updp_core.evaluation.arena import Size, kernel_distance, near_duplicates, points_of, similarity
from updp_core.evaluation.studies import alone
from updp_core.methods import METHODS, config_of
from updp_core.methods.settings import listed
from updp_core.workbench import Workbench

TINY = Size(couples=24, both=False, seeds=1, attackers=1, points=2)
COPIES = ("dp-pix",)
"""Methods whose stand-in gives the source back; the others' draw noise."""
SOME = {name: METHODS[name] for name in ("updp", "dp-pix", "prichexy-net")}
PAIRS = 20


def person(number: int, visit: int) -> np.ndarray:
    """A picture of a person, uint16: alike at each visit and not the same."""
    base, other = (np.random.default_rng(key).random((16, 16)) for key in ([number, 9], [number, visit]))
    return (np.kron(0.75 * base + 0.25 * other, np.ones((16, 16))) * 65535).astype(np.uint16)


class Films:
    """Two studies of each of `count` people; half of them have a finding, which is a bright corner."""

    private = False

    def __init__(self, count: int = PAIRS, told: bool = True) -> None:
        self.patient = np.repeat(np.arange(count), 2)
        self.images = np.stack([person(p, v) for p in range(count) for v in range(2)])
        ill = self.patient % 2 == 0
        self.images[ill, :40, :40] = 65535
        self.truth = np.zeros((2 * count, 19), bool)
        self.truth[:, 3] = ill & told
        self.stated = np.where(ill, "mild nodule", "")

    def inputs(self, index: Any, lexicon: Any) -> list[Any]:
        return [SimpleNamespace(id=str(int(i)), image=self.images[int(i)]) for i in index]


class Drawer:
    """Gives the source back, or noise of the seed; a study in `fails` fails."""

    def __init__(self, name: str, how: dict[str, Any], counter: dict[str, int], fails: str = "") -> None:
        self.name, self.how, self.counter, self.fails = name, how, counter, fails

    def settings(self) -> dict[str, Any]:
        return {"method": self.name, **{k: dict(v) if isinstance(v, dict) else v for k, v in self.how.items()}}

    def propose(self, records: Any, *, seeds: Any) -> Any:
        for record, seed in zip(records, seeds, strict=True):
            if self.name == self.fails:
                yield Step("image", 1, 1, (Proposal(record.id, seed, None, None, "", error="John Smith"),))
                continue
            self.counter["drawn"] += 1
            if self.counter["drawn"] > self.counter.get("limit", 10**9):
                raise KeyboardInterrupt
            image = (record.image >> 8).astype(np.uint8)
            if self.name not in COPIES:
                image = np.random.default_rng(seed).integers(0, 255, (256, 256), dtype=np.uint8)
            yield Step("image", 1, 1, (Proposal(record.id, seed, image, None, "a prompt"),))


class Models(testbed.Models):
    """Stand-ins: the encoder is a fixed projection of a thumbnail."""

    def __init__(self, counter: dict[str, int], fails: str = "") -> None:
        super().__init__()
        self.counter, self.fails = counter, fails
        self.judges = Judges()
        weights = torch.randn(64, 24, generator=torch.Generator().manual_seed(1))
        self.encoder = SimpleNamespace(
            encode_image=lambda images: torch.nn.functional.normalize(
                torch.from_numpy(self.judges.features(np.stack(images).astype(np.float32) / 65535)) @ weights, dim=-1
            )
        )
        self.digests = {"encoder": "e", "generator": "g", "judges": "j"}

    def method(self, name: str, lexicon: Any, changes: Any = None, **how: Any) -> Any:
        return Drawer(name, {"changes": changes, **how}, self.counter, self.fails)


def bed(folder: Path, counter: dict[str, int], fails: str = "") -> testbed.Testbed:
    return testbed.Testbed(Models(counter, fails), folder, testbed.QUICK, say=lambda line: None, chunk=4)


def fought(folder: Path, counter: dict[str, int] | None = None, films: Any = None, fails: str = "") -> dict[str, Any]:
    counter = {"drawn": 0} if counter is None else counter
    found = arena.run(bed(folder, counter, fails), films or Films(), TINY, "people")
    found["command"] = "python -m updp_core evaluate arena --quick"
    arena_report.finish(found)
    return found


@pytest.fixture(scope="module", autouse=True)
def few() -> Iterator[None]:
    """Three methods, and attackers that learn for a moment."""
    patch = pytest.MonkeyPatch()
    train = attackers.train_linker
    patch.setattr(arena, "METHODS", SOME)
    patch.setattr(attackers, "HEADS", attackers.HEADS[:1])
    patch.setattr(arena, "_SSIM_SIDE", 24)
    patch.setattr(attackers, "train_linker", lambda data, patients, seed: train(data, patients, seed, epochs=4))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return fought(tmp_path_factory.mktemp("arena"))


def test_every_method_s_slider_is_a_setting_of_it_with_values_in_its_range() -> None:
    for entry in METHODS.values():
        config = config_of(entry.name, Settings())
        points = list(points_of(entry))
        assert points and len({point.label for point in points}) == len(points)
        for point in points:
            config_of(entry.name, Settings(), dict(point.changes), point.named)
        for slider in entry.sliders:
            [setting] = [s for s in listed(config) if s.name == slider.name]
            assert setting.kind in ("int", "number") and len(slider.values) > 1
            assert slider.low <= min(slider.values) and max(slider.values) <= slider.high
            for value in (slider.low, slider.high):  # what the page offers, the method takes
                config_of(entry.name, Settings(), {slider.name: value})


def test_each_method_stands_there_at_each_point_of_its_slider_with_figures_in_their_intervals(whole) -> None:
    assert {p["method"] for p in whole["points"]} == set(SOME) and not whole["unmeasured"]
    assert len(whole["points"]) == 2 * len(SOME)
    for point in (*whole["points"], whole["controls"]["original"]):
        for name in ("leak", "findings"):
            low, high = point[name]["interval"]
            assert low <= point[name]["value"] <= high
        assert set(point["linked"]) == set(arena.FAMILIES) and point["leak"] == point["linked"][point["strongest"]]
        assert point["leak"]["value"] == max(figure["value"] for figure in point["linked"].values())
    assert json.loads(json.dumps(whole)) == whole


def test_who_gives_the_source_back_is_linked_and_who_draws_noise_is_not(whole) -> None:
    for point in whole["points"]:
        if point["method"] in COPIES:
            assert point["leak"]["value"] > 0.95 and point["ssim"]["value"] > 0.95
            assert point["named"]["value"] > 0.9 and point["named"]["chance"] == pytest.approx(1 / 10, abs=1e-3)
        else:
            assert point["leak"]["interval"][0] < 0.65 and point["ssim"]["value"] < 0.2
    original = whole["controls"]["original"]
    assert original["leak"]["value"] > 0.95 and original["ssim"]["value"] > 0.99
    assert whole["controls"]["findings_alone"]["value"] > 0.6, "half of the people share the finding"


def test_no_study_is_linked_to_its_own_picture() -> None:
    none = np.zeros((2 * PAIRS, 1), np.float32)
    data = attackers.Linkage(none[::2], none, np.arange(0, 2 * PAIRS, 2), np.repeat(np.arange(PAIRS), 2))
    pairs, same, _, _ = attackers.tested(data, np.arange(PAIRS), np.random.default_rng(0))
    assert (data.source[pairs[:, 0]] != pairs[:, 1])[same].all() and same.sum() == PAIRS


def test_that_a_study_is_a_later_one_tells_nobody_apart(tmp_path, monkeypatch) -> None:
    """Later studies that look alike, and unlike first ones: noise is not linked to them for that."""
    monkeypatch.setattr(arena, "METHODS", {"updp": METHODS["updp"]})
    films = Films()
    films.images[1::2] //= 3
    [first, *_] = fought(tmp_path, films=films)["points"]
    assert first["leak"]["interval"][0] < 0.6 and first["named"]["interval"][0] < 0.15


def test_the_frontier_is_what_no_other_point_dominates(whole) -> None:
    def value(point: dict[str, Any]) -> tuple[float, float]:
        return max(0.5, point["leak"]["value"]), point["findings"]["value"]

    points = {p["name"]: p for p in whole["points"]}
    for point in points.values():
        leak, kept = value(point)
        better = {
            name
            for name, other in points.items()
            if value(other)[0] <= leak and value(other)[1] >= kept and value(other) != (leak, kept)
        }
        assert {over["point"] for over in point["dominated_by"]} == better
        assert all(0 <= over["sure"] <= 1 for over in point["dominated_by"])


def test_the_reading_says_who_dominates_whom_and_where_updp_is_not_on_the_frontier(whole) -> None:
    said = "\n".join(whole["reading"])
    assert "the attack works" in said and "UPDP" in said and "are few" in said
    for point in whole["points"]:
        assert (f"{point['name']} is dominated" in said) == bool(point["dominated_by"])
    worse = json.loads(json.dumps(whole))
    for point in worse["points"]:
        if point["method"] == "updp":
            point["dominated_by"] = [{"point": "another", "sure": 0.99}]
    assert "at no point of its slider" in "\n".join(arena_report.reading(worse))
    assert "dominated, surely" in "\n".join(arena_report.reading(worse))


def test_a_run_that_was_killed_goes_on_and_finds_the_same(whole, tmp_path) -> None:
    counter = {"drawn": 0, "limit": 30}
    kills = 0
    while True:
        try:
            again = fought(tmp_path, counter)
            break
        except KeyboardInterrupt:
            kills += 1
            counter["limit"] += 60
    assert kills > 1
    timed = {"minutes", "processor_minutes", "points"}
    without = [{k: v for k, v in p.items() if k != "processor_seconds"} for p in again["points"]]
    there = [{k: v for k, v in p.items() if k != "processor_seconds"} for p in whole["points"]]
    assert without == there
    assert {k: v for k, v in again.items() if k not in timed} == {k: v for k, v in whole.items() if k not in timed}
    drawn = counter["drawn"]
    fought(tmp_path, counter)
    assert counter["drawn"] == drawn
    with alone(tmp_path), pytest.raises(Conflict):
        fought(tmp_path)


def test_a_method_that_fails_is_named_without_what_it_said_and_the_others_go_on(tmp_path) -> None:
    found = fought(tmp_path, films=Films(12), fails="prichexy-net")
    assert [row["method"] for row in found["unmeasured"]] == ["prichexy-net"]
    assert "John" not in json.dumps(found) and {p["method"] for p in found["points"]} == set(SOME) - {"prichexy-net"}
    assert any("prichexy-net was not measured" in sentence for sentence in found["reading"])


def test_without_reports_findings_are_not_measurable_and_nobody_dominates(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(arena, "METHODS", {"updp": METHODS["updp"], "dp-pix": METHODS["dp-pix"]})
    found = fought(tmp_path, films=Films(12, told=False))
    assert all(p["findings"]["value"] is None and not p["dominated_by"] for p in found["points"])
    assert "nothing can be said" in "\n".join(found["reading"])
    assert "not measurable" in arena_report.markdown(found)


def test_the_result_is_written_as_json_a_page_and_a_plot_in_two_forms(whole, tmp_path) -> None:
    arena_report.write(whole, tmp_path)
    assert json.loads((tmp_path / "arena.json").read_text()) == whole
    page = (tmp_path / "arena.md").read_text()
    assert all(sentence in page for sentence in whole["reading"]) and "PriCheXy-Net" in page
    assert page.count("\n| updp ") == sum(p["method"] == "updp" for p in whole["points"])
    svg = ElementTree.fromstring((tmp_path / "arena.svg").read_text())
    texts = [node.text for node in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert {"updp", "findings alone", "PriCheXy-Net, mu 0.01"} <= set(texts)
    with Image.open(io.BytesIO((tmp_path / "arena.png").read_bytes())) as picture:
        assert picture.size == (1920, 940) and len(picture.getcolors(10**6) or []) > 20


def test_a_workspace_shows_its_own_result(whole, tmp_path) -> None:
    bench = Workbench.open(Settings(home=tmp_path))
    arena_report.show({**whole, "seed": 77}, tmp_path)
    found = bench.arena(actor=OBSERVER)
    assert found["svg"].startswith("<svg") and found["reading"] == whole["reading"] and found["how"]
    assert len(found["rows"]) == len(whole["points"]) + 1 and len(found["head"]) == len(found["rows"][0])
    bench.close()


def test_the_shipped_evidence_is_one_measurement_in_every_form() -> None:
    folder = ROOT / "docs" / "evidence"
    found = json.loads((folder / "arena.json").read_text())
    assert arena_report.read(folder / "nowhere") == found, "the page shows what the document tells"
    assert (folder / "arena.md").read_text() == arena_report.markdown(found)
    assert (folder / "arena.svg").read_text() == arena_report.svg(found, alone=True)
    assert found["reading"] == arena_report.reading(found) and found["commit"] and found["hardware"]


def test_the_kernel_distance_is_that_of_the_double_sum() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(7, 5)).astype(np.float32), rng.normal(1, 2, (9, 5)).astype(np.float32)
    x, y = ((part - b.mean(0)) / (b.std(0) + 1e-6) for part in (a, b))
    k = lambda p, q: (float(p @ q) / 5 + 1) ** 3  # noqa: E731
    same = [np.mean([k(p, q) for i, p in enumerate(s) for j, q in enumerate(s) if i != j]) for s in (x, y)]
    assert kernel_distance(a, b) == pytest.approx(sum(same) - 2 * np.mean([k(p, q) for p in x for q in y]), rel=1e-4)


def test_structural_similarity_and_near_duplicates_know_a_picture_again() -> None:
    images = np.stack([person(1, 0), person(1, 0), person(2, 0)])
    small = arena.shrunk(images.astype(np.float32) / 65535, 64)
    assert similarity(small[:2], small[1:]) == pytest.approx([1.0, similarity(small[1:2], small[2:])[0]])
    assert near_duplicates(images[:2]) and not near_duplicates(images[1:])


def studies_of(folder: Path, patients: int, visits: int = 2) -> Path:
    """An archive as a table with pictures."""
    rows = ["file,patient_id,study_id,view,report_text"]
    for p in range(patients):
        for v in range(visits):
            Image.fromarray((person(p, v) >> 8).astype(np.uint8)).save(folder / f"{p}-{v}.png")
            rows.append(f"{p}-{v}.png,MRN{p},S{p}{v},PA,There is {'a nodule' if p % 2 else 'no pneumothorax'}.")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_an_archive_gives_two_studies_of_a_patient_and_no_picture_twice(tmp_path) -> None:
    few = studies_of(tmp_path, 4)
    with pytest.raises(IntakeError, match="10 patients with two"):
        archive.couples(few, "auto", 24, 256)
    there = Path(studies_of(tmp_path, 12))
    Image.open(there / "0-0.png").save(there / "0-1.png")  # the same picture under two names is no second study
    found = archive.couples(there, "auto", 24, 256)
    assert found.private and found.images.shape == (22, 256, 256) and len(np.unique(found.patient)) == 11
    assert found.truth.any() and "nodule" in set(found.stated)


def test_the_command_runs_on_an_archive_and_keeps_no_word_of_it(tmp_path, monkeypatch) -> None:
    (tmp_path / "in").mkdir()
    counter = {"drawn": 0}
    monkeypatch.setattr(arena, "METHODS", {"updp": METHODS["updp"]})
    monkeypatch.setattr(cli, "Models", lambda folder: Models(counter))
    monkeypatch.setattr(cli.run_arena, "QUICK", replace(TINY, couples=12))
    out, home = tmp_path / "out", tmp_path / "home"
    given = ["arena", "--quick", "--source", studies_of(tmp_path / "in", 12), "--out", out, "--home", home, "--insight"]
    done = CliRunner().invoke(cli.app, [str(part) for part in [*given, "--json"]])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["patients"] == 12 and (home / "arena.json").is_file() and (out / "arena.png").is_file()
    kept = b"".join(path.read_bytes() for path in out.rglob("*.json*"))
    assert b"MRN" not in kept and b"a prompt" not in kept and b"nodule" not in kept
