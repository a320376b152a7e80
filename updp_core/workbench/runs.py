"""Generation: a queue in the database that any number of processes may work through and be killed at.

A record is leased, proposed for, measured, and kept in one transaction that also ends the lease. A process that is
killed leaves leases behind that the next one frees; what it had not kept is done again, what it had kept is not.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from updp_core.atomic import canonical
from updp_core.domain import Actor
from updp_core.errors import Conflict, UsageError
from updp_core.methods import METHODS
from updp_core.store import Transaction
from updp_core.store.schema import Candidate, Record
from updp_core.store.schema import Run as RunRow
from updp_core.store.store import known, now
from updp_core.workbench import batch, holds, leases, levels, population
from updp_core.workbench.desk import CURRENT_LEXICON, Desk, Noun
from updp_core.workbench.roles import EVERYBODY, OPERATORS, READERS, verb
from updp_core.workbench.shapes import MethodRow, Progress, Run

PAUSE_SECONDS = 0.3
MAX_SEEDS = 16


@dataclass(frozen=True)
class Options:
    """What a generate run was asked to do."""

    method: str
    limit: int | None = None
    batch_size: int = 8
    seed: int = 0
    records: Sequence[str] | None = None
    retry_failed: bool = False
    prompt: Mapping[str, Any] | None = None
    generation: Mapping[str, Any] | None = None
    settings: Mapping[str, Any] | None = None
    """Settings of the method by dotted name."""
    named: str = ""
    """A set of settings that the method's file names."""
    privacy: Mapping[str, Any] | None = None
    """The records' own privacy level from now on (see `findings.levels`), besides the policy's; by default as it is."""
    keep_current: bool = False
    """Leave the record's current candidate in its place, where it has one."""

    @property
    def states(self) -> tuple[str, ...]:
        """States whose records the queue holds, the most urgent first."""
        return ("void", "new", "failed") if self.retry_failed else ("void", "new")


