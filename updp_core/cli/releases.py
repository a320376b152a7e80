"""Commands for what leaves and for answering for it: release, verify, key, audit, policy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from updp_core.cli.console import AsJson, Home, RoleOption, Who, actor, command, follow, opened, pairs, result, settings
from updp_core.errors import UsageError

if TYPE_CHECKING:
    from updp_core.workbench.shapes import KeyRing

MOST_KEY = 16 * 2**10
audit = typer.Typer(help="The audit trail.", no_args_is_help=True)
policy = typer.Typer(help="What a release takes.", no_args_is_help=True)
key = typer.Typer(help="The key that signs releases, and keys that are trusted.", no_args_is_help=True)

UNSIGNED = "Not signed: this workspace has no key. Make one: python -m updp_core key new --officer NAME"


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command()(release)
    app.command()(stow)
    app.command()(verify)
    app.add_typer(key, name="key")
    app.add_typer(audit, name="audit")
    app.add_typer(policy, name="policy")


@command
def release(
    out: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="A new folder.")],
    officer: Annotated[str, typer.Option("--officer", help="Who answers for it.")],
    comment: Annotated[str, typer.Option(help="What it is for.")] = "",
    stow: Annotated[str | None, typer.Option(metavar="URL", help="Store it on this DICOMweb server too.")] = None,
    role: RoleOption = "privacy-officer",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Write the approved pairs to a new folder, all or nothing."""
    with opened(home) as bench:
        outcome = follow(bench.release(out, comment=comment, actor=actor(officer, role)))
        if stow:
            outcome |= follow(bench.stow(out, stow, actor=actor(officer, role)))
    lines = [
        f"{outcome['released']} pairs of {outcome['patients']} patients released to {outcome['folder']}.",
        f"root digest {outcome['root_digest']}",
        f"signed with the key {outcome['signed_by']}" if outcome["signed_by"] else UNSIGNED,
        *([f"{outcome['sent']} objects stored on {outcome['host']}."] if stow else []),
    ]
    result(outcome, as_json, lines)


@command
def stow(
    out: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="A release folder of this workspace.")],
    address: Annotated[str, typer.Argument(metavar="URL", help="The server's DICOMweb root.")],
    officer: Annotated[str, typer.Option("--officer", help="Who answers for it.")],
    role: RoleOption = "privacy-officer",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Store a release's DICOM objects on a DICOMweb server. UPDP_DICOMWEB_AUTH holds name:password, if it wants one."""
    with opened(home) as bench:
        outcome = follow(bench.stow(out, address, actor=actor(officer, role)))
    result(outcome, as_json, [f"{outcome['sent']} objects stored on {outcome['host']}."])


@command
def verify(
    out: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="A release folder.")],
    root: Annotated[str | None, typer.Option(help="The root digest that was printed at release.")] = None,
    public: Annotated[
        Path | None, typer.Option("--key", metavar="PUB", help="The public key (PEM) that must have signed it.")
    ] = None,
    home: Home = None,
    who: Who = "",
    as_json: AsJson = False,
) -> None:
    """Check a release folder to the byte; needs no workspace. Exit code 1 where it does not hold."""
    found: dict[str, Any]
    pem = _pem(public) if public else ""
    if root is None and settings(home).begun:
        with opened(home) as bench:
            found = bench.verify(out, actor=actor(who, "privacy-officer"), anywhere=True, key=pem)
    else:
        from updp_core.workbench.releases import checked

        found = checked(out, root=root, key=pem)
    lines = found["problems"] or ["The release is whole and unchanged."]
    result(found, as_json, [*lines, found["signature"]] if found["ok"] or found["signed_by"] else lines)
    if not found["ok"]:
        typer.echo(f"Error: the release does not verify ({len(found['problems'])} problems).", err=True)
        raise typer.Exit(1)


def _pem(file: Path) -> str:
    """A public key's file. Raises UsageError where it cannot be read or is too large for one."""
    try:
        with open(file, "rb") as opened_file:
            return opened_file.read(MOST_KEY).decode("ascii", "replace")
    except OSError as error:
        raise UsageError(f"The key file cannot be read ({error.strerror}).") from None


