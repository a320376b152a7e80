"""`python -m updp_core.workbench.redraw` draws the ready-made pairs of the sample again, after its models changed; with
`measures` they are only filtered and measured again, after the filter, the lexicon, a judge or a measure changed."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from updp_core.config import SAMPLE, Settings
from updp_core.domain import Actor
from updp_core.workbench import Filters, Workbench
from updp_core.workbench.ready import PAIRS

STUDIES = tuple(f"sample-{number:02d}-1" for number in range(1, 9))
"""One visit each of eight patients: what a first look needs. The others are drawn while somebody looks."""
ACTOR = Actor("redraw", "privacy-officer")


def redraw(folder: Path = PAIRS, say: Callable[[str], None] = print) -> list[str]:
    """Draw STUDIES with the starter models in a workspace that goes away, and write them to `folder`; their names."""
    with tempfile.TemporaryDirectory() as place:
        bench = Workbench.open(Settings(home=Path(place) / "home"))
        for step in bench.import_(SAMPLE, actor=ACTOR):
            say(step.message)
        records = chosen(bench)
        # One at a time, as `reproduce` draws: a batch of another size rounds a pixel differently here and there.
        for number, record in enumerate(records, start=1):
            for _ in bench.generate(actor=ACTOR, records=[record]):
                pass
            say(f"{number} of {len(records)} drawn")
        names = bench.write_ready(records, actor=ACTOR, folder=folder)
        bench.close()
    return names


def measure(folder: Path = PAIRS, names: tuple[str, ...] = STUDIES, out: Path | None = None) -> list[str]:
    """Filter and measure the ready-made pairs of `names` anew, as they are drawn, and write them to `out` (where they
    are); their names."""
    with tempfile.TemporaryDirectory() as place:
        bench = Workbench.open(Settings(home=Path(place) / "home"))
        for _ in bench.import_(SAMPLE, actor=ACTOR):
            pass
        bare = Path(place) / "pairs"
        bare.mkdir()
        for name in names:
            found = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
            found.pop("measured", None)
            (bare / f"{name}.json").write_text(json.dumps(found), encoding="utf-8")
        for _ in bench.take_ready(actor=ACTOR, folder=bare):
            pass
        written = bench.write_ready(chosen(bench, names), actor=ACTOR, folder=out or folder)
        bench.close()
    return written


def chosen(bench: Workbench, studies: tuple[str, ...] = STUDIES) -> list[str]:
    """The records of these studies, in their order."""
    rows = bench.page(actor=ACTOR, filters=Filters(), sort="imported", limit=500)["records"]
    names = {Path(bench.show(row["record"], actor=ACTOR)["source"] or "").stem: row["record"] for row in rows}
    return [names[name] for name in studies]


if __name__ == "__main__":
    if sys.argv[1:] == ["measures"]:
        measure()
    else:
        redraw()
