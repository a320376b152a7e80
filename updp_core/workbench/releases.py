"""Releases: what would leave, writing it, checking it."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import queue
import random
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from updp_core.domain import Actor, Span
from updp_core.errors import Conflict, DiskError, NotAllowed, ReleaseError, UsageError, kind_and_place, told
from updp_core.findings.levels import privacy_of
from updp_core.intake.pixels import decode_png, to_uint8
from updp_core.release import PublicKey, ReleasePair, check, write_release
from updp_core.report.filter import without_stand_ins
from updp_core.store import Transaction, standing
from updp_core.store.migrations import source_seeds_to
from updp_core.store.schema import Release
from updp_core.store.standing import WAITING
from updp_core.store.store import fresh_id, known, now
from updp_core.workbench import audit, levels, second_reading
from updp_core.workbench.desk import CURRENT_LEXICON, Desk, Noun
from updp_core.workbench.grades import gate_rows
from updp_core.workbench.keys import signer_of, signing_key
from updp_core.workbench.policy import may_leave
from updp_core.workbench.roles import EVERYBODY, OFFICER, PHI_ROLES, READERS, verb
from updp_core.workbench.shapes import Progress, ReleasePreview, ReleaseRow
from updp_core.workbench.verdicts import BATCH
from updp_core.workbench.wording import place_of, written

LOG = logging.getLogger("updp")
REASONS = {
    "new": "has no version yet, or waits to be made again",
    "pending": "is not decided yet",
    "waiting": "waits for a second approval",
    "rejected": "was rejected",
    "failed": "failed to generate",
    "void": "holds something that the lexicon forbids",
    "flagged": "is approved, and a flag waits to be cleared",
    "purged": "has left, and what it was made from was destroyed",
}
# From the derivation itself, not from its copy: what leaves the house is looked up at the source.
_KEEPS = (
    "EXISTS (SELECT 1 FROM candidate own JOIN record kept ON kept.id = own.record "
    "WHERE own.id = candidate AND kept.image <> '')"
)
LEAVES = f"state = 'approved' AND flagged_for IS NULL AND {_KEEPS}"
STAYS = {
    **{name: f"s.state = '{name}'" for name in ("new", "rejected", "failed", "void")},
    "pending": f"s.state = 'pending' AND NOT ({WAITING})",
    "waiting": WAITING,
    "flagged": "s.state = 'approved' AND s.flagged_for IS NOT NULL",
    "purged": "s.state = 'approved' AND s.flagged_for IS NULL AND EXISTS "
    "(SELECT 1 FROM record gone WHERE gone.id = s.record AND gone.image = '')",
}
"""Why a pair stays (see REASONS) -> the clause over `standing s`."""

SIGNED = "SELECT subject AS release, detail_json FROM audit_event WHERE verb = 'release'"
_KEPT = (
    "c.image, c.evidence_json, c.settings_json, c.filtered, c.surrogates_json, c.prompt_text, c.method, "
    "c.lexicon_version, c.report_policy"
)


@dataclass(frozen=True)
class Approved:
    """A pair that leaves, and the revision of its record at which it was read."""

    record: str
    candidate: int
    revision: int


def approved_in(tx: Transaction, among: Sequence[str] | None = None) -> list[Approved]:
    """The pairs that leave, of all records or of some: as the decisions say, whatever the database calls a view."""
    clause = "" if among is None else f"AND record IN {tx.dialect.each('among', record=str)}"
    return tx.rows(
        Approved,
        f"{standing.written_out(tx.dialect)} SELECT record, candidate, revision FROM derived_standing "
        f"WHERE {LEAVES} {clause} ORDER BY seq",
        **({} if among is None else {"among": json.dumps(among)}),
    )


@dataclass(frozen=True)
class _Leaving:
    record: str
    candidate: int
    released: bool


@dataclass(frozen=True)
class _InState:
    state: str
    n: int


@dataclass(frozen=True)
class _Signed:
    release: str
    detail_json: str


@dataclass(frozen=True)
class _Kept:
    """A candidate with what the workspace knows of its record, before the writer takes its part."""

    image: str
    evidence_json: str
    settings_json: str
    filtered: str
    surrogates_json: str
    prompt_text: str
    method: str
    lexicon_version: int
    report_policy: str
    patient: str
    study: str
    header_json: str
    gates_json: str | None


@dataclass(frozen=True)
class _Verdict:
    verdict: str
    role: str
    decided_at: str
    overrides_json: str
    reasons_json: str


class Releases(Noun):
    """Write releases, and check them."""

    @verb(READERS)
    def release_preview(self, *, actor: Actor) -> ReleasePreview:
        """What would leave the house now, and what would not and why; "records" without those that the actor has yet to
        read blind."""
        with self.desk.store.read() as tx:
            counted = tx.rows(_InState, "SELECT state, count(*) AS n FROM standing GROUP BY state")
            states = {row.state: row.n for row in counted}
            rows = tx.rows(
                _Leaving, f"SELECT record, candidate, released FROM standing WHERE {LEAVES} ORDER BY seq LIMIT 500"
            )
            would = tx.value(f"SELECT count(*) FROM standing WHERE {LEAVES}")
            patients = tx.value(f"SELECT count(DISTINCT patient) FROM standing WHERE {LEAVES}")
            for reason in ("flagged", "purged"):
                states[reason] = tx.value(f"SELECT count(*) FROM standing s WHERE {STAYS[reason]}")
            states["waiting"] = tx.value(f"SELECT count(*) FROM standing s WHERE {WAITING}")
            states["pending"] = states.get("pending", 0) - states["waiting"]
            version, head = tx.value(CURRENT_LEXICON), audit.head(tx)
            blind = second_reading.among(tx, [row.record for row in rows], actor)
        return {
            "would": would,
            "would_not": {reason: states[state] for state, reason in REASONS.items() if states.get(state)},
            "records": [asdict(row) for row in rows if row.record not in blind],
            "patients": patients,
            "lexicon_version": version,
            "audit_head": head,
        }

    @verb(OFFICER)
    def release(self, out: Path, *, actor: Actor, comment: str = "", expected: int | None = None) -> Iterator[Progress]:
        """Write the approved pairs to a new folder `out`; all or nothing.

        It lies outside of the workspace, or in its folder `releases`, and in no other release: UsageError elsewhere.
        `expected` is the number that the officer confirmed: Conflict where another number would leave. Signed where the
        workspace has a key. Result: {"release": id, "folder": str, "released": n, "patients": n,
        "manifest_sha256": str, "root_digest": str, "signed_by": fingerprint or ""}. ReleaseError where nothing is
        approved or a check fails; Conflict where an approval fell while the release was written.
        """
        return _release(self.desk, _free_place(self.desk, place_of(out)), written(comment), actor, expected)

    @verb(EVERYBODY)
    def releases(self, *, actor: Actor) -> list[ReleaseRow]:
        """Every release of this workspace, newest first."""
        with self.desk.store.read() as tx:
            rows = tx.rows(Release, "SELECT * FROM release ORDER BY created_at DESC, id")
            signed = {row.release: json.loads(row.detail_json).get("signed_by", "") for row in tx.rows(_Signed, SIGNED)}
        return [
            {
                "release": r.id,
                "folder": r.folder,
                "officer": r.officer,
                "created_at": r.created_at,
                "pairs": r.pairs,
                "manifest_sha256": r.manifest_sha256,
                "root_digest": r.root_digest,
                "signed_by": signed.get(r.id, ""),
                "comment": r.comment if actor.role in PHI_ROLES else "",
                "present": Path(r.folder).is_dir(),
                "audit_head": r.audit_head,
            }
            for r in rows
        ]

    @verb(OFFICER)
    def release_zip(self, release: str, *, actor: Actor) -> Iterator[bytes]:
        """A release as one zip file, piece by piece; that it was taken is recorded. Raises ReleaseError where it is not
        there any more, or does not verify."""
        with self.desk.store.read() as tx:
            row = known(tx.get(Release, id=release), f"release {release}")
        folder = Path(row.folder)
        if not folder.is_dir():
            raise ReleaseError("The folder of this release is not there any more.")
        if problems := check(folder, row.root_digest).problems:
            raise ReleaseError(f"The release does not verify ({len(problems)} problems), so it is not handed out.")
        with self.desk.store.write() as tx:
            tx.audit(actor, "release_zip", release, root_digest=row.root_digest)
        return _zipped(folder)

    @verb(EVERYBODY)
    def verify(self, out: Path, *, actor: Actor, anywhere: bool = False, key: str = "") -> dict[str, Any]:
        """Check a release folder to the byte, and who signed it.

        {"ok": bool, "problems": [str], "signed_by": fingerprint or "", "signature": str in words}. With `key` (a public
        key in PEM form), it must be the one that signed. NotAllowed for a folder that is neither a release of this
        workspace nor in its folder `releases`: the page reads nothing else of this machine. `anywhere` is for the
        command line, whose user may read what they may.
        """
        out = place_of(out)
        with self.desk.store.read() as tx:
            roots = tx.column("SELECT root_digest FROM release WHERE folder = :f", f=str(out))
        home = (self.desk.settings.home / "releases").resolve()
        if not (anywhere or roots or out.resolve().is_relative_to(home)):
            raise NotAllowed(
                f"Only releases of this workspace, and folders in {home}, are checked here. Check any other with: "
                "python -m updp_core verify FOLDER."
            )
        found = checked(out, root=roots[-1] if roots else None, key=key, home=self.desk.settings.home)
        with self.desk.store.write() as tx:
            tx.audit(actor, "verify", problems=len(found["problems"]), signed_by=found["signed_by"])
        return found


class _Pieces(io.RawIOBase):
    """What a zip file writes, until it is fetched."""

    def __init__(self) -> None:
        self.waiting = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.waiting += data
        return len(data)

    def fetched(self) -> bytes:
        piece, self.waiting = bytes(self.waiting), bytearray()
        return piece


def _zipped(folder: Path) -> Iterator[bytes]:
    """A folder as a zip file: uncompressed, since images are, in flat memory, and with one time for all members."""
    pieces = _Pieces()
    with zipfile.ZipFile(pieces, "w") as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            member = zipfile.ZipInfo(f"{folder.name}/{path.relative_to(folder).as_posix()}")
            with path.open("rb") as source, archive.open(member, "w") as target:
                while piece := source.read(2**20):
                    target.write(piece)
                    yield pieces.fetched()
    yield pieces.fetched()


def checked(out: Path, *, root: str | None = None, key: str = "", home: Path | None = None) -> dict[str, Any]:
    """What `verify` answers, of any folder; the workspace at `home`, if there is one, knows whose keys are trusted."""
    given = PublicKey.read(key.encode()) if key else None
    found = check(out, root, key=given)
    said = signer_of(found.signed_by, home=home, given=given).sentence()
    return {
        "ok": not found.problems,
        "problems": [f"{problem.path}: {problem.what}" for problem in found.problems],
        "signed_by": found.signed_by,
        "signature": said,
    }


def _free_place(desk: Desk, out: Path) -> Path:
    """Where a release may be written. Raises UsageError in a folder that holds something else."""
    home, real = desk.settings.home.resolve(), out.resolve()
    if (real.is_relative_to(home) and not real.is_relative_to(home / "releases")) or real == home / "releases":
        raise UsageError(
            "A release is not written among the files of the workspace. Choose a folder outside of it, or one in its "
            "folder releases."
        )
    if any((folder / "SHA256SUMS").exists() and (folder / "release.json").exists() for folder in real.parents):
        raise UsageError("This place lies inside of another release, which would no longer verify. Choose another.")
    return out


def _release(desk: Desk, out: Path, comment: str, actor: Actor, expected: int | None) -> Iterator[Progress]:
    """The writer works in a thread of its own, so that its progress can be told; it stops with the process."""
    with desk.store.read() as tx:
        approved = {row.candidate: row for row in approved_in(tx)}
        moment = Moment.of(tx)
        version, lexicon = desk.lexicon(tx)
        policy, head = desk.policy(tx), audit.head(tx)
        header = header_of(desk, tx, len(approved))
        telling = [row.record for row in levels.breaking(desk, tx, list(approved))]
    if not approved:
        raise ReleaseError(
            "No pair is approved and free of open flags, so there is nothing to release. Approve pairs first."
        )
    if expected is not None and expected != len(approved):
        raise Conflict(
            f"{len(approved)} pair(s) would leave now, and {expected} were confirmed. Look again, then confirm anew."
        )
    if telling:
        raise ReleaseError(
            f"{len(telling)} pair(s) tell of findings that the privacy level leaves out, such as "
            f"{', '.join(telling[:5])}. Set the level again, which sends them back, then generate and judge them."
        )
    key = signing_key(desk.settings.home)  # a damaged one is told before anything is written
    steps: queue.SimpleQueue[Progress | BaseException] = queue.SimpleQueue()
    name = fresh_id("L")

    def publish(made: Any) -> None:
        """Just before the folder gets its name."""
        about = {
            "folder": str(out),
            "officer": actor.name,
            "comment": comment,
            "pairs": len(approved),
            "lexicon_version": version,
            "manifest_sha256": made.manifest_sha256,
            "root_digest": made.root_digest,
            "audit_head": head,
        }
        record(desk, name, about, approved, moment, actor, signed_by=made.signed_by)

    def pairs() -> Iterator[ReleasePair]:
        # Blocks and inodes of a disk keep the order of writing: it is not that of the source.
        for done, candidate in enumerate(random.SystemRandom().sample(list(approved), len(approved))):
            steps.put(Progress("release", done, len(approved)))
            with desk.store.read() as tx:
                pair = pair_of(desk, tx, candidate)
            if not may_leave(policy, pair.method, pair.settings):
                raise ReleaseError(
                    f"Candidate {candidate} was made by {pair.method} and keeps source pixels, which the policy "
                    "does not let leave. Regenerate it by another method, or have the policy name this one."
                )
            yield pair

    def write() -> None:
        try:
            made = write_release(
                out,
                pairs(),
                lexicon=lexicon,
                header=header,
                include_prompts=policy["prompts"] == "release",
                before_publish=publish,
                key=key,
            )
            result = {
                "release": name,
                "folder": str(out),
                "released": made.count,
                "patients": made.patients,
                "manifest_sha256": made.manifest_sha256,
                "root_digest": made.root_digest,
                "signed_by": made.signed_by,
            }
            steps.put(Progress("done", made.count, made.count, result=result))
        except BaseException as error:
            steps.put(error)

    threading.Thread(target=write, name="release", daemon=True).start()
    while True:
        step = steps.get()
        if isinstance(step, BaseException):
            with contextlib.suppress(DiskError), desk.store.write() as tx:  # where it failed, this may fail as well
                tx.audit(actor, "release_failed", name, kind=type(step).__name__)
            if isinstance(step, OSError):
                LOG.error("a release could not be written: %s", kind_and_place(step))
                raise DiskError(told(step, "The release could not be written, and nothing of it stays")) from None
            raise step
        yield step
        if step.result is not None:
            return


def header_of(desk: Desk, tx: Transaction, approved: int) -> dict[str, Any]:
    """What the house says of a whole release; the writer's allow-list takes its part."""
    policy = desk.policy(tx)
    return {
        "preset": desk.settings.preset,
        "lexicon_version": tx.value(CURRENT_LEXICON),
        "policy": {
            "verdicts": policy["verdicts"],
            "audit_head": audit.head(tx),
            "privacy": privacy_of(policy["privacy"]).to_dict(),
        },
        "report_policy": policy["report_policy"],
        "thresholds": policy["gates"],
        "counts": {"approved": approved},
        "agreement": second_reading.agreement(tx),
    }


