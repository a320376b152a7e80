"""Insight: what was measured of the models stands in the app, and says so where it speaks of other models."""

from __future__ import annotations

import re
from typing import Any

from ui import plots
from ui.pages import insight

ROW = {
    "name": "zero_shot_auc",
    "part": "encoder",
    "measure": "Findings named <by> the encoder",
    "value": "0.962",
    "interval": "0.954 to 0.969",
    "bar": "at least 0.950",
    "n": "200 images",
    "missed": False,
}
SAME = {"part": "encoder", "measured": "a" * 64, "used": "a" * 64, "same": True}


def data(*models: dict[str, Any], **row: Any) -> dict[str, Any]:
    shown = ROW | row
    missed = [shown["name"]] if shown["missed"] else []
    return {
        "rows": [shown],
        "how": "Measured by `evaluate starter`.",
        "date": "2026-01-02",
        "seed": 0,
        "missed": missed,
        "models": list(models or (SAME,)),
    }


def plain(markup: str) -> str:
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", markup))


def test_a_row_says_value_interval_bar_and_sample_and_is_escaped() -> None:
    markup = insight.models(data())
    assert "Findings named &lt;by&gt; the encoder" in markup and "<by>" not in markup
    for said in ("0.962", "0.954 to 0.969", "at least 0.950", "✓ reached", "200 images", "All bars are reached."):
        assert said in plain(markup)
    assert "<code>evaluate starter</code>" in markup


def test_a_missed_bar_is_told_by_a_word() -> None:
    said = plain(insight.models(data(missed=True)))
    assert "✕ missed" in said and "1 of 1 bars are missed." in said and "All bars" not in said


def test_where_there_is_no_bar_nothing_is_claimed() -> None:
    said = plain(insight.models(data(missed=None, bar="")))
    assert "reached" not in said.replace("All bars are reached.", "") and "missed" not in said


def test_figures_of_another_version_are_not_taken_for_those_in_use() -> None:
    assert "another version" not in plain(insight.models(data(SAME)))
    other = {"part": "generator", "measured": "b" * 64, "used": "c" * 64, "same": False}
    foreign = {"part": "judges", "measured": "b" * 64, "used": "", "same": False}
    said = plain(insight.models(data(SAME, other, foreign)))
    assert "another version is in use here (generator, judges)" in said
    assert "▲ another version, cccccccccccc" in said and "▲ another model" in said


def test_without_a_measurement_the_page_says_how_to_get_one() -> None:
    said = insight.models({"rows": [], "how": "", "date": "", "seed": None, "missed": [], "models": []})
    assert "evaluate starter --write" in said and "<table" not in said


def test_no_point_of_a_scatter_lies_under_the_names() -> None:
    groups = {f"method-{n}": [(0.0, 0.0, ""), (1.0, 1.0, ""), (n / 5, 1.0, "")] for n in range(5)}
    chart = plots.scatter(groups, "likeness", "fit")
    texts = re.findall(r'<text x="([\d.]+)" y="(-?[\d.]+)"([^>]*)>([^<]+)<', chart)
    dots = [float(y) for _, y, rest, _ in texts if "dot" in rest]
    names = {said: (float(x), float(y)) for x, y, _, said in texts if "method-" in said}
    assert len(dots) == 15 and len(set(names.values())) == len(names) == 5
    top = -float(re.search(r'viewBox="0 (-\d+) ', chart)[1])  # type: ignore[index]
    assert max(y for _, y in names.values()) + 4 < min(dots) - 4 and min(y for _, y in names.values()) > 10 - top


RULE: Any = {"name": "identity_similarity", "title": "Likeness", "worse": "above", "limit": 0.6}


def numbers(*values: float) -> dict[str, Any]:
    rows = [
        {"record": f"R{n}", "candidate": n, "method": "updp", "lexicon_version": 1, "state": "pending"}
        | {"identity_similarity": value, "prompt_score": 0.5 + n / 100}
        for n, value in enumerate(values)
    ]
    return {"candidates": rows, "decisions": [], "throughput": [], "lexicon": []}


def test_a_gates_limit_is_drawn_in_its_plot_and_the_pairs_beyond_it_open_the_worst_first() -> None:
    markup = insight.charts(numbers(0.1, 0.61, 0.3, 0.95), {"identity_similarity": RULE})
    histogram = markup[markup.index("<h3>Likeness</h3>") :].split("</figure>")[0]
    assert "limit 0.60" in plain(histogram) and 'class="limit"' in histogram
    assert "2 pairs above the limit" in plain(histogram)
    assert re.findall('class="to-pair" data-to-record="(R[0-9])"', histogram) == ["R3", "R1"]


def test_each_point_opens_its_pair_and_lies_on_its_side_of_the_limit() -> None:
    markup = insight.charts(numbers(0.1, 0.61, 0.3, 0.95), {"identity_similarity": RULE})
    chart = markup[markup.index("Privacy against use") :].split("</figure>")[0]
    [line] = re.findall(r'class="limit" x1="([\d.]+)"', chart)
    points = {r: float(x) for x, r in re.findall(r'<text x="([\d.]+)"[^>]*class="dot" data-to-record="(R\d)"', chart)}
    assert {record for record, x in points.items() if x > float(line)} == {"R1", "R3"} and len(points) == 4


def test_a_limit_that_no_pair_comes_near_is_drawn_all_the_same() -> None:
    markup = insight.charts(numbers(0.1, 0.2), {"identity_similarity": RULE})
    histogram = markup[markup.index("<h3>Likeness</h3>") :].split("</figure>")[0]
    assert "limit 0.60" in plain(histogram) and "above the limit" not in plain(histogram)
