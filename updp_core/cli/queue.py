"""Commands to see the queue: list with every filter, saved views, and how far the work is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from updp_core.cli.console import AsJson, Home, RoleOption, Who, actor, command, one_of, opened, result
from updp_core.domain import Actor, GateState, Sort, State
from updp_core.errors import UsageError

if TYPE_CHECKING:
    from updp_core.workbench import Workbench
    from updp_core.workbench.shapes import SavedView

FLAGGED = ("any", "radiologist", "privacy-officer")


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command("list")(list_)
    app.command()(views)
    app.command()(progress)


@command
def list_(
    state: Annotated[str | None, typer.Option(help=f"One of: {', '.join(get_args(State))}.")] = None,
    sort: Annotated[str | None, typer.Option(help=f"One of: {', '.join(get_args(Sort))} [default: imported].")] = None,
    text: Annotated[str | None, typer.Option(help="Words of prompt, filtered report or pseudonyms.")] = None,
    flagged: Annotated[str | None, typer.Option(help=f"With an open flag for: {', '.join(FLAGGED)}.")] = None,
    gate: Annotated[str | None, typer.Option(help="A gate; needs --gate-state.")] = None,
    gate_state: Annotated[
        str | None, typer.Option(help=f"Of the gate, or of the worst: {', '.join(get_args(GateState))}.")
    ] = None,
    finding: Annotated[
        str | None, typer.Option(help="A finding that the report states, e.g. pleural_effusion.")
    ] = None,
    method: Annotated[str | None, typer.Option(help="The method of the current candidate.")] = None,
    lexicon_version: Annotated[int | None, typer.Option(help="The lexicon that it was made under.")] = None,
    reviewer: Annotated[str | None, typer.Option(help="Who gave the last verdict.")] = None,
    patient: Annotated[str | None, typer.Option(help="A patient's pseudonym.")] = None,
    second_reading: Annotated[bool, typer.Option("--second-reading", help="Blind second readings of --actor.")] = False,
    view: Annotated[str | None, typer.Option(help="A saved view; other options narrow it further.")] = None,
    save: Annotated[str | None, typer.Option(help="Save these filters and this order as a view.")] = None,
    shared: Annotated[bool, typer.Option("--shared", help="With --save: for everybody.")] = False,
    offset: Annotated[int, typer.Option(min=0)] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many [default: all].")] = None,
    home: Home = None,
    role: RoleOption = "privacy-officer",
    who: Who = "",
    as_json: AsJson = False,
) -> None:
    """List records and how they stand."""
    one_of(state, get_args(State), "--state")
    one_of(sort, get_args(Sort), "--sort")
    one_of(flagged, FLAGGED, "--flagged")
    one_of(gate_state, get_args(GateState), "--gate-state")
    from updp_core.workbench import Filters  # brings SQLModel

    given = {
        "state": state,
        "text": text,
        "flagged": flagged,
        "gate": gate,
        "gate_state": gate_state,
        "finding": finding,
        "method": method,
        "lexicon_version": lexicon_version,
        "reviewer": reviewer,
        "patient": patient,
        "second_reading": second_reading,
    }
    records: list[dict[str, Any]] = []
    with opened(home) as bench:
        me = actor(who, role)
        saved: Any = _view(bench, me, view) if view else {"filters": {}, "sort": "imported"}
        filters = Filters(**{**saved["filters"], **{name: value for name, value in given.items() if value}})
        order = cast(Sort, sort or saved["sort"])
        if save:
            bench.save_view(save, filters=filters, sort=order, shared=shared, actor=me)
        while True:
            want = 500 if limit is None else min(500, limit - len(records))
            page = bench.page(filters=filters, sort=order, offset=offset + len(records), limit=want, actor=me)
            records += [dict(card) for card in page["records"]]
            if len(page["records"]) < want or (limit is not None and len(records) >= limit):
                break
    lines = [
        f"{r['record']}  {r['state']:<9} {r['patient']}  {r['view']}  {r['method'] or '-'}"
        + (f"  flagged for {r['flagged_for']}" if r["flagged_for"] else "")
        for r in records
    ]
    result({"records": records, "total": page["total"]}, as_json, [*lines, f"{page['total']} in all."])


def _view(bench: Workbench, me: Actor, name: str) -> SavedView:
    """One's own view of this name before another person's."""
    found = [view for view in bench.views(actor=me) if view["name"] == name]
    if not found:
        raise UsageError(f"There is no saved view {name!r}. `views` lists them.")
    return min(found, key=lambda view: view["owner"] != me.name)


@command
def views(
    delete: Annotated[str | None, typer.Option(help="Delete one's own view of this name.")] = None,
    home: Home = None,
    role: RoleOption = "privacy-officer",
    who: Who = "",
    as_json: AsJson = False,
) -> None:
    """Saved views: one's own and the shared ones. `list --save NAME` makes one, `list --view NAME` uses one."""
    with opened(home) as bench:
        me = actor(who, role)
        if delete:
            bench.delete_view(delete, actor=me)
        rows = bench.views(actor=me)
    lines = [
        f"{row['name']}  {row['owner']}{' (shared)' if row['shared'] else ''}  {row['sort']}  {row['filters']}"
        for row in rows
    ]
    result({"views": rows}, as_json, lines or ["No saved view."])


@command
def progress(home: Home = None, role: RoleOption = "privacy-officer", who: Who = "", as_json: AsJson = False) -> None:
    """How far the work is: states, gates, people, what is left, and how far two readers agree."""
    with opened(home) as bench:
        me = actor(who, role)
        found: dict[str, Any] = {**bench.counts(actor=me), "agreement": bench.insight(actor=me)["agreement"]}
    eta = f", about {found['minutes_left']:.0f} minutes" if found["minutes_left"] is not None else ""
    kappa = found["agreement"]["kappa"]
    lines = [
        ", ".join(f"{n} {state}" for state, n in found["states"].items() if n),
        f"{found['left']} of {found['total']} left{eta}; {found['flagged']} flagged; {found['released']} released",
        *[f"{name}: {n} today" for name, n in found["today"].items()],
        f"{found['agreement']['pairs']} read twice, {found['agreement']['agree']} alike"
        + (f", Cohen's kappa {kappa:.2f}" if kappa is not None else ""),
    ]
    result(found, as_json, lines)
