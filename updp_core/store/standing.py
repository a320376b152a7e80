"""How a record stands, derived in SQL from what was chosen, decided, forbidden and released.

`derived_standing` is the only definition. The table `standing` repeats it for the records that a verb touched, in
the verb's own transaction, because counting 100,000 records through the view takes longer than a person waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from updp_core.store.dialect import Dialect
    from updp_core.store.store import Transaction

VERDICTS: Final = "('approve', 'reject', 'regenerate')"
"""What a verdict is, among the entries of the table `decision`: a flag, its clearing, and an undo are none."""

WAITING: Final = "s.state = 'pending' AND s.approvals > 0"
"""Pairs that somebody has approved and that wait for another person's approval: a clause over `standing s`."""

# Verdicts that count: not undone, and given since the candidate became current and since a lexicon last voided it.
_VALID_DECISION: Final = f"""
SELECT d.id, d.record, d.candidate, d.reviewer, d.role, d.verdict, d.blind, d.overrides_json, d.decided_at
FROM decision d
WHERE d.verdict IN {VERDICTS}
  AND NOT EXISTS (SELECT 1 FROM decision u WHERE u.undoes = d.id)
  AND d.id > (SELECT coalesce(max(h.after_decision), 0) FROM choice h WHERE h.record = d.record)
  AND d.id > (SELECT coalesce(max(v.after_decision), 0) FROM violation v WHERE v.candidate = d.candidate)
"""

# Flags that somebody raised and nobody has cleared or taken back. They belong to the record: another candidate, or a
# lexicon that voids this one, does not answer them.
_OPEN_FLAG: Final = """
SELECT d.id, d.record, d.candidate, d.reviewer, d.role, d.comment, d.decided_at,
  {audience} AS audience
FROM decision d
WHERE d.verdict = 'flag' AND NOT EXISTS (SELECT 1 FROM decision u WHERE u.undoes = d.id)
"""

# The latest rejection or regeneration clears the approvals before it; a person's approvals count once; a blind second
# reader, who has not seen the rejection, does not overrule it. An approval does not cover a gate that blocks (by a
# policy set since, say) and that it did not override.
_DERIVED: Final = """
SELECT s.record, s.seq, s.patient,
  CASE
    WHEN s.candidate IS NULL THEN 'new'
    WHEN s.error <> '' THEN 'failed'
    WHEN s.forbidden THEN 'void'
    WHEN s.approvals >= s.needed THEN 'approved'
    WHEN s.approvals > 0 OR s.refusal IS NULL THEN 'pending'
    WHEN (SELECT verdict FROM decision WHERE id = s.refusal) = 'regenerate' THEN 'new'
    ELSE 'rejected'
  END AS state,
  s.candidate, s.revision, s.method, s.lexicon_version, g.risk, g.worst, g.alignment, s.approvals,
  (SELECT reviewer FROM valid_decision v WHERE v.id = s.latest) AS reviewer,
  (SELECT decided_at FROM valid_decision v WHERE v.id = s.latest) AS decided_at,
  s.released, s.remarked, s.flagged_for, s.flagged_at, s.error
FROM (
  SELECT t.*,
    (SELECT count(DISTINCT v.reviewer) FROM valid_decision v
      WHERE v.candidate = t.candidate AND v.verdict = 'approve' AND v.id > coalesce(t.refusal, 0)
        AND (t.refusal IS NULL OR NOT v.blind)
        AND NOT EXISTS (SELECT 1 FROM gate_value b WHERE b.candidate = t.candidate AND b.state = 'block'
          AND b.name NOT IN {overrides})) AS approvals,
    (SELECT max(v.id) FROM valid_decision v WHERE v.candidate = t.candidate) AS latest
  FROM (
    SELECT r.id AS record, r.seq, r.patient, c.id AS candidate, coalesce(c.error, '') AS error,
      c.method, c.lexicon_version, r.flags_json <> '[]' AS remarked,
      (SELECT count(*) FROM choice x WHERE x.record = r.id)
        + (SELECT count(*) FROM decision x WHERE x.record = r.id)
        + (SELECT count(*) FROM violation x WHERE x.record = r.id) AS revision,
      EXISTS (SELECT 1 FROM violation x WHERE x.candidate = c.id
        AND x.lexicon_version = (SELECT max(version) FROM lexicon_version))
        OR EXISTS (SELECT 1 FROM violation_due x WHERE x.candidate = c.id AND x.terms_json <> '') AS forbidden,
      EXISTS (SELECT 1 FROM release_pair x WHERE x.candidate = c.id) AS released,
      (SELECT CASE count(DISTINCT f.audience) WHEN 0 THEN NULL WHEN 1 THEN max(f.audience) ELSE 'anybody' END
        FROM open_flag f WHERE f.record = r.id) AS flagged_for,
      (SELECT max(f.decided_at) FROM open_flag f WHERE f.record = r.id) AS flagged_at,
      (SELECT verdicts FROM policy_version ORDER BY id DESC LIMIT 1) AS needed,
      (SELECT max(v.id) FROM valid_decision v
        WHERE v.candidate = c.id AND v.verdict IN ('reject', 'regenerate')) AS refusal
    FROM record r
    LEFT JOIN candidate c ON c.id = (
      SELECT h.candidate FROM choice h WHERE h.record = r.id ORDER BY h.id DESC LIMIT 1)
  ) t
) s LEFT JOIN grade g ON g.candidate = s.candidate
"""

