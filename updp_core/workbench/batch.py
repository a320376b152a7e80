"""One batch: filter the reports, let the method propose, measure, keep. Failures stay with their record."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from updp_core.atomic import canonical
from updp_core.domain import Actor, MethodInput, Proposal, Span, Step
from updp_core.errors import ModelUnavailable, UpdpError, UsageError
from updp_core.findings.levels import Privacy, privacy_of
from updp_core.intake.pixels import decode_png, encode_png
from updp_core.methods import Entry, config_of, entry_of
from updp_core.methods.settings import listed
from updp_core.report import filter_report
from updp_core.report.left_out import denied, told_of, words_of
from updp_core.store import Transaction, word_index
from updp_core.store.schema import Candidate, Record
from updp_core.store.secret import Secret
from updp_core.store.store import known, now
from updp_core.workbench import levels, lexicons, population, verdicts
from updp_core.workbench.desk import Desk
from updp_core.workbench.grades import evidence_of, grade
from updp_core.workbench.leases import Worker
from updp_core.workbench.models import Models
from updp_core.workbench.policy import may_leave
from updp_core.workbench.shapes import MethodRow

if TYPE_CHECKING:
    from updp_core.lexicon import Lexicon
    from updp_core.workbench.runs import Options


@dataclass(frozen=True)
class Kept:
    """A record of the batch is done: its candidate (None where another worker had taken over), or why it failed."""

    record: str
    candidate: int | None
    error: str = ""


@dataclass(frozen=True)
class Raw:
    """A record as the store has it: its row, its image as PNG, its seeds, and the key of its report's stand-ins."""

    row: Record
    png: bytes
    key: bytes
    seeds: tuple[int, ...]
    own: Privacy | None
    hidden: frozenset[str]
    """Findings that the privacy levels leave out."""


@dataclass(frozen=True)
class Task:
    """A record in work: its row, what the method sees, and the filter's result."""

    row: Record
    input: MethodInput
    spans: list[dict[str, Any]]
    surrogates: list[dict[str, Any]]
    seeds: tuple[int, ...]
    own: Privacy | None
    hidden: frozenset[str]
    words: dict[int, list[str]]
    """Seed -> words that its prompt is denied, besides those of the lexicon, so that it tells of none of them."""


@dataclass(frozen=True)
class Context:
    """What the whole batch has in common."""

    version: int
    lexicon: Lexicon
    report_policy: Literal["remove", "placeholder", "surrogate"]
    privacy: Privacy
    """The policy's level."""
    options: Options
    requested: dict[str, Any]
    actor: Actor


@dataclass(frozen=True)
class Failed:
    """A record that came to nothing, and why."""

    record: str
    seed: int
    reason: str


@dataclass(frozen=True)
class Drawn:
    """What a method made of some records, and under which settings."""

    tasks: list[Task]
    proposals: list[Proposal]
    settings: dict[str, Any]
    releasable: bool


@dataclass(frozen=True)
class Measured:
    """The proposals of what was drawn, each with its evidence and its image as PNG."""

    drawn: Drawn
    evidence: list[dict[str, Any]]
    pngs: list[bytes | None]


_Made = tuple[Proposal, dict[str, Any], bytes | None]
"""A proposal, its evidence, and its image as PNG."""


def propose(
    desk: Desk, worker: Worker, records: Sequence[str], options: Options, actor: Actor, seeds: Sequence[int] = ()
) -> Iterator[Step | Kept]:
    """Work on leased records: the method's steps as they come, and a Kept for each record and seed.

    `seeds` are tried for every record (by default each record has one of its own). A missing model raises
    ModelUnavailable and leaves all records as they were.
    """
    context, found = fetch(desk, records, options, actor, seeds)
    tasks: list[Task] = []
    for each in filtered(desk.models, context, found):
        if isinstance(each, Failed):
            yield _fail(desk, worker, context, each)
        else:
            tasks.append(each)
    with desk.model_lock:
        for step in drawn(desk.models, context, tasks):
            if isinstance(step, Step):
                yield step
            elif isinstance(step, Failed):
                yield _fail(desk, worker, context, step)
            else:
                about = population.context(desk, desk.models.judges(), patients_of(step.tasks))
                yield from keep(desk, worker, context, measured(desk.models, context, step, about))