@key.command("new")
@command
def key_new(
    officer: Annotated[str, typer.Option("--officer", help="Who makes it.")],
    replace: Annotated[bool, typer.Option("--replace", help="Destroy the key that signs now.")] = False,
    role: RoleOption = "privacy-officer",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make the key that signs this workspace's releases from now on."""
    with opened(home) as bench:
        found = bench.key_new(replace=replace, actor=actor(officer, role))
    result(dict(found), as_json, _ring(found))


@key.command("show")
@command
def key_show(role: RoleOption = "observer", who: Who = "", home: Home = None, as_json: AsJson = False) -> None:
    """The public key of this workspace with its fingerprint, and whose keys are trusted."""
    with opened(home) as bench:
        found = bench.keys(actor=actor(who, role))
    result(dict(found), as_json, _ring(found))


@key.command("trust")
@command
def key_trust(
    file: Annotated[Path, typer.Argument(metavar="PUB", help="A public key (PEM), such as a release holds.")],
    name: Annotated[str, typer.Option(help="Whose it is.")],
    officer: Annotated[str, typer.Option("--officer", help="Who has compared its fingerprint with the owner's.")],
    role: RoleOption = "privacy-officer",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Trust a sender's public key: `verify` then says who signed."""
    with opened(home) as bench:
        found = bench.key_trust(_pem(file), name, actor=actor(officer, role))
    result(dict(found), as_json, _ring(found))


def _ring(found: KeyRing) -> list[str]:
    own = f"fingerprint {found['fingerprint']}\n{found['public_key'].strip()}" if found["fingerprint"] else UNSIGNED
    return [own, *(f"trusted: {row['fingerprint']}  {row['name']}  since {row['since']}" for row in found["trusted"])]


@audit.command("verify")
@command
def audit_verify(
    role: RoleOption = "privacy-officer", who: Who = "", home: Home = None, as_json: AsJson = False
) -> None:
    """Recompute the chain and hold every decision, candidate and lexicon version to it."""
    with opened(home) as bench:
        found = bench.audit_verify(actor=actor(who, role))
    lines = found["problems"] or [f"{found['events']} events hold. Head: {found['head']}"]
    lines = [*lines, *found["remarks"]]
    result(dict(found), as_json, lines)
    if not found["ok"]:
        typer.echo(f"Error: the audit trail does not hold ({len(found['problems'])} problems).", err=True)
        raise typer.Exit(1)


KindOption = Annotated[str | None, typer.Option(help="One kind of event, such as verdicts; any other word lists them.")]
ByOption = Annotated[str | None, typer.Option(help="Only what this person did.")]
SinceOption = Annotated[str | None, typer.Option(metavar="DAY", help="From this day on, 2026-01-31 (UTC).")]
UntilOption = Annotated[str | None, typer.Option(metavar="DAY", help="Up to this day.")]


@audit.command("log")
@command
def audit_log(
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    offset: Annotated[int, typer.Option(min=0)] = 0,
    verb: Annotated[str | None, typer.Option(help="Only this verb.")] = None,
    kind: KindOption = None,
    by: ByOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    role: RoleOption = "privacy-officer",
    who: Who = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """The newest events."""
    asked: Any = {"verb": verb, "kind": kind, "who": by, "since": since, "until": until}
    with opened(home) as bench:
        page = bench.audit(offset=offset, limit=limit, **asked, actor=actor(who, role))
    lines = [f"{e['event']}  {e['at']}  {e['actor']} ({e['role']})  {e['verb']} {e['subject']}" for e in page["events"]]
    result(dict(page), as_json, lines)


@audit.command("export")
@command
def audit_export(
    out: Annotated[Path, typer.Argument(help="A new file: .csv, or .jsonl for one JSON object a line.")],
    kind: KindOption = None,
    by: ByOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    role: RoleOption = "privacy-officer",
    who: Who = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """The trail as a file, with what the role may see."""
    asked: Any = {"kind": kind, "who": by, "since": since, "until": until}
    with opened(home) as bench:
        lines = bench.audit_export(out.suffix.lstrip("."), **asked, actor=actor(who, role))
        try:
            with open(out, "x", encoding="utf-8", newline="") as file:
                file.writelines(lines)
        except FileExistsError:
            raise UsageError(f"{out.name} is there already: choose another name.") from None
    result({"file": str(out)}, as_json, [f"Written: {out}"])


@policy.command("show")
@command
def policy_show(
    role: RoleOption = "privacy-officer", who: Who = "", home: Home = None, as_json: AsJson = False
) -> None:
    """What is in force."""
    with opened(home) as bench:
        found = dict(bench.policy(actor=actor(who, role)))
    result(found, as_json, [f"{name}: {value}" for name, value in found.items()])


@policy.command("levels")
@command
def policy_levels(
    k: Annotated[int | None, typer.Option(min=2, help="Patients who share a combination [default: policy].")] = None,
    role: RoleOption = "privacy-officer",
    who: Who = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """What each privacy level would keep, change and give away, from the workspace's reports alone."""
    with opened(home) as bench:
        found = bench.privacy_preview(k=k, actor=actor(who, role))
    lines = [f"{found['records']} records assert {found['findings']} findings; level 1 asks for {found['k']} patients"]
    for row in found["levels"]:
        link = row["link"]
        auc = "not measured" if link["value"] is None else f"AUC {link['value']:.3f} of {link['patients']} patients"
        lines.append(
            f"level {row['level']}: {row['kept']} findings told, {row['affected']} pairs told less of; {row['unique']} "
            f"combinations of one patient, {row['fewer_than_k']} of fewer than {found['k']}; findings alone link: {auc}"
        )
    result(dict(found), as_json, lines)


@policy.command("set")
@command
def policy_set(
    changes: Annotated[list[str], typer.Argument(metavar="KEY=VALUE...", help="E.g. verdicts=2.")],
    officer: Annotated[str, typer.Option("--officer", help="Who sets it.")],
    comment: Annotated[str, typer.Option(help="Why.")] = "",
    role: RoleOption = "privacy-officer",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Change the policy; records' states follow at once."""
    with opened(home) as bench:
        found = dict(bench.set_policy(pairs(changes, "KEY=VALUE"), comment=comment, actor=actor(officer, role)))
    result(found, as_json, [f"{name}: {value}" for name, value in found.items()])