@dataclass(frozen=True)
class Moment:
    """How far the history had come: a standing can only change by a row that is added to one of these tables.

    `violations` are counted, as their rows have no number.
    """

    choice: int
    decision: int
    violations: int
    lexicon: int
    policy: int

    @classmethod
    def of(cls, tx: Transaction) -> Moment:
        queries = (
            "SELECT coalesce(max(id), 0) FROM choice",
            "SELECT coalesce(max(id), 0) FROM decision",
            "SELECT count(*) FROM violation",
            CURRENT_LEXICON,
            "SELECT max(id) FROM policy_version",
        )
        return cls(*(tx.value(query) for query in queries))

    def touched(self, tx: Transaction) -> set[str] | None:
        """Records whose standing may have changed since; None where it may be any."""
        now_is = Moment.of(tx)
        if replace(now_is, choice=self.choice, decision=self.decision) != self:
            return None
        return {
            record
            for table in ("choice", "decision")
            for record in tx.column(f"SELECT record FROM {table} WHERE id > :last", last=getattr(self, table))
        }


def record(
    desk: Desk,
    name: str,
    about: Mapping[str, Any],
    approved: Mapping[int, Approved],
    since: Moment,
    actor: Actor,
    signed_by: str = "",
) -> None:
    """Note a release in one transaction in which every approval must hold still. Raises Conflict where one fell.

    Approvals that nothing has touched since they were read are not derived again.
    """
    with desk.store.write() as tx:
        touched = since.touched(tx)
        asked = [row.record for row in approved.values() if touched is None or row.record in touched]
        again = set(asked)
        still = {row.candidate: row for row in approved_in(tx, asked)}
        if fallen := [c for c, row in approved.items() if row.record in again and still.get(c) != row]:
            raise Conflict(
                f"{len(fallen)} approval(s) changed while the release was written. Nothing left; start again."
            )
        tx.insert("release", id=name, created_at=now(), **about)
        some = tx.dialect.each("some", candidate=int)
        tx.run(
            "INSERT INTO release_pair (release, candidate, record) "
            f"SELECT :name, c.id, c.record FROM {some} p JOIN candidate c ON c.id = p.candidate",
            name=name,
            some=json.dumps(list(approved)),
        )
        tx.tell("release_pair", name)
        told = {key: about[key] for key in ("pairs", "manifest_sha256", "root_digest")}
        tx.audit(actor, "release", name, signed_by=signed_by, **told)
        tx.note_released(list(approved))