def fetch(
    desk: Desk, records: Sequence[str], options: Options, actor: Actor, seeds: Sequence[int] = ()
) -> tuple[Context, list[Raw | Failed]]:
    """What a batch is made from, out of the store: nothing that follows asks it, until the outcome is kept."""
    with desk.store.read() as tx:
        version, lexicon = desk.lexicon(tx)
        policy = desk.policy(tx)
        rows = [known(tx.get(Record, id=record), f"record {record}") for record in records]
        attempts = [tx.value("SELECT count(*) FROM candidate WHERE record = :r", r=record) for record in records]
    requested, privacy = requested_of(desk, options), privacy_of(policy["privacy"])
    context = Context(version, lexicon, policy["report_policy"], privacy, options, requested, actor)
    found: list[Raw | Failed] = []
    for row, attempt in zip(rows, attempts, strict=True):
        try:
            found.append(_raw(desk, context, row, tuple(seeds) or (_seed(desk, options, row, attempt),)))
        except Exception as error:
            found.append(Failed(row.id, seeds[0] if seeds else 0, reason_of(error)))
    return context, found


def filtered(models: Models, context: Context, found: Sequence[Raw | Failed]) -> Iterator[Task | Failed]:
    """The records with their reports filtered and their images decoded."""
    for raw in found:
        if isinstance(raw, Failed):
            yield raw
            continue
        try:
            yield _task(models, context, raw)
        except Exception as error:
            yield Failed(raw.row.id, raw.seeds[0], reason_of(error))


def drawn(models: Models, context: Context, tasks: Sequence[Task]) -> Iterator[Step | Drawn | Failed]:
    """The method's steps over a batch and what it made. Raises ModelUnavailable."""
    if tasks:
        yield from _try(models, context, models.method(context.lexicon, context.requested), tasks)


def measured(models: Models, context: Context, made: Drawn, about: Mapping[str, Any]) -> Measured:
    """What was drawn with its evidence; `about` is what `population.context` says of the other records."""
    evidence = _measure(models, context, made.tasks, made.proposals, about)
    return Measured(made, evidence, [None if p.image is None else encode_png(p.image) for p in made.proposals])


def keep(desk: Desk, worker: Worker, context: Context, outcome: Measured | Failed) -> Iterator[Kept]:
    """Keep what became of leased records, each in one transaction that ends its lease."""
    if isinstance(outcome, Failed):
        yield _fail(desk, worker, context, outcome)
        return
    made = outcome.drawn
    by_task: dict[str, list[_Made]] = {}
    for each in zip(made.proposals, outcome.evidence, outcome.pngs, strict=True):
        by_task.setdefault(each[0].record, []).append(each)
    for task in made.tasks:
        if task.row.id in by_task:
            yield from _keep(desk, worker, context, task, by_task[task.row.id], made.settings, made.releasable)
        else:
            reason = "The method returned nothing for this record. Regenerate it with other settings."
            yield _fail(desk, worker, context, Failed(task.row.id, task.seeds[0], reason))


def patients_of(tasks: Sequence[Task | Raw]) -> dict[str, str]:
    """Record -> patient."""
    return {task.row.id: task.row.patient for task in tasks}


def take_over(
    desk: Desk,
    worker: Worker,
    record: str,
    options: Options,
    actor: Actor,
    proposal: Proposal,
    settings: dict[str, Any],
    measured: Mapping[str, Any] | None = None,
) -> bool:
    """Keep for a leased record what was proposed elsewhere; whether it was kept. It is not where the privacy level
    leaves out what it may show. A failure leaves the record as it was.

    Its report is filtered and its evidence measured here, unless `measured` holds what the same filter and the same
    judges found ("filtered", "spans", "evidence").
    """
    with desk.store.read() as tx:
        version, lexicon = desk.lexicon(tx)
        policy = desk.policy(tx)
        row = known(tx.get(Record, id=record), f"record {record}")
    privacy = privacy_of(policy["privacy"])
    context = Context(version, lexicon, policy["report_policy"], privacy, options, settings["requested"], actor)
    task = _task(desk.models, context, _raw(desk, context, row, (proposal.seed,)), measured)
    if task.hidden & set(json.loads(row.findings_json)) or told_of(proposal.prompt_text, task.hidden):
        return False
    if measured:
        evidence = dict(measured["evidence"])
    else:
        with desk.model_lock:
            about = population.context(desk, desk.models.judges(), patients_of([task]))
            [evidence] = _measure(desk.models, context, [task], [proposal], about)
    png = None if proposal.image is None else encode_png(proposal.image)
    kept = _keep(desk, worker, context, task, [(proposal, evidence, png)], settings, releasable=True)
    return kept[0].candidate is not None