class Runs(Noun):
    """Make candidates, for the queue or for one record; watch and steer the runs of every process."""

    @verb(OPERATORS)
    def generate(
        self,
        *,
        actor: Actor,
        method: str | None = None,
        limit: int | None = None,
        batch_size: int = 8,
        seed: int = 0,
        records: Sequence[str] | None = None,
        retry_failed: bool = False,
        prompt: Mapping[str, Any] | None = None,
        generation: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
        named: str = "",
        privacy: Mapping[str, Any] | None = None,
    ) -> Iterator[Progress]:
        """Work through the queue (new, void, to be regenerated); may be stopped or killed and started again.

        `settings` changes settings of the method by dotted name (see `methods`), after the set `named`. `prompt` and
        `generation` are short for those that start so, and count only where the method has them. `records` narrows the
        queue to these. `privacy` is a privacy officer's level for these records from now on, besides the policy's.
        Result: {"generated": n, "failed": [{"record", "reason"}], "seconds": s, "run": id, "stopped": bool}. Raises
        ModelUnavailable where a model is missing.
        """
        options = Options(
            method or self.desk.settings.method,
            limit,
            batch_size,
            seed,
            records,
            retry_failed,
            prompt,
            generation,
            settings,
            named,
            privacy,
        )
        levels.asked(privacy, actor)
        if options.batch_size < 1 or (options.limit is not None and options.limit < 1):
            raise UsageError("Batch size and limit are at least 1.")
        batch.requested_of(self.desk, options)  # refuse what cannot be before the run begins
        return _generate(self.desk, options, actor)

    @verb(EVERYBODY)
    def runs(self, *, actor: Actor, limit: int = 20) -> list[Run]:
        """Generate runs of every process on this workspace, newest first."""
        with self.desk.store.read() as tx:
            rows = tx.rows(RunRow, "SELECT * FROM run ORDER BY id DESC LIMIT :n", n=limit)
        return [_run(self.desk, row) for row in rows]

    @verb(OPERATORS)
    def control(self, run: int, wish: str, *, actor: Actor) -> Run:
        """`wish` is "pause", "resume" or "stop"; a run heeds it between two batches."""
        if wish not in ("pause", "resume", "stop"):
            raise UsageError(f"A run can be told pause, resume or stop, not {wish!r}.")
        with self.desk.store.write() as tx:
            row = known(tx.get(RunRow, id=run), f"run {run}")
            if row.state not in ("running", "paused"):
                raise Conflict(f"Run {run} is over.")
            tx.run("UPDATE run SET wish = :w WHERE id = :r", w="" if wish == "resume" else wish, r=run)
            tx.audit(actor, "control", f"run {run}", wish=wish)
            row = known(tx.get(RunRow, id=run), f"run {run}")
        return _run(self.desk, row)

    @verb(EVERYBODY)
    def methods(self, *, actor: Actor) -> list[MethodRow]:
        """Every method: what it hides, its settings with range and meaning, and whether it can run here."""
        return [batch.described(self.desk, entry) for entry in METHODS.values()]

    @verb(READERS)
    def regenerate(
        self,
        record: str,
        *,
        actor: Actor,
        seeds: Sequence[int] = (),
        method: str | None = None,
        prompt: Mapping[str, Any] | None = None,
        generation: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
        named: str = "",
        privacy: Mapping[str, Any] | None = None,
    ) -> Iterator[Progress]:
        """Make a candidate for each seed now (one with a fresh seed by default), with other settings or another method.

        The method is by default that of the current candidate. The one with the lowest risk becomes current; `choose`
        takes another. Earlier candidates stay in the history. `privacy` is as of `generate`. Result:
        {"record", "candidates": [id], "current": id, "failed": [reason]}.
        """
        seeds = list(dict.fromkeys(int(seed) for seed in seeds))
        if len(seeds) > MAX_SEEDS or any(not 0 <= seed < 2**31 for seed in seeds):
            raise UsageError(f"Give at most {MAX_SEEDS} seeds from 0 to {2**31 - 1}.")
        with self.desk.store.read() as tx:
            known(tx.value("SELECT 1 FROM record WHERE id = :r", r=record), f"record {record}")
            attempt = tx.value("SELECT count(*) FROM candidate WHERE record = :r", r=record)
            before = tx.value(
                "SELECT c.method FROM standing s JOIN candidate c ON c.id = s.candidate WHERE s.record = :r", r=record
            )
            holds.nobody_elses(tx, record, actor)
        options = Options(
            method or before or self.desk.settings.method,
            prompt=prompt,
            generation=generation,
            settings=settings,
            named=named,
            privacy=privacy,
        )
        levels.asked(privacy, actor)
        batch.requested_of(self.desk, options)
        return _regenerate(
            self.desk, record, seeds or [batch.seed_for(self.desk.store.secret, 0, record, attempt)], options, actor
        )

    @verb(READERS)
    def clear_rarity(self, record: str, *, actor: Actor) -> Iterator[Progress]:
        """Make a candidate that tells less, so that the gate of rare combinations clears: the fewest findings that too
        few patients share, the rarest first, are left out from now on (the record's own privacy level).

        What was left out before stays so, and what goes is counted now: whoever asks chooses nothing. Result: as of
        `regenerate`, with "left_out". Raises UsageError where nothing is to be left out, or nothing helps.
        """
        with self.desk.store.read() as tx:
            row = known(tx.get(Record, id=record), f"record {record}")
            before = tx.value(
                "SELECT c.method FROM standing s JOIN candidate c ON c.id = s.candidate WHERE s.record = :r", r=record
            )
            attempt = tx.value("SELECT count(*) FROM candidate WHERE record = :r", r=record)
            holds.nobody_elses(tx, record, actor)
        out = population.to_leave_out(self.desk, row)
        if out is None:
            raise UsageError("No finding can be left out so that enough patients share the rest. Reject the pair.")
        if not out:
            raise UsageError("Nothing is rare: enough patients share what this pair tells, or too few are known.")
        options = Options(before or self.desk.settings.method, privacy=_less(self.desk, row, out))
        batch.requested_of(self.desk, options)
        with self.desk.store.write() as tx:
            tx.audit(actor, "clear_rarity", record, left_out=len(out))
        seeds = [batch.seed_for(self.desk.store.secret, 0, record, attempt)]
        return _less_told(_regenerate(self.desk, record, seeds, options, actor), out)

    @verb(READERS)
    def compare(
        self,
        record: str,
        *,
        actor: Actor,
        seed: int | None = None,
        methods: Sequence[str] = (),
        settings: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Iterator[Progress]:
        """Make a candidate by each method that can run here, with one seed, to be looked at side by side.

        `methods` narrows them; `settings` are changes by dotted name, by method. The current candidate stays current.
        Result as of `regenerate`.
        """
        asked, here = settings or {}, [row["name"] for row in self.methods(actor=actor) if row["available"]]
        each = [Options(name, settings=asked.get(name), keep_current=True) for name in methods or here]
        if unknown := set(asked) - {options.method for options in each}:
            raise UsageError(
                f"Settings are given of {sorted(unknown)[0]!r}, which is not among the methods to compare."
            )
        for options in each:
            batch.requested_of(self.desk, options)
        with self.desk.store.read() as tx:
            known(tx.value("SELECT 1 FROM record WHERE id = :r", r=record), f"record {record}")
            attempt = tx.value("SELECT count(*) FROM candidate WHERE record = :r", r=record)
            holds.nobody_elses(tx, record, actor)
        seeds = [batch.seed_for(self.desk.store.secret, 0, record, attempt) if seed is None else seed]
        return _compare(self.desk, record, seeds, each, actor)

    @verb(READERS)
    def reproduce(self, candidate: int, *, actor: Actor) -> dict[str, Any]:
        """Run the candidate's recorded method, settings, lexicon and seed again and compare.

        {"same_models": bool, "same_prompt": bool, "same_image": bool, "largest_difference": grey levels of the image's
        depth or None where they cannot be compared, "prompt_text": str}. Another processor, or another number of
        threads, rounds differently: an image may differ by a few grey levels then.
        """
        with self.desk.store.read() as tx:
            row = known(tx.get(Candidate, id=candidate), f"candidate {candidate}")
            record = known(tx.get(Record, id=row.record), "record")
            lexicon = self.desk.lexicon(tx, row.lexicon_version)[1]
        if row.error:
            raise Conflict("This candidate failed, so there is nothing to reproduce.")
        proposal, settings = batch.again(self.desk, record, row, lexicon)
        settings_then = json.loads(row.settings_json)
        apart = None
        if proposal.image is not None and row.image:
            apart = batch.difference(self.desk, proposal.image, row.image)
        report = {
            "same_models": canonical(settings) == canonical(settings_then),
            "same_prompt": proposal.prompt_text == row.prompt_text,
            "same_image": apart == 0,
            "largest_difference": apart,
            "prompt_text": proposal.prompt_text,
        }
        _note(self.desk, actor, candidate, report)
        return report


def _generate(desk: Desk, options: Options, actor: Actor) -> Iterator[Progress]:
    began = time.monotonic()
    generated, failed = 0, list[dict[str, str]]()
    with leases.worker(desk.store) as worker:
        run, first, total = _begin(desk, worker, options, actor)
        state = "died"  # until we know better: an exception leaves it so
        try:
            yield Progress("queue", 0, total)
            while (wish := _heed(desk, run, generated, failed, began)) != "stop":
                if wish == "pause":
                    yield Progress("paused", generated + len(failed), total)
                    time.sleep(PAUSE_SECONDS)
                    continue
                room = options.batch_size if options.limit is None else options.limit - generated - len(failed)
                claimed = _claim(desk, worker, options, min(room, options.batch_size), first)
                if not claimed:
                    break
                done = generated + len(failed)
                for step in batch.propose(desk, worker, claimed, options, actor):
                    if isinstance(step, batch.Kept):
                        if step.error:
                            failed.append({"record": step.record, "reason": step.error})
                        elif step.candidate is not None:
                            generated += 1
                        done = generated + len(failed)
                        yield Progress("generate", done, max(total, done), preview=step.record)
                    else:
                        yield Progress(step.stage, done, max(total, done), f"{step.done} of {step.total}")
            state = "stopped" if wish == "stop" else "finished"
        except GeneratorExit:
            state = "stopped"  # whoever asked has gone away
            raise
        finally:
            _end(desk, run, state, generated, failed, began, actor)
    result = {
        "generated": generated,
        "failed": failed,
        "seconds": round(time.monotonic() - began, 3),
        "run": run,
        "stopped": state == "stopped",
    }
    yield Progress("done", generated + len(failed), generated + len(failed), result=result)


def _begin(desk: Desk, worker: leases.Worker, options: Options, actor: Actor) -> tuple[int, int, int]:
    """Note the run: (its id, the last candidate before it, records in the queue)."""
    with desk.store.write() as tx:
        leases.reap(desk.store, tx)
        for record in options.records or ():
            known(tx.value("SELECT 1 FROM record WHERE id = :r", r=record), f"record {record}")
        clause, values = _queue(tx, options)
        total = tx.value(f"SELECT count(*) FROM standing s WHERE {clause}", **values)
        total = total if options.limit is None else min(total, options.limit)
        run = tx.insert(
            "run",
            owner=worker.owner,
            actor=actor.name,
            method=options.method,
            state="running",
            wish="",
            total=total,
            done=0,
            failed=0,
            message="",
            started_at=now(),
            seconds=0.0,
        )
        tx.audit(actor, "generate", f"run {run}", method=options.method, queue=total, seed=options.seed)
        return run, tx.value("SELECT coalesce(max(id), 0) FROM candidate"), total


def _queue(tx: Transaction, options: Options) -> tuple[str, dict[str, Any]]:
    states = ", ".join(f"'{state}'" for state in options.states)
    if options.records is None:
        return f"s.state IN ({states})", {}
    some = tx.dialect.each("records", record=str)
    return f"s.state IN ({states}) AND s.record IN {some}", {"records": json.dumps(list(options.records))}


def _claim(desk: Desk, worker: leases.Worker, options: Options, size: int, first: int) -> list[str]:
    """Lease the next records of the queue, at most `size`.

    A record that this run has left void or failed under the lexicon still in force is not tried again.
    """
    if size < 1:
        return []
    with desk.store.write() as tx:
        clause, values = _queue(tx, options)
        leases.reap(desk.store, tx)
        taken: list[str] = []
        for state in options.states:
            rows = tx.column(
                f"""SELECT s.record FROM standing s WHERE s.state = :state AND {clause}
                AND NOT EXISTS (SELECT 1 FROM lease l WHERE l.record = s.record)
                AND (s.state = 'new' OR NOT EXISTS (SELECT 1 FROM candidate c WHERE c.record = s.record
                    AND c.id > :first AND c.lexicon_version = ({CURRENT_LEXICON})))
                ORDER BY s.seq LIMIT :size""",
                state=state,
                first=first,
                size=size - len(taken),
                **values,
            )
            taken += rows
            if len(taken) == size:
                break
        worker.take(tx, taken)
    return taken


def _heed(desk: Desk, run: int, generated: int, failed: Sequence[Any], began: float) -> str:
    """Note how far the run is; what is wished of it: "", "pause" or "stop"."""
    with desk.store.write() as tx:
        row = known(tx.get(RunRow, id=run), f"run {run}")
        tx.run(
            "UPDATE run SET state = :s, done = :d, failed = :f, seconds = :t WHERE id = :r",
            s="paused" if row.wish == "pause" else "running",
            d=generated,
            f=len(failed),
            t=round(time.monotonic() - began, 3),
            r=run,
        )
    return row.wish


def _end(desk: Desk, run: int, state: str, generated: int, failed: Sequence[Any], began: float, actor: Actor) -> None:
    with desk.store.write() as tx:
        tx.run(
            "UPDATE run SET state = :s, done = :d, failed = :f, seconds = :t WHERE id = :r",
            s=state,
            d=generated,
            f=len(failed),
            t=round(time.monotonic() - began, 3),
            r=run,
        )
        tx.audit(actor, "generate_end", f"run {run}", state=state, generated=generated, failed=len(failed))


def _run(desk: Desk, row: RunRow) -> Run:
    state = row.state
    if state in ("running", "paused"):
        if not desk.store.dialect.held(row.owner):
            state = "died"
        elif row.wish == "stop":
            state = "stopping"
    return {
        "run": row.id,
        "actor": row.actor,
        "method": row.method,
        "state": state,
        "total": row.total,
        "done": row.done,
        "failed": row.failed,
        "message": row.message,
        "started_at": row.started_at,
        "seconds": row.seconds,
    }


def _compare(desk: Desk, record: str, seeds: list[int], methods: Sequence[Options], actor: Actor) -> Iterator[Progress]:
    made: list[int] = []
    errors: list[str] = []
    for done, options in enumerate(methods):
        for step in _regenerate(desk, record, seeds, options, actor):
            if step.result is None:
                yield Progress(step.stage, done, len(methods), options.method, step.preview)
            else:
                made += step.result["candidates"]
                errors += step.result["failed"]
                current = step.result["current"]
    result = {"record": record, "candidates": made, "current": current, "failed": errors}
    yield Progress("done", len(methods), len(methods), result=result)


def _regenerate(desk: Desk, record: str, seeds: list[int], options: Options, actor: Actor) -> Iterator[Progress]:
    made: list[int] = []
    errors: list[str] = []
    with leases.worker(desk.store) as worker:
        worker.take_one(record)
        yield Progress("queue", 0, len(seeds))
        for step in batch.propose(desk, worker, [record], options, actor, seeds=seeds):
            if isinstance(step, batch.Kept):
                made += [step.candidate] if step.candidate is not None and not step.error else []
                errors += [step.error] if step.error else []
                yield Progress("generate", len(made) + len(errors), len(seeds), preview=record)
            else:
                yield Progress(step.stage, len(made) + len(errors), len(seeds), f"{step.done} of {step.total}")
    with desk.store.read() as tx:
        current = tx.value("SELECT candidate FROM standing WHERE record = :r", r=record)
    result = {"record": record, "candidates": made, "current": current, "failed": errors}
    yield Progress("done", len(seeds), len(seeds), result=result)


def _less(desk: Desk, row: Record, out: Sequence[str]) -> dict[str, Any]:
    """The level at which a record tells no `out`, nor what its own level left out before."""
    with desk.store.read() as tx:
        own, findings = levels.own_of(tx, row.id), frozenset[str](json.loads(row.findings_json))
        before = levels.left_out(desk, tx, findings, own, None) if own else frozenset[str]()
    return {"level": "custom", "leave_out": sorted(before | set(out))}


def _less_told(steps: Iterator[Progress], out: Sequence[str]) -> Iterator[Progress]:
    for step in steps:
        yield replace(step, result={**step.result, "left_out": list(out)}) if step.result is not None else step


def _note(desk: Desk, actor: Actor, candidate: int, report: Mapping[str, Any]) -> None:
    with desk.store.write() as tx:
        told = {name: value for name, value in report.items() if isinstance(value, bool)}
        tx.audit(actor, "reproduce", f"candidate {candidate}", **told)


def waiting(tx: Transaction) -> int:
    """Records in the queue."""
    return int(tx.value("SELECT count(*) FROM standing WHERE state IN ('new', 'void')"))
