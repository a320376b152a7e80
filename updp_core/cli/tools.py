"""Commands around the main path: backup, restore, filter-report, phantom, train, evaluate, doctor, user."""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from updp_core import __version__
from updp_core.cli.console import AsJson, Home, RoleOption, Who, actor, command, one_of, opened, result, say, settings
from updp_core.domain import WAYS
from updp_core.errors import UpdpError, UsageError
from updp_core.evaluation import acceptance

POLICIES = ("remove", "placeholder", "surrogate")
user = typer.Typer(help="Who may sign in.", no_args_is_help=True)
_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command("filter-report")(filter_report)
    app.command()(phantom)
    app.command(context_settings=_PASS_ON, help="Train models; `train --help` lists them.")(train)
    app.command(context_settings=_PASS_ON, help="Measure models from scratch; `evaluate --help` tells which.")(evaluate)
    app.command()(doctor)
    app.command()(backup)
    app.command()(restore)
    app.command()(purge)
    app.command("copy-to")(copy_to)
    app.command("sample-size")(sample_size)
    app.add_typer(user, name="user")


def _passphrase(again: bool) -> str:
    """From UPDP_BACKUP_PASSPHRASE, for programs, or asked for on the terminal."""
    given = os.environ.get("UPDP_BACKUP_PASSPHRASE")
    return given or str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=again, err=True))


@command
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file.")],
    home: Home = None,
    role: RoleOption = "administrator",
    who: Who = "",
    as_json: AsJson = False,
) -> None:
    """Write the workspace, its key included, to one encrypted file. Lose neither the file nor its passphrase."""
    with opened(home) as bench:
        found = bench.backup(file, _passphrase(again=True), actor=actor(who, role))
    result(found, as_json, [f"{found['files']} files are in {found['file']}."])


@command
def purge(
    older_than: Annotated[
        int, typer.Option("--older-than", min=0, metavar="DAYS", help="Rejected or released before.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be destroyed, and destroy nothing.")
    ] = False,
    home: Home = None,
    role: RoleOption = "administrator",
    who: Who = "",
    as_json: AsJson = False,
) -> None:
    """Destroy originals, reports and headers of rejected and released records. It cannot be undone."""
    with opened(home) as bench:
        found = bench.purge(older_than, dry_run=dry_run, actor=actor(who, role))
    would = "would be" if dry_run else "are"
    lines = [
        f"{found['records']} records ({found['rejected']} rejected, {found['released']} released), {found['images']} "
        f"images and {found['files']} older files {would} destroyed.",
        *(
            ["Somebody was reading: run it again to empty the database's log."]
            if not dry_run and not found["whole"]
            else []
        ),
    ]
    result(found, as_json, lines)


@command
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Unpack a backup into a new workspace (--home) with SQLite, from where `copy-to` leads to a server again; then run
    `audit verify`."""
    from updp_core.store.backup import restore_backup

    into = settings(home).home
    found = {"home": str(into.absolute()), "files": restore_backup(file, into, _passphrase(again=False))}
    result(found, as_json, [f"{found['files']} files restored to {found['home']}."])


@command
def sample_size(
    pairs: Annotated[int, typer.Argument(min=1, metavar="PAIRS", help="How many pairs there are.")],
    bad: Annotated[float, typer.Option("--bad", metavar="PERCENT", help="The largest share of bad pairs.")] = 1.0,
    confidence: Annotated[float, typer.Option("--confidence", metavar="PERCENT", help="How sure you want to be.")] = 95,
    found: Annotated[int, typer.Option("--found", min=0, help="How many bad pairs the sample may show.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Say how many pairs, drawn at random, must be read where not all can be."""
    read = acceptance.sample_size(pairs, bad / 100, confidence / 100, found)
    line = (
        f"Read {read:,} of {pairs:,} pairs, drawn at random. Where at most {found} of them are bad, at most {bad:g} % "
        f"of all are bad, with {confidence:g} % confidence."
    )
    result({"pairs": pairs, "read": read, "bad": bad, "confidence": confidence, "found": found}, as_json, [line])


