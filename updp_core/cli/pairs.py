"""Commands for the day's work on pairs: from import over verdicts and flags to approve-all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, cast, get_args

import typer

from updp_core.cli.console import AsJson, Home, RoleOption, Who, actor, command, follow, one_of, opened, pairs, result
from updp_core.dicomweb import is_address
from updp_core.domain import Assume, Audience, Verdict
from updp_core.errors import UsageError

AUDIENCES = get_args(Audience)
LAYOUTS = ("auto", "csv", "dicom", "iu-xray", "mimic-cxr")
Record = Annotated[str, typer.Argument(help="A record's id, as `list` gives it.")]
Reviewer = Annotated[str, typer.Option("--reviewer", help="Who decides.")]
PromptOptions = Annotated[list[str], typer.Option("--prompt", metavar="KEY=VALUE", help="Setting of the prompt.")]
GeneratorOptions = Annotated[
    list[str], typer.Option("--generator", metavar="KEY=VALUE", help="Setting of the generator.")
]
SetOptions = Annotated[
    list[str], typer.Option("--set", metavar="KEY=VALUE", help="Setting of the method, see `methods`.")
]
Named = Annotated[str, typer.Option("--settings", metavar="NAME", help="A named set of settings, see `methods`.")]

PrivacyOption = Annotated[
    str,
    typer.Option(
        metavar="LEVEL",
        help='A privacy officer\'s level: 0, 1, 2 or JSON, e.g. {"level": 1, "k": 5} [default: policy].',
    ),
]


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command("import")(import_)
    for function in (methods, generate, show, decide, undo, flag, regenerate, choose, reproduce, runs):
        app.command()(function)
    app.command("approve-all")(approve_all)


@command
def import_(
    source: Annotated[str, typer.Argument(help="A table, a folder, a zip file, or dicomweb:URL?QUERY.")] = "",
    layout: Annotated[str, typer.Option(help=f"One of: {', '.join(LAYOUTS)}.")] = "auto",
    column: Annotated[
        list[str], typer.Option(metavar="NAME=COLUMN", help="The CSV's own name of a column, e.g. file=ImagePath.")
    ] = [],  # noqa: B006
    mapped: Annotated[
        list[str], typer.Option("--map", metavar="COLUMN=NAME", help="The same the other way: ImagePath=file.")
    ] = [],  # noqa: B006
    assume: Annotated[
        list[str],
        typer.Option(help="What you say of images that do not say it: chest, view=PA, modality=DX. It is recorded."),
    ] = [],  # noqa: B006
    again: Annotated[
        str, typer.Option(metavar="IMPORT", help="Try anew what this import has not taken, with --assume.")
    ] = "",
    home: Home = None,
    role: RoleOption = "privacy-officer",
    who: Who = "",
    as_json: AsJson = False,
) -> None:
    """Read studies into the workspace. What cannot go on is listed with the reason."""
    one_of(layout, LAYOUTS, "--layout")
    columns = {name: str(value) for name, value in pairs(column, "--column").items()}
    columns |= {str(value): name for name, value in pairs(mapped, "--map").items()}
    said = assumed(assume)
    if bool(source) == bool(again):
        raise typer.BadParameter("Give a source, or an import to try --again.")
    with opened(home) as bench:
        if again:
            steps = bench.import_again(again, assume=said, actor=actor(who, role))
        elif is_address(source):
            steps = bench.import_from(source, actor=actor(who, role))
        else:
            steps = bench.import_(Path(source), layout=layout, columns=columns, assume=said, actor=actor(who, role))
        outcome = follow(steps)
    lines = [f"rejected {item['source']}: {item['reason']}" for item in outcome["rejected"]]
    lines += [f"without a report: {name}" for name in outcome["without_report"]]
    if outcome.get("list"):
        lines.append(f"all rejections, with their reasons: {outcome['list']}")
    rejections = outcome.get("rejections", len(outcome["rejected"]))
    lines.append(f"{outcome['imported']} imported, {outcome['duplicates']} already known, {rejections} rejected.")
    result(outcome, as_json, lines)


def assumed(words: list[str]) -> Assume:
    """`chest`, `view=PA`, `modality=DX` as what the importer states. Raises UsageError."""
    said: dict[str, Any] = {}
    for word in words:
        name, _, value = word.partition("=")
        if name not in ("chest", "view", "modality") or bool(value) == (name == "chest"):
            raise UsageError("--assume is one of: chest, view=PA|AP|frontal, modality=CR|DX|RG.")
        said[name] = value or True
    return Assume(**said)


@command
def methods(home: Home = None, role: RoleOption = "privacy-officer", who: Who = "", as_json: AsJson = False) -> None:
    """The methods: what each can hide, whether it can run here, its settings and their ranges."""
    with opened(home) as bench:
        rows = bench.methods(actor=actor(who, role))
    lines: list[str] = []
    for row in rows:
        state = row["remedy"] or ("may leave" if row["leaves"] else "stays in the house")
        lines += [f"{row['name']}: {row['title']} ({state})", f"  {row['holds']}"]
        lines += [f"  --set {s['name']}={json.dumps(s['value'])}  {s['doc']}{_range(s)}" for s in row["settings"]]
        lines += [f"  --settings {name}  {each['doc']}" for name, each in row["sets"].items()]
    result({"methods": rows}, as_json, lines)


def _range(setting: dict[str, Any]) -> str:
    if setting["choices"]:
        return f" ({', '.join(setting['choices'])})"
    ends = [f"{setting[end]:g}" for end in ("low", "high") if setting[end] is not None]
    return f" ({' to '.join(ends)})" if len(ends) == 2 else ""


def level_of(text: str) -> dict[str, Any] | None:
    """A privacy level as the command line states it: 0, 1, 2, or JSON with what it needs."""
    if not text:
        return None
    try:
        wish = json.loads(text)
    except ValueError:
        raise typer.BadParameter('A privacy level is 0, 1, 2 or JSON, such as {"level": 1, "k": 10}.') from None
    return wish if isinstance(wish, dict) else {"level": wish}


@command
def generate(
    method: Annotated[str | None, typer.Option(help="A method, see `methods` [default: UPDP_METHOD].")] = None,
    preset: Annotated[str | None, typer.Option(help="The pair of models [default: UPDP_PRESET or starter].")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many records.")] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Records at once.")] = 8,
    seed: Annotated[int, typer.Option(help="Steers every random draw.")] = 0,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try failed records again.")] = False,
    prompt: PromptOptions = [],  # noqa: B006
    generator: GeneratorOptions = [],  # noqa: B006
    set_: SetOptions = [],  # noqa: B006
    named: Named = "",
    privacy: PrivacyOption = "",
    home: Home = None,
    role: RoleOption = "privacy-officer",
    who: Who = "",
    as_json: AsJson = False,
) -> None:
    """Make candidates for new and void records. May be stopped at any moment and started again."""
    with opened(home, preset=preset) as bench:
        steps = bench.generate(
            method=method,
            limit=limit,
            batch_size=batch_size,
            seed=seed,
            retry_failed=retry_failed,
            prompt=pairs(prompt, "--prompt"),
            generation=pairs(generator, "--generator"),
            settings=pairs(set_, "--set"),
            named=named,
            privacy=level_of(privacy),
            actor=actor(who, role),
        )
        outcome = follow(steps)
    lines = [f"failed {item['record']}: {item['reason']}" for item in outcome["failed"]]
    lines += [f"{outcome['generated']} generated, {len(outcome['failed'])} failed, {outcome['seconds']:.1f} s."]
    result(outcome, as_json, lines)


@command
def show(
    record: Record,
    home: Home = None,
    role: RoleOption = "privacy-officer",
    who: Who = "",
    as_json: AsJson = False,
    heat: Annotated[str, typer.Option(help="Add where the finding classifier looked for this finding.")] = "",
) -> None:
    """All about one record: state, prompt, reports, evidence, images, history."""
    with opened(home) as bench:
        detail: dict[str, Any] = dict(bench.show(record, actor=actor(who, role)))
        if heat:
            maps = bench.heat_map(record, heat, actor=actor(who, role), candidate=detail["candidate"])
            detail["heat_map"] = {
                kind: {**one, "fields": one["fields"].round(4).tolist()} if isinstance(one, dict) else one
                for kind, one in maps.items()
            }
        detail["images"] = {
            kind: str(bench.desk.store.image_path(image["sha256"]).absolute())
            for kind, image in detail["images"].items()
            if image and image["sha256"]
        }
    result(detail, as_json, _shown(detail))


def _shown(detail: dict[str, Any]) -> list[str]:
    lines = [f"{detail['record']}  {detail['state']}  patient {detail['patient']}  view {detail['view']}"]
    lines += [f"flag {f['flag']} for {f['audience']}, {f['reviewer']}: {f['reason']}" for f in detail["flags"]]
    lines += [f"remark: {remark}" for remark in detail["remarks"]] + (
        [f"error: {detail['error']}"] if detail["error"] else []
    )
    if detail["prompt"]:
        lines.append(f"prompt: {detail['prompt']['text']}")
    lines.append(f"filtered report: {detail['report']['filtered']}")
    lines += [f"gate {gate['name']}: {gate['state']} ({gate['explanation']})" for gate in detail["gates"]]
    lines += [f"image {kind}: {path}" for kind, path in detail["images"].items()]
    for kind in ("original", "synthetic"):
        if seen := detail.get("heat_map", {}).get(kind):
            lines.append(f"{detail['heat_map']['finding']} in the {kind} image: {100 * seen['probability']:.0f} %")
            lines += [" ".join(f"{value:6.2f}" for value in row) for row in seen["fields"]]
    lines += [
        f"{d['decided_at']} {d['reviewer']} ({d['role']}): {d['verdict']}{' (undone)' if d['undone'] else ''} "
        f"{d['comment']}".rstrip()
        for d in detail["decisions"]
    ]
    return lines


@command
def decide(
    record: Record,
    verdict: Annotated[str, typer.Argument(help="approve, reject or regenerate.")],
    reviewer: Reviewer,
    role: RoleOption,
    comment: Annotated[str, typer.Option(help="Why.")] = "",
    reason: Annotated[list[str], typer.Option(help="A reason by its short name; may be repeated.")] = [],  # noqa: B006
    override: Annotated[list[str], typer.Option(help="A blocking gate to override; needs a comment.")] = [],  # noqa: B006
    candidate: Annotated[int | None, typer.Option(help="The candidate that was looked at.")] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Give a verdict on a record's current candidate."""
    one_of(verdict, ("approve", "reject", "regenerate"), "VERDICT")
    with opened(home) as bench:
        detail = bench.decide(
            record,
            cast(Verdict, verdict),
            comment=comment,
            reasons=reason,
            overrides=override,
            candidate=candidate,
            actor=actor(reviewer, role),
        )
    outcome = {"record": record, "state": detail["state"], "candidate": detail["candidate"], "verdict": verdict}
    result(outcome, as_json, [f"{record} is {detail['state']}."])