VIEWS: Final = ("valid_decision", "open_flag", "derived_standing")
"""Each after those that it reads."""


def written_out(dialect: Dialect) -> str:
    """The start of a query that reads the views as they are defined here, whatever the database calls by their names:
    somebody may have replaced them there."""
    return "WITH " + ", ".join(f"{name} AS NOT MATERIALIZED ({query})" for name, query in views(dialect).items())


def replaced(tx: Transaction) -> set[str]:
    """Views that are missing or show something else than what is defined here."""
    found = tx.dialect.views_found(tx)
    if found is None:
        return set()
    due = {name: f"CREATE VIEW {name} AS {query}" for name, query in views(tx.dialect).items()}
    return {
        name for name in {*due, *found} if " ".join(found.get(name, "").split()) != " ".join(due.get(name, "").split())
    }


def views(dialect: Dialect) -> dict[str, str]:
    """Name of each view -> its query."""
    audience, overrides = dialect.first("d.reasons_json"), dialect.items("v.overrides_json")
    queries = (_VALID_DECISION, _OPEN_FLAG.format(audience=audience), _DERIVED.format(overrides=overrides))
    return dict(zip(VIEWS, queries, strict=True))


COLUMNS: Final = (
    "record, seq, patient, state, candidate, revision, method, lexicon_version, risk, worst, alignment, approvals, "
    "reviewer, decided_at, released, remarked, flagged_for, flagged_at, error"
)
_REPLACE: Final = "ON CONFLICT (seq) DO UPDATE SET " + ", ".join(
    f"{column} = excluded.{column}" for column in COLUMNS.split(", ") if column != "seq"
)
_REFRESH: Final = f"INSERT INTO standing ({COLUMNS}) SELECT {COLUMNS} FROM {{source}} {_REPLACE}"

