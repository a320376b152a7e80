"""The queue at a million records: how long a page, a filter, the counts and a verdict take in the core.

`python -m benchmarks.queue [--records N] [--repeat R] [--home FOLDER] [--database URL]` fills a workspace (in a
temporary folder unless a new one is named) with rows of the same shape as real ones (no images), then measures each
verb and prints median and 95th percentile in milliseconds: of the clock, and of this process's own processor time,
which other work on the machine does not change.

Then what touches many records at once is done once each: a word of a hundredth and of a quarter of all records is
forbidden, and every approved pair is noted as released. For each: seconds to foresee, seconds to save, the longest that
a reviewer's verdict waited meanwhile, and the size of the audit event.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks._filled import OFFICER, READERS, SHARES, fill
from updp_core.config import Settings
from updp_core.store.store import fresh_id
from updp_core.workbench import Filters, Workbench, releases

LIMIT_MS = 100.0
"""Of a page, a filter, the counts."""
LIMIT_VERDICT_MS = 20.0
"""Of taking a pair and of a verdict on it."""
LIMIT_WAIT_S = 2.0
"""The longest that a reviewer may wait for a verdict to be kept while somebody changes a lexicon."""
LIMIT_EVENT = 10_000
"""Bytes of an audit event, however many records it touches."""


def measures(bench: Workbench, records: int, rng: random.Random) -> dict[str, Callable[[], object]]:
    """Name -> what a person does in the queue."""
    me = READERS[0]

    def page(sort: str = "imported", offset: int = 0, **filters: Any) -> Callable[[], object]:
        return lambda: bench.page(actor=me, filters=Filters(**filters), sort=sort, offset=offset)  # type: ignore[arg-type]

    pending = iter(
        [
            card["record"]
            for offset in range(0, 1500, 500)
            for card in bench.page(actor=me, filters=Filters(state="pending"), offset=offset, limit=500)["records"]
        ]
    )

    def verdict() -> object:
        return bench.decide(next(pending), "reject", actor=me)

    return {
        "first page": page(),
        "page by risk": page("risk"),
        "deep page": page(offset=records // 2),
        "deep page by risk": page("risk", offset=records // 2),
        "pending by risk": page("risk", state="pending"),
        "approved": page(state="approved"),
        "worst gate: block": page("risk", gate_state="block"),
        "one gate warns": page("risk", gate="domain", gate_state="warn"),
        "released": page(released=True),
        "waiting for a second": page(waiting=True),
        "finding and reviewer": page(finding="nodule", reviewer=READERS[1].name),
        "finding and gate": page("risk", finding="nodule", gate="domain", gate_state="warn"),
        "one gate clear": page("risk", gate="residual_phi", gate_state="clear"),
        "finding, pending, by risk": page("risk", state="pending", finding="nodule"),
        "method and reviewer": page(method="updp", reviewer=READERS[1].name),
        "text": page(text="effusion nodule"),
        "text, rare": page(text="P777"),
        "free": page("risk", state="pending", free=True),
        "counts": lambda: bench.counts(actor=me),
        "take": lambda: bench.take_next(actor=me, filters=Filters(state="pending"), sort="risk"),
        "decide": verdict,
        "undo": lambda: bench.undo(actor=me),
    }


def at_once(bench: Workbench) -> dict[str, dict[str, float]]:
    """What touches many records -> {"records", "foresee_s", and what `_beside` measures}."""
    told: dict[str, dict[str, float]] = {}
    bench.filter_text("The filter loads what it needs.", actor=OFFICER)
    for word in SHARES:
        change = {"blacklist": {"names": [word]}}
        start = time.perf_counter()
        foreseen = bench.lexicon_impact(add=change, actor=OFFICER)
        looked = round(time.perf_counter() - start, 2)
        number = foreseen["pending"] + foreseen["approved"] + foreseen["other"]
        save = functools.partial(bench.lexicon_edit, add=change, comment="benchmark", actor=OFFICER)
        told[f"forbid a word of {number} pairs"] = {
            "records": number,
            "foresee_s": looked,
            **_beside(bench, "lexicon_edit", save),
        }
    with bench.desk.store.read() as tx:
        approved = {row.candidate: row for row in releases.approved_in(tx)}
        moment = releases.Moment.of(tx)
    about = {
        "folder": "benchmark",
        "officer": OFFICER.name,
        "comment": "",
        "pairs": len(approved),
        "lexicon_version": 1,
        "manifest_sha256": "0" * 64,
        "root_digest": "0" * 64,
        "audit_head": "0" * 64,
    }
    note = functools.partial(releases.record, bench.desk, fresh_id("L"), about, approved, moment, OFFICER)
    told[f"note a release of {len(approved)} pairs"] = {"records": len(approved), **_beside(bench, "release", note)}
    return told


def _beside(bench: Workbench, verb: str, what: Callable[[], object]) -> dict[str, float]:
    """{"seconds", "cpu_s", "longest_wait_s", "writes", "event_bytes"}: done while a reviewer goes on writing."""
    pending = bench.page(actor=READERS[0], filters=Filters(state="pending"), sort="-imported", limit=500)["records"]
    waits: list[float] = []
    ended = threading.Event()

    def review() -> None:
        for card in itertools.cycle(pending):
            if ended.is_set():
                break
            start = time.perf_counter()
            bench.decide(card["record"], "reject", actor=READERS[0])
            waits.append(time.perf_counter() - start)
            time.sleep(0.05)

    reviewer = threading.Thread(target=review)
    reviewer.start()
    start, busy = time.perf_counter(), time.process_time()
    what()
    took, work = time.perf_counter() - start, time.process_time() - busy
    ended.set()
    reviewer.join()
    with bench.desk.store.read() as tx:
        newest = "SELECT length(detail_json) FROM audit_event WHERE verb = :v ORDER BY id DESC LIMIT 1"
        size = tx.value(newest, v=verb)
    return {
        "seconds": round(took, 2),
        "cpu_s": round(work, 2),
        "longest_wait_s": round(max(waits), 2),
        "writes": len(waits),
        "event_bytes": size,
    }


def _p95(times: list[float]) -> float:
    return round(statistics.quantiles(times, n=20, method="inclusive")[-1] if len(times) > 1 else times[0], 1)


def run(records: int, repeat: int, home: Path, database: str = "") -> dict[str, Any]:
    """{"records", "fill_s", "ms": {what: {"median", "p95", "cpu_p95"}}, "at_once": {what: {...}}, limits, "ok"}."""
    bench = Workbench.open(Settings(home=home, database_url=database))
    began = time.perf_counter()
    with bench.desk.store.read() as tx:
        found = tx.value("SELECT count(*) FROM record")
    if not found:
        fill(bench.desk.store, records)
    filled = time.perf_counter() - began
    told: dict[str, dict[str, float]] = {}
    for name, what in measures(bench, records, random.Random(0)).items():
        what()
        times, work = [], []
        for _ in range(repeat):
            start, busy = time.perf_counter(), time.process_time()
            what()
            times.append(1000 * (time.perf_counter() - start))
            work.append(1000 * (time.process_time() - busy))
        limit = LIMIT_VERDICT_MS if name in ("take", "decide", "undo") else LIMIT_MS
        p95 = _p95(times)
        told[name] = {"median": round(statistics.median(times), 1), "p95": p95, "cpu_p95": _p95(work), "limit": limit}
    many = at_once(bench)
    bench.close()
    ok = all(item["p95"] <= item["limit"] for item in told.values()) and all(
        item["longest_wait_s"] <= LIMIT_WAIT_S and item["event_bytes"] < LIMIT_EVENT for item in many.values()
    )
    return {
        "records": records,
        "database": "postgresql" if database else "sqlite",
        "fill_s": round(filled, 1),
        "ms": told,
        "at_once": many,
        "limit_wait_s": LIMIT_WAIT_S,
        "limit_event_bytes": LIMIT_EVENT,
        "ok": ok,
    }


def main() -> None:
    """Print the table, and JSON as the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=40)
    parser.add_argument("--home", type=Path, help="a new folder, or one of an earlier run, which is measured again")
    parser.add_argument("--database", default="", help="an empty database on a server: postgresql+psycopg://...")
    options = parser.parse_known_args()[0]
    with tempfile.TemporaryDirectory() as folder:
        home = options.home or Path(folder) / "ws"
        found = run(options.records, options.repeat, home, options.database)
    for name, item in found["ms"].items():
        over = "" if item["p95"] <= item["limit"] else f"   over {item['limit']:.0f}"
        print(
            f"{name:<28} median {item['median']:8.1f} ms   95th percentile {item['p95']:8.1f} ms "
            f"(processor {item['cpu_p95']:.1f}){over}",
            file=sys.stderr,
        )
    for name, item in found["at_once"].items():
        print(f"{name:<36} " + "   ".join(f"{key} {value}" for key, value in item.items()), file=sys.stderr)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
