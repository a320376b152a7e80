"""A workspace of any number of records by bulk SQL, in the product's own tables: for measuring how verbs bear it."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Column, Float, Integer, MetaData, String, Table, insert

from updp_core.atomic import canonical
from updp_core.domain import Actor
from updp_core.evidence.gates import gates, risk, worst
from updp_core.store import Store, Transaction, word_index
from updp_core.store.postgres import Postgres
from updp_core.store.store import now, stamp

OFFICER = Actor("benchmark", "privacy-officer")
READERS = [Actor(f"reader {n}", "radiologist") for n in range(12)]
FINDINGS = ("cardiomegaly", "pleural_effusion", "nodule", "edema", "fibrosis", "atelectasis", "pneumothorax")
WORDS = ("heart", "lungs", "clear", "effusion", "small", "left", "right", "nodule", "opacity", "stable", "device")
OTHERS = tuple(
    "".join(pair) for pair in itertools.product(("pel", "mun", "sar", "tok", "vid"), ("ane", "ori", "ulu", "eph"))
)
SHARES = {"velvet": 0.01, "copper": 0.3125}
"""Words to be forbidden, and the share of candidates that hold them: of a million records 8,000 and 250,000."""
KINDS = 4003
"""Reports with prompt, evidence and gates that the records repeat; a prime, so that they meet every other choice."""
MOMENTS = 20_000
"""Times of decisions over a year; the last 200 are today."""
AT_ONCE = 50_000

_META = MetaData()


def _few(table: str, key: bool, /, **columns: type[Integer] | type[String] | type[Float]) -> Table:
    kept = (Column(column, kind) for column, kind in columns.items())
    return Table(table, _META, Column("k", Integer, primary_key=key, index=not key), *kept)


_TEXTS = ("report", "prompt", "said", "near", "findings_json", "finding_key", "evidence_json", "error", "worst")
_KIND = _few("kind", True, **dict.fromkeys(_TEXTS, String), risk=Float, alignment=Float)
_GATE = _few("kind_gate", False, name=String, state=String, value=Float)
_FINDING = _few("kind_finding", False, finding=String)
_MOMENT = _few("moment", True, at=String)
_READER = _few("reader", True, name=String)

# Every record n has its kind and, four times of five, a candidate; candidates are numbered without a gap.
_SOME = "WITH RECURSIVE i(n) AS (SELECT CAST(:first AS bigint) UNION ALL SELECT n + 1 FROM i WHERE n < :last)"
_ID = "'R' || ((n * 2654435761) % 4294967296)"
_KINDLY = "FROM i JOIN kind ON kind.k = n % :kinds"
_CANDIDATE = "n - n / 5"
_HAS = "WHERE n % 5 <> 0"
_DECIDED = f"{_HAS} AND (n * 48271) % 2147483647 % 10 < 6"
_METHOD = "CASE n % 3 WHEN 0 THEN 'dp-pix' ELSE 'updp' END"
_VERDICT = "CASE (n * 69621) % 2147483647 % 5 WHEN 0 THEN 'reject' WHEN 1 THEN 'regenerate' ELSE 'approve' END"
_INTO: Mapping[str, str] = {
    "record (seq, id, patient, study, source, sha256, image, height, width, bit_depth, view, report, header_json, "
    "flags_json, findings_json, finding_key, imported_at)": f"SELECT n, {_ID}, 'P' || (n / 3), 'S' || (n / 2), "
    "n || '.png', 'sha256 of ' || n, 'none', 512, 512, 12, 'PA', report, '{}', "
    "CASE n % 10 WHEN 0 THEN '[\"flag\"]' ELSE '[]' END, "
    f"findings_json, finding_key, CAST(:now AS text) {_KINDLY}",
    "record_finding (finding, seq)": "SELECT f.finding, n FROM i JOIN kind_finding f ON f.k = n % :kinds",
    "candidate (id, record, method, releasable, settings_json, lexicon_version, seed, prompt_text, filtered, "
    "spans_json, surrogates_json, report_policy, image, height, width, evidence_json, error, actor, created_at)": (
        f"SELECT {_CANDIDATE}, {_ID}, {_METHOD}, true, '{{}}', 1, n % :kinds, prompt, report, '[]', '[]', "
        f"'placeholder', 'none', 256, 256, evidence_json, error, 'b', CAST(:now AS text) {_KINDLY} {_HAS}"
    ),
    "grade (candidate, gates_json, worst, risk, alignment)": (
        f"SELECT {_CANDIDATE}, '[]', worst, risk, alignment {_KINDLY} {_HAS}"
    ),
    "gate_value (candidate, name, state, value)": (
        f"SELECT {_CANDIDATE}, g.name, g.state, g.value FROM i JOIN kind_gate g ON g.k = n % :kinds {_HAS}"
    ),
    "choice (id, record, candidate, after_decision, actor, created_at)": (
        f"SELECT {_CANDIDATE}, {_ID}, {_CANDIDATE}, 0, 'b', CAST(:now AS text) FROM i {_HAS}"
    ),
    "decision (id, record, candidate, reviewer, role, verdict, reasons_json, comment, overrides_json, blind, "
    "decided_at)": f"SELECT n, {_ID}, {_CANDIDATE}, reader.name, 'radiologist', {_VERDICT}, '[]', '', '[]', false, "
    f"moment.at FROM i JOIN moment ON moment.k = n * {MOMENTS - 1} / :all "
    f"JOIN reader ON reader.k = (n * 16807) % 2147483647 % {len(READERS)} {_DECIDED}",
}
_WORDS = {
    True: {  # PostgreSQL
        "candidate_word (candidate, said, near)": f"SELECT {_CANDIDATE}, string_to_array(said, ' '), "
        f"string_to_array(near, ' ') {_KINDLY} {_HAS}",
        "record_text (seq, body)": f"SELECT n, array_to_tsvector(array(SELECT DISTINCT unnest(string_to_array("
        f"lower({_ID} || ' P' || (n / 3) || ' ' || report), ' ')))) {_KINDLY} {_HAS}",
    },
    False: {
        "candidate_word (rowid, said, near)": f"SELECT {_CANDIDATE}, said, near {_KINDLY} {_HAS}",
        "record_text (rowid, body)": f"SELECT n, {_ID} || ' P' || (n / 3) || ' ' || report {_KINDLY} {_HAS}",
    },
}


def fill(store: Store, records: int) -> None:
    """Fill an empty workspace: four fifths of the records with a candidate, three fifths of these decided in a year.

    Only the rows: they are in no event of the chain, and there are no images.
    """
    kinds = min(KINDS, max(records // 10, 50))
    on_server = isinstance(store.dialect, Postgres)
    with store.write() as tx:
        _META.create_all(tx.connection)
        _repeat(tx, random.Random(0), kinds)
    for first in range(1, records + 1, AT_ONCE):
        values = {
            "first": first,
            "last": min(first + AT_ONCE - 1, records),
            "all": records,
            "now": now(),
            "kinds": kinds,
        }
        with store.write() as tx:
            if not on_server:
                tx.run("PRAGMA cache_size = -1000000")  # of this connection: it must hold the indexes that are filled
            for into, query in {**_INTO, **_WORDS[on_server]}.items():
                tx.run(f"INSERT INTO {into} {_SOME} {query}", **values)
    with store.write() as tx:
        _META.drop_all(tx.connection)
        tx.audit(OFFICER, "benchmark")
        tx.run("ANALYZE")
    with store.write() as tx:
        tx.refresh()
        tx.run("ANALYZE")


def _repeat(tx: Transaction, rng: random.Random, number: int) -> None:
    """What the records repeat."""
    kinds: list[dict[str, Any]] = []
    gate_rows: list[dict[str, Any]] = []
    finding_rows: list[dict[str, Any]] = []
    for k in range(number):
        rare = [word for word, share in SHARES.items() if k * 7919 % KINDS < share * KINDS]
        text = " ".join([*rng.choices(WORDS + OTHERS, k=60), *rare])
        said, near = word_index.indexed(word_index.Texts(text[:80], text, "[]"))
        findings = sorted(f for f in FINDINGS if rng.random() < 0.15)
        evidence = _evidence(rng)
        found = gates(evidence)
        kinds.append(
            {
                "k": k,
                "report": text,
                "prompt": text[:80],
                "said": " ".join(said),
                "near": " ".join(near),
                "findings_json": canonical(findings),
                "finding_key": ",".join(findings),
                "evidence_json": canonical(evidence),
                "error": "" if rng.random() < 0.98 else "failed",
                "worst": worst({g.name: g.state for g in found}),
                "risk": risk(found),
                "alignment": evidence["alignment"]["after"],
            }
        )
        gate_rows += [{"k": k, "name": g.name, "state": g.state, "value": g.value} for g in found]
        finding_rows += [{"k": k, "finding": finding} for finding in findings]
    today = datetime.now(UTC)
    begun = today.replace(hour=0, minute=0, second=0, microsecond=0)
    year = [begun - timedelta(days=365) * (1 - k / (MOMENTS - 200)) for k in range(MOMENTS - 200)]
    day = [begun + (today - begun) * (k / 200) for k in range(200)]
    moments = [{"k": k, "at": stamp(at)} for k, at in enumerate(year + day)]
    readers = [{"k": k, "name": reader.name} for k, reader in enumerate(READERS)]
    for table, rows in (
        (_KIND, kinds), (_GATE, gate_rows), (_FINDING, finding_rows), (_MOMENT, moments), (_READER, readers)
    ):  # fmt: skip
        tx.connection.execute(insert(table), rows)


def _evidence(rng: random.Random) -> dict[str, Any]:
    return {
        "alignment": {"after": rng.gauss(0.4, 0.15), "before": 0.2},
        "residual_phi": {"count": 0},
        "forbidden_in_prompt": {"count": 0},
        "image_text": {"count": int(rng.random() < 0.01)},
        "prompt_score": {"synthetic": rng.gauss(0.3, 0.1)},
        "identity": {"similarity": rng.gauss(0.3, 0.2), "rank": rng.randint(1, 500), "equals": 40},
        "findings": {"lost_count": int(rng.random() < 0.1), "invented_count": int(rng.random() < 0.1)},
        "memorisation": {"percentile": rng.uniform(0, 100)},
        "domain": {"percentile": rng.uniform(0, 100)},
        "rarity": {"others": rng.randint(0, 50), "patients": 400},
    }
