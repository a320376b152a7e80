"""`make app` on an empty workspace: wall and processor seconds to the first page, the first pair and the ready pairs.

The page may answer before a pair is there; what a newcomer waits for is a pair to look at.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

import psutil

from benchmarks._served import LIMIT_S, serve
from updp_core.workbench.redraw import STUDIES


def processor_seconds(app: psutil.Process) -> float:
    """What the app and the processes that it started have used so far, those that ended included."""
    times = [process.cpu_times() for process in (app, *app.children(recursive=True))]
    return sum(t.user + t.system for t in times) + times[0].children_user + times[0].children_system


def pairs_in(home: Path) -> int:
    """Pairs that a workspace holds, 0 while it has no database."""
    place = home / "updp.sqlite3"
    if not place.exists():
        return 0
    try:
        with closing(sqlite3.connect(f"file:{place}?mode=ro", uri=True)) as base:
            return int(base.execute("SELECT count(*) FROM candidate").fetchone()[0])
    except sqlite3.Error:  # its tables are being made
        return 0


def main() -> dict[str, tuple[float, float]]:
    """Print, of page, first pair and all ready pairs, the (wall, processor) seconds since Python's start."""
    marks: dict[str, tuple[float, float]] = {}
    with tempfile.TemporaryDirectory() as place:
        home, started = Path(place) / "home", time.perf_counter()
        with serve(home) as (_, seconds):
            [app] = (p for p in psutil.Process().children() if "app.py" in p.cmdline())
            marks["page"] = (seconds, processor_seconds(app))
            for name, wanted in (("first pair", 1), (f"{len(STUDIES)} ready pairs", len(STUDIES))):
                while pairs_in(home) < wanted:
                    if time.perf_counter() - started > LIMIT_S:
                        raise RuntimeError(f"No {name} within {LIMIT_S:.0f} s.")
                    time.sleep(0.05)
                marks[name] = (time.perf_counter() - started, processor_seconds(app))
    for name, (wall, processor) in marks.items():
        print(f"{name}: {wall:.1f} s after the start, {processor:.1f} processor seconds")
    return marks


if __name__ == "__main__":
    main()