def seed_for(secret: Secret, seed: int, record: str, attempt: int) -> int:
    """The seed of a record's next candidate: the same for the same workspace, run seed, record and attempt."""
    return secret.seed("candidate", seed, record, attempt)


def _seed(desk: Desk, options: Options, row: Record, attempt: int) -> int:
    return seed_for(desk.store.secret, options.seed, row.id, attempt)


def _raw(desk: Desk, context: Context, row: Record, seeds: tuple[int, ...]) -> Raw:
    with desk.store.read() as tx:
        own = _own(tx, context, row.id)
        hidden = levels.left_out(desk, tx, frozenset(json.loads(row.findings_json)), context.privacy, own)
    return Raw(row, desk.store.get_image(row.image), desk.stand_in_key(row.id), seeds, own, hidden)


def _task(models: Models, context: Context, raw: Raw, measured: Mapping[str, Any] | None = None) -> Task:
    row, own, hidden = raw.row, raw.own, raw.hidden
    image: Any = decode_png(raw.png)
    if measured:
        item = MethodInput(row.id, image, row.report, str(measured["filtered"]))
        return Task(row, item, list(measured["spans"]), [], raw.seeds, own, hidden, {})
    header = json.loads(row.header_json)
    found = filter_report(row.report, context.lexicon, header, context.report_policy, raw.key, models.ner(), hidden)
    spans, surrogates = ([asdict(span) for span in part] for part in (found.spans, found.surrogates))
    return Task(row, MethodInput(row.id, image, row.report, found.text), spans, surrogates, raw.seeds, own, hidden, {})


def _own(tx: Transaction, context: Context, record: str) -> Privacy | None:
    asked = context.options.privacy
    return levels.own_of(tx, record) if asked is None else privacy_of(asked)


def _try(models: Models, context: Context, method: Any, tasks: Sequence[Task]) -> Iterator[Step | Drawn | Failed]:
    """Propose for the whole batch; where that fails as a whole, for each record alone, so that one spoils no other."""
    pairs = [(task, seed) for task in tasks for seed in task.seeds]
    proposals: list[Proposal] = []
    try:
        for step in method.propose([task.input for task, _ in pairs], seeds=[seed for _, seed in pairs]):
            proposals += step.proposals
            yield Step(step.stage, step.done, step.total)
    except ModelUnavailable:
        raise
    except Exception as error:
        if len(tasks) > 1:
            for task in tasks:
                yield from _try(models, context, method, [task])
            return
        yield Failed(tasks[0].row.id, tasks[0].seeds[0], reason_of(error))
        return
    settings = {"requested": context.requested, **method.settings()}
    if method.releasable:
        proposals = _obeying(models, context, tasks, proposals, settings)
    yield Drawn(list(tasks), proposals, settings, bool(method.releasable))


def _obeying(
    models: Models, context: Context, tasks: Sequence[Task], proposals: Sequence[Proposal], settings: Mapping[str, Any]
) -> list[Proposal]:
    """The proposals, none of which shows a finding that the privacy levels leave out of its report.

    Where a prompt tells of one (the image that it is optimised for shows it), the words for it are forbidden and the
    pair is made again. A method that keeps source pixels can leave nothing out: its pair fails.
    """
    by_record = {task.row.id: task for task in tasks}
    pixels = entry_of(context.options.method).derivation(settings).source_pixels
    out: list[Proposal] = []
    for proposal in proposals:
        task, seed = by_record[proposal.record], proposal.seed
        words: set[str] = set()
        for _ in range(0 if pixels else 3):
            if not told_of(proposal.prompt_text, task.hidden):
                break
            words |= set(words_of(context.lexicon, task.hidden, proposal.prompt_text))
            method = models.make_method(denied(context.lexicon, words), context.requested)
            made = [p for step in method.propose([task.input], seeds=[seed]) for p in step.proposals]
            proposal = made[-1] if made else proposal
        task.words[seed] = sorted(words)
        reason = ""
        if pixels and task.hidden & set(json.loads(task.row.findings_json)):
            reason = "This method keeps the source's pixels, which show what the privacy level leaves out: use another."
        elif told_of(proposal.prompt_text, task.hidden):
            reason = "The prompt tells of a finding that the privacy level leaves out. Regenerate with another seed."
        out.append(replace(proposal, image=None, error=reason) if reason and not proposal.error else proposal)
    return out


