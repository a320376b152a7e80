"""Pairs that come ready made with the sample: what the shipped models draw, measured like any other."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.unit.workbench_kit import OFFICER, READER, last
from updp_core.backends import presets
from updp_core.backends.files import digest, local_folder
from updp_core.config import SAMPLE, Settings
from updp_core.evidence import appearance, pair
from updp_core.workbench import Filters, Models, Workbench
from updp_core.workbench.ready import PAIRS
from updp_core.workbench.redraw import STUDIES, measure

BY_HAND = pytest.mark.skipif(os.environ.get("UPDP_SLOW") != "1", reason="a minute more: set UPDP_SLOW=1")
FILES = {name: json.loads((PAIRS / f"{name}.json").read_text(encoding="utf-8")) for name in STUDIES}


def sample_of(folder: Path, names: tuple[str, ...]) -> Path:
    """Some studies of the sample alone."""
    (folder / "studies").mkdir(parents=True)
    for path in (path for name in names for path in (SAMPLE / "studies").glob(f"{name}.*")):
        (folder / "studies" / path.name).write_bytes(path.read_bytes())
    return folder


def test_each_ready_pair_was_drawn_by_the_models_that_are_shipped() -> None:
    preset = presets.resolve(Settings())
    for part, source in (("encoder", preset.encoder), ("generator", preset.generator)):
        folder = local_folder(source)
        assert folder is not None
        used = {found["settings"][part]["sha256"] for found in FILES.values()}
        assert used == {digest(Path(folder))}, "draw them again: python -m updp_core.workbench.redraw"


def test_a_ready_pair_is_marked_measured_here_and_drawn_again(tmp_path: Path) -> None:
    bench = Workbench.open(Settings(home=tmp_path / "ws"))
    last(bench.import_(sample_of(tmp_path / "sample", STUDIES[:1]), actor=OFFICER))
    assert last(bench.take_ready(actor=OFFICER)) == {"taken": 1}
    [card] = bench.page(actor=OFFICER)["records"]
    detail = bench.show(card["record"], actor=READER)
    assert detail["state"] == "pending" and detail["evidence"]["method"]["ready_made"] is True
    assert "[NAME]" in detail["report"]["filtered"] and {g["state"] for g in detail["gates"]} & {"clear", "warn"}
    again = bench.reproduce(detail["candidate"], actor=READER)
    assert (again["same_models"], again["same_prompt"]) == (True, True)
    assert again["largest_difference"] <= 2, "another processor than the one that drew it rounds differently"
    assert last(bench.take_ready(actor=OFFICER)) == {"taken": 0}, "a record that has its pair keeps it"
    bench.close()


def test_a_pair_of_other_models_or_settings_is_left_to_be_drawn(tmp_path: Path) -> None:
    folder = tmp_path / "pairs"
    folder.mkdir()
    bench = Workbench.open(Settings(home=tmp_path / "ws"))
    last(bench.import_(sample_of(tmp_path / "sample", STUDIES[:1]), actor=OFFICER))
    found = FILES[STUDIES[0]]
    other = {**found["settings"], "generator": {"sha256": "0" * 64}}
    asked = {**found["settings"], "requested": {**found["settings"]["requested"], "named": "paper"}}
    for settings in (other, asked):
        (folder / "one.json").write_text(json.dumps({**found, "settings": settings}), encoding="utf-8")
        (folder / "torn.json").write_text("{", encoding="utf-8")
        assert last(bench.take_ready(actor=OFFICER, folder=folder)) == {"taken": 0}
    assert bench.counts(actor=OFFICER)["states"]["new"] == 1
    bench.close()


class NoModels(Models):
    """An installation in which nothing may be loaded and nothing measured."""

    def judges(self) -> Any:
        raise AssertionError("judges were loaded")

    def measure(self, *given: Any, **more: Any) -> Any:
        raise AssertionError("evidence was measured")


def test_the_whole_sample_gets_its_ready_pairs_without_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: Any, **more: Any) -> Any:
        raise AssertionError("a report was filtered")

    monkeypatch.setattr("updp_core.workbench.batch.filter_report", refuse)
    settings = Settings(home=tmp_path / "ws")
    bench = Workbench.open(settings, NoModels(settings))
    last(bench.import_(SAMPLE, actor=OFFICER))
    assert last(bench.take_ready(actor=OFFICER)) == {"taken": len(STUDIES)}
    found = bench.show(
        bench.page(actor=OFFICER, filters=Filters(state="pending"))["records"][0]["record"], actor=READER
    )
    assert "[NAME]" in found["report"]["filtered"] and "clear" in {g["state"] for g in found["gates"]}
    bench.close()


def close(a: Any, b: Any) -> Any:
    """Whether two pieces of JSON tell the same, numbers to within what processors round differently."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(close(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(close, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return abs(a - b) <= 2e-3 * max(1.0, abs(a))
    return a == b


@pytest.mark.parametrize(
    "names",
    [STUDIES[:1], pytest.param(STUDIES[1:], marks=[pytest.mark.slow, BY_HAND])],
    ids=["the first", "the others"],
)
def test_what_was_measured_of_ready_pairs_is_measured_again(
    names: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair, "appearance", appearance)  # tests of other pairs do without
    assert measure(names=names, out=tmp_path) == list(names)
    for name in names:
        again = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
        known = FILES[name]
        assert again["measured"]["under"] == known["measured"]["under"], "python -m updp_core.workbench.redraw measures"
        assert close(again["measured"], known["measured"]), "python -m updp_core.workbench.redraw measures"
        assert {k: v for k, v in again.items() if k != "measured"} == {
            k: v for k, v in known.items() if k != "measured"
        }