@command
def copy_to(
    url: Annotated[str, typer.Argument(metavar="URL", help="Empty: postgresql+psycopg://USER@HOST/NAME.")],
    worker: Annotated[
        str, typer.Option("--worker", help="A database role that shall work there and own nothing.")
    ] = "",
    home: Home = None,
    role: RoleOption = "administrator",
    who: Who = "",
    as_json: AsJson = False,
) -> None:
    """Move the workspace's database to PostgreSQL; set UPDP_DATABASE_URL to it from then on. PGPASSWORD or a .pgpass
    file gives the password."""
    with opened(home) as bench:
        found = bench.copy_to(url, actor=actor(who, role), role=worker)
    result(found, as_json, [f"{found['rows']} rows copied, {found['events']} audit events among them."])


@command
def filter_report(
    header: Annotated[str | None, typer.Option(help="JSON: kind of identifier -> values.")] = None,
    jsonl: Annotated[bool, typer.Option("--jsonl", help='One {"id", "text", "header"?} a line in and out.')] = False,
    policy: Annotated[str | None, typer.Option(help=f"One of: {', '.join(POLICIES)}.")] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Filter a report from stdin, under the workspace's lexicon, or the one that UPDP ships where there is none."""
    from updp_core.report import filter_report as filtered
    from updp_core.report.ner import load_ner

    one_of(policy, POLICIES, "--policy")
    chosen = settings(home)
    lexicon = _lexicon(home)
    ner = load_ner(chosen.ner) if chosen.ner else None

    def one(text: str, values: dict[str, list[str]] | None) -> dict[str, Any]:
        found = filtered(text, lexicon, header=values, policy=policy or chosen.report_policy, ner=ner)  # type: ignore[arg-type]
        return {"text": found.text, "spans": [{**vars(s), "text": text[s.start : s.end]} for s in found.spans]}

    if not jsonl:
        # read as bytes: text outside spans, line ends included, stays as it is
        outcome = one(_decode(sys.stdin.buffer.read()), _header(header) if header else None)
        result(outcome, True)
        return
    failures = 0
    for number, line in enumerate(sys.stdin.buffer, start=1):
        if not line.strip():
            continue
        answer: dict[str, Any] = {"id": None}
        try:
            item = json.loads(line)
            answer["id"] = item.get("id") if isinstance(item, dict) else None
            if not isinstance(item, dict) or not isinstance(item.get("text"), str):
                raise UsageError('A line is one JSON object with "id" and "text".')
            answer |= one(item["text"], _values(item["header"]) if item.get("header") else None)
        except ValueError:
            answer["error"] = f"Line {number} is not JSON."
        except UpdpError as error:
            answer["error"] = f"Line {number}: {error}"
        failures += "error" in answer
        say(json.dumps(answer, ensure_ascii=False))
    if failures:
        typer.echo(f"{failures} line(s) could not be filtered; each says why.", err=True)


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError("The report is not UTF-8. Convert it first.") from None


def _lexicon(home: Path | None) -> Any:
    from updp_core.lexicon import load_lexicon

    if not settings(home).begun:
        return load_lexicon()
    with opened(home) as bench, bench.desk.store.read() as tx:
        return bench.desk.lexicon(tx)[1]


def _header(text: str) -> dict[str, list[str]]:
    try:
        return _values(json.loads(text))
    except ValueError:
        raise typer.BadParameter("not JSON", param_hint="--header") from None


def _values(found: Any) -> dict[str, list[str]]:
    if not isinstance(found, dict):
        raise UsageError('The header is a JSON object, e.g. {"patient_name": ["Doe^Jane"]}.')
    return {str(k): [str(x) for x in (v if isinstance(v, list) else [v])] for k, v in found.items()}


@command
def phantom(
    out: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="A new folder.")],
    patients: Annotated[int, typer.Option(min=1)] = 12,
    images_per_patient: Annotated[int, typer.Option("--images-per-patient", min=1)] = 2,
    seed: Annotated[int, typer.Option()] = 0,
    as_json: AsJson = False,
) -> None:
    """Write phantom studies: DICOM, reports with planted PHI, ground truth."""
    from updp_core.phantom.dataset import write_dataset

    def told(done: int, total: int) -> None:
        if sys.stderr.isatty():
            print(f"\r\033[Kphantom {done}/{total}", end="\n" if done == total else "", file=sys.stderr, flush=True)

    files = write_dataset(out, patients, images_per_patient, seed, progress=told)
    outcome = {"studies": len(files), "patients": patients, "seed": seed, "folder": str(out.absolute())}
    result(outcome, as_json, [f"{len(files)} studies of {patients} patients written to {out}."])