# Counts of records that stand alike. A record leaves them before its standing is derived anew, and joins them after.
_COUNTS: Final = {
    "standing_count": (
        "state, worst, method, lexicon_version, reviewer, flagged_for, released, remarked, waiting",
        "SELECT s.state, coalesce(s.worst, ''), coalesce(s.method, ''), coalesce(s.lexicon_version, 0), "
        "coalesce(s.reviewer, ''), coalesce(s.flagged_for, ''), s.released, s.remarked, "
        f"CASE WHEN {WAITING} THEN true ELSE false END, {{sign}}count(*) FROM {{tables}} WHERE {{clause}} "
        "GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9",
    ),
    "facet_count": (
        "kind, name, value, state, worst, method",
        " UNION ALL ".join(
            f"SELECT '{kind}', x.{name}, {value}, s.state, coalesce(s.worst, ''), coalesce(s.method, ''), "
            f"{{sign}}count(*) FROM {{tables}} JOIN {table} WHERE {{clause}} GROUP BY 1, 2, 3, 4, 5, 6"
            for kind, name, value, table in (
                ("gate", "name", "x.state", "gate_value x ON x.candidate = s.candidate"),
                ("finding", "finding", "''", "record_finding x ON x.seq = s.seq"),
            )
        ),
    ),
}
"""Table of counts -> its key, and the query that counts the records of {tables}, {clause} for it."""


def _count(table: str, sign: str = "", tables: str = "standing s", clause: str = "true") -> str:
    """Add the records to a table of counts or, with "-", take them out."""
    key, query = _COUNTS[table]
    counted = query.format(sign=sign, tables=tables, clause=clause)
    put = f"ON CONFLICT ({key}) DO UPDATE SET n = {table}.n + excluded.n"
    return f"INSERT INTO {table} ({key}, n) SELECT * FROM ({counted}) counted WHERE true {put}"


def _around(statement: str, **records: str) -> tuple[str, ...]:
    """A statement that changes the standing of these records, and the counts with it."""
    leave, join = ([_count(table, sign, **records) for table in _COUNTS] for sign in ("-", ""))
    return (*leave, statement, *join)


REFRESH_ONE: Final = _around(
    _REFRESH.format(source="derived_standing WHERE record = :record"), clause="s.record = :record"
)
REFRESH_ALL: Final = (
    *(f"DELETE FROM {table}" for table in _COUNTS),
    _REFRESH.format(source="derived_standing WHERE true"),  # a bare ON would be read as of a join
    *map(_count, _COUNTS),
)
# For any number of records: derived once into a table of this connection, then put in place.
DERIVE_SOME: Final = (
    f"CREATE TEMP TABLE derived_now AS SELECT {COLUMNS} FROM derived_standing WHERE false",
    f"INSERT INTO derived_now SELECT {COLUMNS} FROM derived_standing WHERE {{clause}}",
)
REFRESH_DERIVED: Final = (
    *_around(_REFRESH.format(source="derived_now WHERE true"), tables="derived_now n JOIN standing s ON s.seq = n.seq"),
    "DROP TABLE derived_now",
)
RELEASE: Final = _around(
    "UPDATE standing SET released = true WHERE candidate IN {some}", clause="s.candidate IN {some}"
)
"""The one thing in a standing that a release changes; {some} are the candidates that leave."""


def _differing(table: str) -> str:
    key, query = _COUNTS[table]
    sides = query.format(sign="", tables="standing s", clause="true"), f"SELECT {key}, n FROM {table} WHERE n <> 0"
    named = key.split(", ")[1] if table == "facet_count" else "'records'"
    columns = ", ".join((*key.split(", "), "n"))
    heads = f"WITH due ({columns}) AS ({sides[0]}), kept ({columns}) AS ({sides[1]}) "
    return heads + " UNION ".join(
        f"SELECT {named} AS name FROM (SELECT * FROM {one} EXCEPT SELECT * FROM {other}) differing"
        for one, other in (("due", "kept"), ("kept", "due"))
    )


MISCOUNTED: Final = tuple(map(_differing, _COUNTS))
"""Queries of what is counted wrongly, by name."""
DISAGREES: Final = f"""
SELECT record FROM (SELECT {COLUMNS} FROM derived_standing EXCEPT SELECT {COLUMNS} FROM standing) missing
UNION SELECT record FROM (SELECT {COLUMNS} FROM standing EXCEPT SELECT {COLUMNS} FROM derived_standing) excess
"""