@command
def undo(
    reviewer: Reviewer,
    record: Annotated[str | None, typer.Argument(help="Only the last verdict on this record.")] = None,
    role: RoleOption = "radiologist",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Take back the reviewer's own last verdict or flag, or the clearing of one."""
    with opened(home) as bench:
        detail = bench.undo(record=record, actor=actor(reviewer, role))
    outcome = {"record": detail["record"], "state": detail["state"]}
    result(outcome, as_json, [f"{detail['record']} is {detail['state']} again."])


@command
def flag(
    record: Record,
    reason: Annotated[str, typer.Argument(help="What to look at; with --clear, what came of it.")],
    reviewer: Reviewer,
    audience: Annotated[str, typer.Option("--for", help=f"Who should look: {', '.join(AUDIENCES)}.")] = "anybody",
    clear: Annotated[int | None, typer.Option(help="Clear this flag, by its number in `show`.")] = None,
    role: RoleOption = "radiologist",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Ask somebody to look at a pair, without deciding it; until cleared it stays out of releases and approve-all."""
    one_of(audience, AUDIENCES, "--for")
    with opened(home) as bench:
        who = actor(reviewer, role)
        if clear is None:
            detail = bench.flag(record, reason, audience=cast(Audience, audience), actor=who)
        else:
            detail = bench.clear_flag(record, clear, reason, actor=who)
    lines = [f"{record}: flag {f['flag']} for {f['audience']}: {f['reason']}" for f in detail["flags"]]
    result({"record": record, "flags": detail["flags"]}, as_json, lines or [f"{record} has no open flag."])


@command
def reproduce(
    candidate: Annotated[int, typer.Argument(help="A candidate, by its number in `show`.")],
    who: Who = "",
    preset: Annotated[str | None, typer.Option(help="The pair of models that made it.")] = None,
    role: RoleOption = "radiologist",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Run a candidate's recorded method, settings, lexicon and seed again, and compare. Nothing is changed."""
    with opened(home, preset=preset) as bench:
        outcome = bench.reproduce(candidate, actor=actor(who, role))
    said = [f"{'same' if outcome[f'same_{part}'] else 'another'} {part}" for part in ("models", "prompt", "image")]
    result(outcome, as_json, [f"Candidate {candidate}: {', '.join(said)}."])


@command
def regenerate(
    record: Record,
    reviewer: Reviewer,
    seed: Annotated[list[int], typer.Option(help="A seed; repeat for a contact sheet.")] = [],  # noqa: B006
    method: Annotated[str | None, typer.Option(help="Another method [default: that of the pair].")] = None,
    compare: Annotated[
        bool,
        typer.Option(
            "--compare", help="One by each method, --set where it has such a setting; the current one stays current."
        ),
    ] = False,
    preset: Annotated[str | None, typer.Option(help="The pair of models.")] = None,
    prompt: PromptOptions = [],  # noqa: B006
    generator: GeneratorOptions = [],  # noqa: B006
    set_: SetOptions = [],  # noqa: B006
    named: Named = "",
    privacy: PrivacyOption = "",
    clear_rarity: Annotated[
        bool, typer.Option("--clear-rarity", help="Leave out the fewest findings that too few patients share.")
    ] = False,
    role: RoleOption = "radiologist",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make other candidates for a record now."""
    with opened(home, preset=preset) as bench:
        who = actor(reviewer, role)
        if clear_rarity:
            steps = bench.clear_rarity(record, actor=who)
        elif compare:
            steps = bench.compare(
                record,
                seed=seed[0] if seed else None,
                methods=[method] if method else (),
                settings=_where_known(bench.methods(actor=who), pairs(set_, "--set"), method),
                actor=who,
            )
        else:
            steps = bench.regenerate(
                record,
                seeds=seed,
                method=method,
                prompt=pairs(prompt, "--prompt"),
                generation=pairs(generator, "--generator"),
                settings=pairs(set_, "--set"),
                named=named,
                privacy=level_of(privacy),
                actor=who,
            )
        outcome = follow(steps)
    lines = [f"candidates {', '.join(map(str, outcome['candidates'])) or 'none'}; current is {outcome['current']}."]
    lines += [f"left out: {', '.join(outcome['left_out'])}"] if "left_out" in outcome else []
    result(outcome, as_json, [*[f"failed: {reason}" for reason in outcome["failed"]], *lines])


def _where_known(
    rows: Sequence[Mapping[str, Any]], settings: Mapping[str, Any], only: str | None
) -> dict[str, dict[str, Any]]:
    """Settings by method, for each method that can run here and has them. Raises UsageError for one that none has."""
    rows = [row for row in rows if row["available"] and only in (None, row["name"])]
    known = {row["name"]: {setting["name"] for setting in row["settings"]} for row in rows}
    if unknown := set(settings).difference(*known.values()):
        raise UsageError(f"None of the methods that are compared has a setting {sorted(unknown)[0]!r}. See `methods`.")
    return {name: {k: v for k, v in settings.items() if k in has} for name, has in known.items() if has & set(settings)}


@command
def choose(
    record: Record,
    candidate: Annotated[int, typer.Argument(help="The candidate to make current.")],
    reviewer: Reviewer,
    role: RoleOption = "radiologist",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make another candidate of a record current."""
    with opened(home) as bench:
        detail = bench.choose(record, candidate, actor=actor(reviewer, role))
    outcome = {"record": record, "state": detail["state"], "candidate": detail["candidate"]}
    result(outcome, as_json, [f"{record} shows candidate {candidate} and is {detail['state']}."])


@command
def approve_all(
    reviewer: Reviewer,
    number: Annotated[int | None, typer.Option(help="Approve, if this many pairs fit; without it, only count.")] = None,
    text: Annotated[str | None, typer.Option(help="Words of prompt, filtered report or pseudonyms.")] = None,
    comment: Annotated[str, typer.Option(help="Why.")] = "",
    role: RoleOption = "radiologist",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Approve every pending pair whose gates are all clear, once the number is confirmed."""
    from updp_core.workbench import Filters  # brings SQLModel

    filters = Filters(text=text)
    with opened(home) as bench:
        who = actor(reviewer, role)
        outcome: dict[str, Any]
        if number is None:
            outcome = bench.approve_preview(filters=filters, actor=who)
            lines = [f"{outcome['number']} pairs have all gates clear; confirm with --number {outcome['number']}."]
        else:
            outcome = dict(bench.approve_all(filters=filters, expected_number=number, comment=comment, actor=who))
            lines = [f"{outcome['approved']} approved."]
    result(outcome, as_json, lines)


@command
def runs(
    run: Annotated[int | None, typer.Argument(help="A run to pause, resume or stop.")] = None,
    wish: Annotated[str | None, typer.Argument(help="pause, resume or stop.")] = None,
    home: Home = None,
    role: RoleOption = "privacy-officer",
    who: Who = "",
    as_json: AsJson = False,
) -> None:
    """Show generate runs, or tell one to pause, resume or stop."""
    if run is not None and wish is None:
        raise typer.BadParameter("Say what the run should do: pause, resume or stop.", param_hint="WISH")
    with opened(home) as bench:
        if run is not None:
            bench.control(run, wish or "", actor=actor(who, role))
        rows = bench.runs(actor=actor(who, role))
    lines = [
        f"{r['run']}  {r['state']:<9} {r['done']}/{r['total']} ({r['failed']} failed)  {r['method']}" for r in rows
    ]
    result({"runs": rows}, as_json, lines)
