"""Commands for the lexicons: add, remove, show, log, diff, impact, revert."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from updp_core.cli.console import AsJson, Home, RoleOption, Who, actor, command, one_of, opened, result

app = typer.Typer(help="Blacklist and whitelist: show, edit, compare.", no_args_is_help=True)
LISTS = ("blacklist", "whitelist")
ListArgument = Annotated[str, typer.Argument(help="blacklist or whitelist.", metavar="LIST")]
Category = Annotated[str, typer.Argument(help="A category, e.g. names.")]
TermsArgument = Annotated[list[str], typer.Argument(help="One term or more.")]
Author = Annotated[str, typer.Option("--author", help="Who edits.")]
Comment = Annotated[str, typer.Option(help="Why.")]


@app.command()
@command
def add(
    which: ListArgument,
    category: Category,
    terms: TermsArgument,
    author: Author,
    comment: Comment = "",
    role: RoleOption = "privacy-officer",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Add terms; what they forbid becomes void at once."""
    _edit("add", which, category, terms, author, comment, role, home, as_json)


@app.command()
@command
def remove(
    which: ListArgument,
    category: Category,
    terms: TermsArgument,
    author: Author,
    comment: Comment = "",
    role: RoleOption = "privacy-officer",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Remove terms."""
    _edit("remove", which, category, terms, author, comment, role, home, as_json)


def _edit(
    verb: str,
    which: str,
    category: str,
    terms: list[str],
    author: str,
    comment: str,
    role: str,
    home: Any,
    as_json: bool,
) -> None:
    one_of(which, LISTS, "LIST")
    change = {verb: {which: {category: terms}}}
    with opened(home) as bench:
        outcome = bench.lexicon_edit(
            add=change.get("add"), remove=change.get("remove"), comment=comment, actor=actor(author, role)
        )
    result(outcome, as_json, _told(outcome))


def _told(outcome: dict[str, Any]) -> list[str]:
    impact = outcome["impact"]
    return [
        f"Lexicon version {outcome['version']}. Void: {impact['pending']} pending, {impact['approved']} approved, "
        f"{impact['other']} other; {impact['released']} of them had been released."
    ]


@app.command()
@command
def impact(
    verb: Annotated[str, typer.Argument(help="add or remove.")],
    which: ListArgument,
    category: Category,
    terms: TermsArgument,
    pieces: Annotated[bool, typer.Option("--pieces", help="Tell which word pieces of the encoder it masks.")] = False,
    role: RoleOption = "privacy-officer",
    who: Who = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """What an edit would do, without saving it."""
    one_of(verb, ("add", "remove"), "VERB")
    one_of(which, LISTS, "LIST")
    change = {verb: {which: {category: terms}}}
    with opened(home) as bench:
        add, remove, person = change.get("add"), change.get("remove"), actor(who, role)
        found: dict[str, Any] = dict(bench.lexicon_impact(add=add, remove=remove, actor=person))
        told = bench.lexicon_pieces(add=add, remove=remove, actor=person) if pieces else None
    lines = [f"Would void: {found['pending']} pending, {found['approved']} approved, {found['other']} other."]
    lines += [f"{where['record']} ({where['state']}): {', '.join(where['terms'])}" for where in found["where"]]
    if told:
        found["pieces"] = told
        lines += [f"{told['encoder']}: {told['masked']} pieces masked, {told['freed']} free again."]
        lines += [f"{row['term']}: {' '.join(p['text'] for p in row['masked']) or 'none'}" for row in told["terms"]]
    result(found, as_json, lines)


@app.command()
@command
def show(
    version: Annotated[int | None, typer.Option(help="An older version.")] = None,
    role: RoleOption = "privacy-officer",
    who: Who = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Every term of both lists, by category."""
    with opened(home) as bench:
        me = actor(who, role)
        view = bench.lexicon_current(actor=me) if version is None else bench.lexicon_show(version, actor=me)
    lines = [f"Version {view['version']}, {view['created_at']}, {view['author']}: {view['comment']}"]
    for name, lists in (("blacklist", view["blacklist"]), ("whitelist", view["whitelist"])):
        lines += [f"{name}/{category}: {', '.join(terms)}" for category, terms in lists.items()]
    result(dict(view), as_json, lines)


@app.command()
@command
def log(role: RoleOption = "privacy-officer", who: Who = "", home: Home = None, as_json: AsJson = False) -> None:
    """All versions, newest first."""
    with opened(home) as bench:
        rows = bench.lexicon_log(actor=actor(who, role))
    lines = [
        f"{r['version']}  {r['created_at']}  {r['author']} ({r['role']})  +{r['added']} -{r['removed']}  {r['comment']}"
        for r in rows
    ]
    result({"versions": rows}, as_json, lines)


@app.command()
@command
def diff(
    a: Annotated[int, typer.Argument(help="The older version.")],
    b: Annotated[int, typer.Argument(help="The newer version.")],
    role: RoleOption = "privacy-officer",
    who: Who = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """What version B has more and less than version A."""
    with opened(home) as bench:
        found = bench.lexicon_diff(a, b, actor=actor(who, role))
    parts = (("+", found["added"]), ("-", found["removed"]))
    lines = [
        f"{sign} {name}/{category}: {', '.join(terms)}"
        for sign, lists in parts
        for name, categories in lists.items()
        for category, terms in categories.items()
    ]
    result(dict(found), as_json, lines or ["No difference."])


@app.command()
@command
def revert(
    version: Annotated[int, typer.Argument(help="The version whose content to take up again.")],
    author: Author,
    comment: Comment = "",
    role: RoleOption = "privacy-officer",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Save a new version with the content of an older one."""
    with opened(home) as bench:
        outcome = bench.lexicon_revert(version, comment=comment, actor=actor(author, role))
    result(outcome, as_json, _told(outcome))
