"""The queue at 100,000 records: how long a page, a filter, the counts and a verdict take in the core.

`python -m benchmarks.queue_100k [--records N] [--repeat R]` fills a workspace in a temporary folder with rows of the
same shape as real ones (no images), then measures each verb and prints median and 95th percentile in
milliseconds: of the clock, and of this process's own processor time, which other work on the machine does not change.

Then what touches many records at once is done once each: a word of a hundredth and of a third of the reports is
forbidden, and every approved pair is noted as released. For each: seconds to foresee, seconds to save, the longest that
a reviewer's verdict waited meanwhile, and the size of the audit event.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import random
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from updp_core.config import Settings
from updp_core.domain import Actor
from updp_core.evidence.gates import gates, risk, worst
from updp_core.store import word_index
from updp_core.store.store import canonical, fresh_id, now
from updp_core.workbench import Filters, Workbench, releases

OFFICER = Actor("benchmark", "privacy-officer")
READERS = [Actor(f"reader {n}", "radiologist") for n in range(4)]
FINDINGS = ("cardiomegaly", "pleural_effusion", "nodule", "edema", "fibrosis", "atelectasis", "pneumothorax")
WORDS = ("heart", "lungs", "clear", "effusion", "small", "left", "right", "nodule", "opacity", "stable", "device")
OTHERS = tuple(
    "".join(pair) for pair in itertools.product(("pel", "mun", "sar", "tok", "vid"), ("ane", "ori", "ulu", "eph"))
)
SHARES = {"velvet": 0.01, "copper": 0.33}
"""Words to be forbidden, and the share of reports that hold them."""
LIMIT_WAIT_S = 20.0
"""The longest that a reviewer may wait for a verdict to be kept while somebody changes a lexicon."""
LIMIT_EVENT = 10_000
"""Bytes of an audit event, however many records it touches."""
LIMIT_MS = 200.0


class Rows:
    """Rows for bulk insertion: the benchmark measures reading and deciding, not how a workspace fills."""

    def __init__(self) -> None:
        self.tables: dict[str, list[dict[str, Any]]] = {}

    def insert(self, table: str, **values: Any) -> int:
        """Add a row; its number in the table, from 1."""
        rows = self.tables.setdefault(table, [])
        rows.append(values)
        return len(rows)

    def write(self, path: Path) -> None:
        """Insert everything into the database in one transaction, and forget it."""
        plain = sqlite3.connect(path)
        for table, rows in self.tables.items():
            names = list(rows[0])
            marks = ", ".join(f":{name}" for name in names)
            plain.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", rows)
        plain.commit()
        plain.close()
        self.tables.clear()


def fill(tx: Rows, records: int, rng: random.Random) -> None:
    """Records, four fifths of them with a candidate, three fifths of these decided."""
    for n in range(records):
        rare = [word for word, share in SHARES.items() if rng.random() < share]
        text = " ".join([*rng.choices(WORDS + OTHERS, k=60), *rare])
        findings = sorted(f for f in FINDINGS if rng.random() < 0.15)
        record = fresh_id("R")
        seq = tx.insert(
            "record",
            id=record,
            patient=f"P{n // 3}",
            study=f"S{n // 2}",
            source=f"{n}.png",
            sha256=f"{n:064d}",
            image="0" * 64,
            height=512,
            width=512,
            bit_depth=12,
            view="PA",
            report=text,
            header_json="{}",
            flags_json="[]" if rng.random() < 0.9 else '["flag"]',
            findings_json=canonical(findings),
            finding_key=",".join(findings),
            imported_at=now(),
        )
        for finding in findings:
            tx.insert("record_finding", finding=finding, seq=seq)
        if rng.random() < 0.2:
            tx.insert("record_text", rowid=seq, body=record)
            continue
        evidence = _evidence(rng)
        candidate = tx.insert(
            "candidate",
            record=record,
            method=rng.choice(["updp", "updp", "dp-pix"]),
            releasable=True,
            settings_json="{}",
            lexicon_version=1,
            seed=n,
            prompt_json=None,
            prompt_text=text[:80],
            filtered=text,
            spans_json="[]",
            surrogates_json="[]",
            report_policy="placeholder",
            image="0" * 64,
            height=256,
            width=256,
            evidence_json=canonical(evidence),
            error="" if rng.random() < 0.98 else "failed",
            actor="b",
            created_at=now(),
        )
        said, near = word_index.indexed(word_index.Texts(text[:80], text, "[]"))
        tx.insert("candidate_word", rowid=candidate, said=" ".join(said), near=" ".join(near))
        found = gates(evidence)
        tx.insert(
            "grade",
            candidate=candidate,
            gates_json="[]",
            worst=worst({g.name: g.state for g in found}),
            risk=risk(found),
            alignment=evidence["alignment"]["after"],
        )
        for gate in found:
            tx.insert("gate_value", candidate=candidate, name=gate.name, state=gate.state, value=gate.value)
        tx.insert("choice", record=record, candidate=candidate, after_decision=0, actor="b", created_at=now())
        tx.insert("record_text", rowid=seq, body=f"{record} P{n // 3} {text}")
        if rng.random() < 0.6:
            reader = rng.choice(READERS)
            tx.insert(
                "decision",
                record=record,
                candidate=candidate,
                reviewer=reader.name,
                role=reader.role,
                verdict=rng.choice(["approve", "approve", "approve", "reject", "regenerate"]),
                reasons_json="[]",
                comment="",
                overrides_json="[]",
                blind=False,
                decided_at=now(),
            )


def _evidence(rng: random.Random) -> dict[str, Any]:
    return {
        "alignment": {"after": rng.gauss(0.4, 0.15), "before": 0.2},
        "residual_phi": {"count": 0},
        "forbidden_in_prompt": {"count": 0},
        "image_text": {"count": int(rng.random() < 0.01)},
        "prompt_score": {"synthetic": rng.gauss(0.3, 0.1)},
        "identity": {"similarity": rng.gauss(0.3, 0.2), "rank": rng.randint(1, 500)},
        "findings": {"lost_count": int(rng.random() < 0.1), "invented_count": int(rng.random() < 0.1)},
        "memorisation": {"percentile": rng.uniform(0, 100)},
        "domain": {"percentile": rng.uniform(0, 100)},
        "rarity": {"others": rng.randint(0, 50)},
    }


def measures(bench: Workbench, records: int, rng: random.Random) -> dict[str, Callable[[], object]]:
    """Name -> what a person does in the queue."""
    me = READERS[0]

    def page(sort: str = "imported", offset: int = 0, **filters: Any) -> Callable[[], object]:
        return lambda: bench.page(actor=me, filters=Filters(**filters), sort=sort, offset=offset)  # type: ignore[arg-type]

    def verdict() -> object:
        cards = bench.page(actor=me, filters=Filters(state="pending"), offset=rng.randint(0, 500), limit=1)["records"]
        return bench.decide(cards[0]["record"], "approve", actor=me)

    return {
        "first page": page(),
        "page by risk": page("risk"),
        "deep page": page(offset=records // 2),
        "deep page by risk": page("risk", offset=records // 2),
        "pending by risk": page("risk", state="pending"),
        "approved": page(state="approved"),
        "worst gate: block": page("risk", gate_state="block"),
        "one gate warns": page("risk", gate="domain", gate_state="warn"),
        "one gate clear": page("risk", gate="residual_phi", gate_state="clear"),
        "finding, pending, by risk": page("risk", state="pending", finding="nodule"),
        "method and reviewer": page(method="updp", reviewer=READERS[1].name),
        "text": page(text="effusion nodule"),
        "text, rare": page(text="P777"),
        "free": page("risk", state="pending", free=True),
        "counts": lambda: bench.counts(actor=me),
        "take next": lambda: bench.take_next(actor=me, filters=Filters(state="pending"), sort="risk"),
        "decide": verdict,
        "undo": lambda: (verdict(), bench.undo(actor=me)),
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
        approved = {row.candidate: row for row in tx.rows(releases.Approved, releases.APPROVED)}
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
    record = bench.page(actor=READERS[0], limit=1)["records"][0]["record"]
    waits: list[float] = []
    ended = threading.Event()

    def review() -> None:
        while not ended.is_set():
            start = time.perf_counter()
            bench.save_draft(record, {"comment": f"draft {len(waits)}"}, actor=READERS[0])
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


def run(records: int, repeat: int) -> dict[str, Any]:
    """{"records", "fill_s", "ms": {what: {"median", "p95", "cpu_p95"}}, "at_once": {what: {...}}, limits, "ok"}."""
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        bench = Workbench.open(Settings(home=Path(folder) / "ws"))
        began = time.perf_counter()
        rows = Rows()
        fill(rows, records, rng)
        rows.write(Path(folder) / "ws" / "updp.sqlite3")
        with bench.desk.store.write() as tx:
            tx.refresh()
            tx.audit(OFFICER, "benchmark")
            tx.run("ANALYZE")
        filled = time.perf_counter() - began
        told: dict[str, dict[str, float]] = {}
        for name, what in measures(bench, records, rng).items():
            what()
            times, work = [], []
            for _ in range(repeat):
                start, busy = time.perf_counter(), time.process_time()
                what()
                times.append(1000 * (time.perf_counter() - start))
                work.append(1000 * (time.process_time() - busy))
            told[name] = {"median": round(statistics.median(times), 1), "p95": _p95(times), "cpu_p95": _p95(work)}
        many = at_once(bench)
        bench.close()
    ok = all(item["p95"] < LIMIT_MS for name, item in told.items() if name not in ("decide", "undo"))
    ok = ok and all(
        item["longest_wait_s"] < LIMIT_WAIT_S and item["event_bytes"] < LIMIT_EVENT for item in many.values()
    )
    return {
        "records": records,
        "fill_s": round(filled, 1),
        "ms": told,
        "limit_ms": LIMIT_MS,
        "at_once": many,
        "limit_wait_s": LIMIT_WAIT_S,
        "limit_event_bytes": LIMIT_EVENT,
        "ok": ok,
    }


def main() -> None:
    """Print the table, and JSON as the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=20)
    options = parser.parse_known_args()[0]
    found = run(options.records, options.repeat)
    for name, item in found["ms"].items():
        print(
            f"{name:<28} median {item['median']:8.1f} ms   95th percentile {item['p95']:8.1f} ms "
            f"(processor {item['cpu_p95']:.1f})",
            file=sys.stderr,
        )
    for name, item in found["at_once"].items():
        print(f"{name:<36} " + "   ".join(f"{key} {value}" for key, value in item.items()), file=sys.stderr)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