def _measure(
    models: Models, context: Context, tasks: Sequence[Task], proposals: Sequence[Proposal], about: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Evidence for each proposal. Where measuring fails, the reason stands there and every gate is unknown."""
    headers = {task.row.id: json.loads(task.row.header_json) for task in tasks}
    inputs = [task.input for task in tasks]
    judges = models.judges()
    stand_ins = {task.row.id: [Span(**span) for span in task.surrogates] for task in tasks}
    told = {t.row.id: sorted(t.hidden & set(json.loads(t.row.findings_json))) for t in tasks}
    more = {"headers": headers, "surrogates": stand_ins, "left_out": told, **about}
    try:
        return models.measure(inputs, proposals, context.lexicon, judges, **more)
    except Exception:
        alone: list[dict[str, Any]] = []
        for proposal in proposals:
            try:
                alone += models.measure(inputs, [proposal], context.lexicon, judges, **more)
            except Exception as error:
                alone.append({"error": reason_of(error)})
        return alone


def _keep(
    desk: Desk,
    worker: Worker,
    context: Context,
    task: Task,
    made: Sequence[_Made],
    settings: dict[str, Any],
    releasable: bool,
) -> list[Kept]:
    """Keep all proposals for one record and make the one with the lowest risk current: one transaction."""
    images = [None if png is None else desk.store.put_image(png) for _, _, png in made]
    kept: list[Kept] = []
    record = task.row.id
    with desk.store.write() as tx:
        if not worker.holds(tx, record):
            return [Kept(record, None)]
        policy = desk.policy(tx)
        releasable = releasable and may_leave(policy, context.options.method, settings)
        best: tuple[float, int] | None = None
        for (proposal, evidence, _), image in zip(made, images, strict=True):
            error = proposal.error or ("" if image else "The method made no image for this record.")
            texts = word_index.Texts(proposal.prompt_text, task.input.filtered_report, canonical(task.surrogates))
            candidate = tx.insert(
                "candidate",
                record=record,
                method=context.options.method,
                releasable=releasable,
                settings_json=canonical(
                    settings
                    | {"privacy": levels.recorded(context.privacy, task.own, task.words.get(proposal.seed, ()))}
                ),
                lexicon_version=context.version,
                seed=proposal.seed,
                prompt_json=canonical(asdict(proposal.prompt)) if proposal.prompt else None,
                spans_json=canonical(task.spans),
                report_policy=context.report_policy,
                image=image,
                **asdict(texts),
                height=proposal.image.shape[0] if proposal.image is not None else None,
                width=proposal.image.shape[1] if proposal.image is not None else None,
                evidence_json=canonical(evidence),
                error=error,
                actor=context.actor.name,
                created_at=now(),
            )
            if not error:
                word_index.add(tx, candidate, texts)
                known_too = evidence_of(evidence, context.options.method, settings)
                best = min(best or (float("inf"), 0), (grade(tx, candidate, known_too, policy), candidate))
                lexicons.check_candidate(tx, desk, candidate)  # the lexicon may have changed meanwhile
            kept.append(Kept(record, candidate, error))
        current = best[1] if best else kept[0].candidate
        assert current is not None
        _make_current(tx, context, record, current)
        worker.drop(tx, record)
        tx.audit(
            context.actor,
            "candidate",
            record,
            candidates=[k.candidate for k in kept],
            method=context.options.method,
            lexicon_version=context.version,
            failed=sum(bool(k.error) for k in kept),
        )
        tx.refresh([record])
    return kept


def _make_current(tx: Transaction, context: Context, record: str, candidate: int) -> None:
    stands = tx.value("SELECT candidate FROM standing WHERE record = :r", r=record)
    if stands is None or not context.options.keep_current:
        verdicts.make_current(tx, record, candidate, context.actor)


def _fail(desk: Desk, worker: Worker, context: Context, failed: Failed) -> Kept:
    record, reason = failed.record, failed.reason
    with desk.store.write() as tx:
        if not worker.holds(tx, record):
            return Kept(record, None)
        candidate = tx.insert(
            "candidate",
            record=record,
            method=context.options.method,
            releasable=False,
            settings_json=canonical(
                {
                    "requested": context.requested,
                    "privacy": levels.recorded(context.privacy, _own(tx, context, record)),
                }
            ),
            lexicon_version=context.version,
            seed=failed.seed,
            prompt_json=None,
            prompt_text="",
            filtered="",
            spans_json="[]",
            surrogates_json="[]",
            report_policy=context.report_policy,
            image=None,
            height=None,
            width=None,
            evidence_json="{}",
            error=reason,
            actor=context.actor.name,
            created_at=now(),
        )
        _make_current(tx, context, record, candidate)
        worker.drop(tx, record)
        tx.audit(context.actor, "candidate", record, candidates=[candidate], method=context.options.method, failed=1)
        tx.refresh([record])
    return Kept(record, candidate, reason)


def reason_of(error: Exception) -> str:
    """What to tell of a failure. Only our own errors are known to carry no patient text; others give their kind."""
    if isinstance(error, UpdpError):
        return str(error)
    return f"Unexpected {type(error).__name__} while generating. Regenerate; if it stays, report it with its kind."


def requested_of(desk: Desk, options: Options) -> dict[str, Any]:
    """What a run asks of its method, as candidates record it: the policy's settings, where the run says nothing else.

    Raises UsageError for what does not exist.
    """
    default = desk.policy()["methods"].get(options.method, {})
    requested: dict[str, Any] = {
        "method": options.method,
        "preset": desk.settings.preset,
        "prompt": dict(options.prompt or {}),
        "generation": dict(options.generation or {}),
        "settings": dict(options.settings or {}),
        "named": options.named,
    }
    if not options.named:
        # The run's own words for a part of the settings stand above the policy's.
        own = {f"{part}.{name}" for part in ("prompt", "generation") for name in requested[part]}
        kept = {name: value for name, value in default.get("settings", {}).items() if name not in own}
        requested["settings"] = {**kept, **requested["settings"]}
        requested["named"] = default.get("named", "")
    desk.models.check_settings(requested)
    return requested


def again(desk: Desk, record: Record, candidate: Candidate, lexicon: Lexicon) -> tuple[Proposal, dict[str, Any]]:
    """Run a candidate's recorded request again: (the proposal, the settings now)."""
    settings = json.loads(candidate.settings_json)
    requested = settings["requested"]
    if requested["preset"] != desk.settings.preset:
        raise UsageError(f"This candidate was made with the preset {requested['preset']}. Open the workspace with it.")
    image: Any = decode_png(desk.store.get_image(record.image))
    item = MethodInput(record.id, image, record.report, candidate.filtered)
    words = settings.get("privacy", {}).get("words", ())
    with desk.model_lock:
        method = desk.models.method(denied(lexicon, words) if words else lexicon, requested)
        proposals = [p for step in method.propose([item], seeds=[candidate.seed]) for p in step.proposals]
    now_is = {"requested": requested, **method.settings()}
    now_is |= {"privacy": settings["privacy"]} if "privacy" in settings else {}
    if "lexicon" in now_is:
        now_is["lexicon"] = lexicon.digest  # not that with the words which the privacy level denied this prompt
    return proposals[-1], now_is


def difference(desk: Desk, image: Any, digest: str) -> int | None:
    """The largest difference in grey levels between an image and the kept one of this sha256 (whose PNG may have been
    packed in another way); None where they are of another size or depth."""
    import numpy as np

    kept = decode_png(desk.store.get_image(digest))
    if kept.dtype != image.dtype or kept.shape != image.shape:
        return None
    return int(np.abs(kept.astype(np.int64) - image).max())


def described(desk: Desk, entry: Entry) -> MethodRow:
    """What the page says of a method, and whether its models are here."""
    remedy = ""
    try:
        entry.check(desk.settings)
    except ModelUnavailable as error:
        remedy = str(error)
    policy = desk.policy()
    wish = policy["methods"].get(entry.name, {})
    config = config_of(entry.name, desk.settings, wish.get("settings"), wish.get("named", ""))
    settings = {setting.name: setting for setting in listed(config)}
    return {
        "name": entry.name,
        "title": entry.title,
        "holds": entry.holds,
        "releasable": entry.releasable,
        "leaves": may_leave(policy, entry.name, asdict(config)),
        "source_pixels": entry.derivation(asdict(config)).source_pixels,
        "available": not remedy,
        "remedy": remedy,
        "settings": [asdict(setting) for setting in settings.values()],
        "sets": {name: {"doc": each.doc, "changes": dict(each.changes)} for name, each in entry.sets.items()},
        "sliders": [
            {
                **{part: getattr(slider, part) for part in ("name", "label", "low", "high", "step")},
                **{part: getattr(settings[slider.name], part) for part in ("value", "doc")},
            }
            for slider in entry.sliders
        ],
    }
