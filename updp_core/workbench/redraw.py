"""`python -m updp_core.workbench.redraw` draws the ready-made pairs of the sample again, after its models changed."""

from __future__ import annotations

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


def chosen(bench: Workbench) -> list[str]:
    """The records of STUDIES, in their order."""
    rows = bench.page(actor=ACTOR, filters=Filters(), sort="imported", limit=500)["records"]
    names = {Path(bench.show(row["record"], actor=ACTOR)["source"] or "").stem: row["record"] for row in rows}
    return [names[name] for name in STUDIES]


if __name__ == "__main__":
    redraw()