def train(context: typer.Context) -> None:
    _pass_on("updp_core.cli.train", "train", context)


def evaluate(context: typer.Context) -> None:
    _pass_on("updp_core.cli.evaluate", "evaluate", context)


def _pass_on(module: str, name: str, context: typer.Context) -> None:
    """Run a command group that lives with its part, loaded only now."""
    importlib.import_module(module).app(args=context.args, prog_name=f"python -m updp_core {name}")


@command
def doctor(home: Home = None, as_json: AsJson = False) -> None:
    """Versions, devices, and what each preset lacks on this machine."""
    from importlib.metadata import PackageNotFoundError, version

    from updp_core.backends.presets import doctor as presets

    versions = {"updp": __version__, "python": platform.python_version()}
    for package in ("torch", "diffusers", "transformers", "open_clip_torch", "gradio", "pydicom", "sqlmodel", "numpy"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "missing: install requirements.txt"
    devices, rows = _devices(), presets(settings(home))
    found = {"versions": versions, "devices": devices, "presets": rows, "workspace": str(settings(home).home)}
    lines = [f"{name} {number}" for name, number in versions.items()]
    lines += [f"device {device}" for device in devices]
    lines += [
        f"preset {row['preset']}, {row['part']}: "
        + ("here" if row["available"] else f"{row['reason']}. {row['remedy']}")
        for row in rows
    ]
    result(found, as_json, lines)


def _devices() -> list[str]:
    import torch

    devices = [f"cpu ({os.cpu_count()} cores)"]
    devices += [f"cuda:{n} ({torch.cuda.get_device_name(n)})" for n in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return devices


@user.command("add")
@command
def user_add(
    name: Annotated[str, typer.Argument()],
    role: Annotated[str, typer.Option("--role", help="What the new user is.")],
    from_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin.")] = False,
    by: Annotated[
        str, typer.Option("--by", help="password here, or known to a sign-in service (oauth) or to a proxy.")
    ] = "password",
    home: Home = None,
    who: Who = "",
    as_json: AsJson = False,
) -> None:
    """Add a user, or give a new role, way to sign in and password. Their open sign-ins end."""
    one_of(by, WAYS, "--by")
    password: str | None = None
    if by == "password":
        password = (
            sys.stdin.readline().rstrip("\r\n")
            if from_stdin
            else typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        )
    with opened(home) as bench:
        bench.add_user(name, role, password, by=by, actor=actor(who, "administrator"))
    result({"name": name, "role": role, "by": by}, as_json, [f"{name} may sign in as {role} (by {by})."])


@user.command("list")
@command
def user_list(home: Home = None, who: Who = "", as_json: AsJson = False) -> None:
    """Names, roles, and how each signs in."""
    with opened(home) as bench:
        rows = bench.users(actor=actor(who, "administrator"))
    result({"users": rows}, as_json, [f"{row['name']}  {row['role']}  by {row['by']}" for row in rows])


@user.command("remove")
@command
def user_remove(
    name: Annotated[str, typer.Argument()], home: Home = None, who: Who = "", as_json: AsJson = False
) -> None:
    """Remove a user; what they decided stays."""
    with opened(home) as bench:
        bench.remove_user(name, actor=actor(who, "administrator"))
    result({"removed": name}, as_json, [f"{name} may no longer sign in."])