def pair_of(desk: Desk, tx: Transaction, candidate: int, pixels: bool = True) -> ReleasePair:
    """A candidate as the writer of releases takes it; without `pixels`, its image is one black pixel."""
    import numpy as np

    row = tx.row(
        _Kept,
        f"SELECT {_KEPT}, r.patient, r.study, r.header_json, g.gates_json FROM candidate c "
        "JOIN record r ON r.id = c.record "
        "LEFT JOIN grade g ON g.candidate = c.id WHERE c.id = :c",
        c=candidate,
    )
    assert row is not None
    image: Any = decode_png(desk.store.get_image(row.image)) if pixels else np.zeros((1, 1), np.uint8)
    decisions = tx.rows(
        _Verdict,
        "SELECT v.verdict, v.role, v.decided_at, d.overrides_json, d.reasons_json "
        "FROM valid_decision v JOIN decision d ON d.id = v.id "
        "WHERE v.candidate = :c ORDER BY v.id",
        c=candidate,
    )
    evidence, settings = json.loads(row.evidence_json), json.loads(row.settings_json)
    report, stand_ins = row.filtered, [Span(**span) for span in json.loads(row.surrogates_json)]
    if old := candidate <= source_seeds_to(tx):
        report, stand_ins = without_stand_ins(report, stand_ins), []
    states = {gate["name"]: gate["state"] for gate in gate_rows(row.gates_json)}
    return ReleasePair(
        candidate=candidate,
        image=image if image.dtype == "uint8" else to_uint8(image),
        report=report,
        prompt=row.prompt_text,
        method=row.method,
        lexicon_version=row.lexicon_version,
        patient_key=row.patient,
        study_key=row.study,
        settings={"privacy": {"level": 0}, **settings},
        models=_models(settings),
        evidence=evidence,
        gates=states,
        decisions=[
            {
                "verdict": d.verdict,
                "role": d.role,
                "day": d.decided_at[:10],
                "how": "batch" if BATCH in json.loads(d.reasons_json) else "single",
                "overrides": json.loads(d.overrides_json),
            }
            for d in decisions
        ],
        out_of_domain={"clear": False, "warn": True, "block": True}.get(states.get("domain", "unknown")),
        identifiers=json.loads(row.header_json),
        surrogates=stand_ins,
        report_policy="placeholder" if old and row.report_policy == "surrogate" else row.report_policy,
        recipe_withheld=old,
    )


def _models(settings: Mapping[str, Any]) -> dict[str, str]:
    """Part (encoder, generator) -> digest of its weights, from a candidate's settings."""
    parts = {name: value for name, value in settings.items() if isinstance(value, Mapping)}
    return {name: str(value["sha256"]) for name, value in parts.items() if "sha256" in value}
