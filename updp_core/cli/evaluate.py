"""`python -m updp_core evaluate ...`: measure models from scratch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from updp_core.cli.console import AsJson, command, result
from updp_core.config import STARTER

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Measure models from scratch.")


@app.callback()
def _group() -> None:
    """Measure models from scratch."""


@app.command()
@command
def starter(
    quick: Annotated[bool, typer.Option("--quick", help="Small samples: about 3 minutes on 2 cores.")] = False,
    scale: Annotated[float, typer.Option(help="Size of the full form; 1 is about two hours on 2 cores.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Moves the held-out patients measured, and all that is random.")] = 0,
    population: Annotated[
        Literal["clinical", "enriched"],
        typer.Option(help="Who is attacked: findings as common as on films, or all of them frequent."),
    ] = "clinical",
    stage: Annotated[list[str] | None, typer.Option(help="Only this stage; may be repeated.")] = None,
    models: Annotated[Path, typer.Option(help="Folder with encoder, generator and judges.")] = STARTER,
    out: Annotated[Path | None, typer.Option(help="Where what is slow is kept [default: runs/evaluate].")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that render phantoms [default: one a core].")] = None,
    real: Annotated[
        Path | None, typer.Option(help="Folder of real radiographs (PNG, JPEG), for the autoencoder's figure.")
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Put the figures beside the models and into their cards.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """The starter models against their bars, on phantom patients that no model was trained on.

    What was finished is kept, so a run that was killed goes on when it is started again.
    """
    from updp_core.evaluation import cards
    from updp_core.evaluation.run import evaluate_starter

    if write and stage:
        raise typer.BadParameter("Only a run of all stages can be written into the cards.")
    found = evaluate_starter(
        quick,
        seed,
        scale,
        population,
        stage or (),
        out,
        models,
        workers=workers,
        say=lambda line: typer.echo(line, err=True),
        real=real,
    )
    if write:
        cards.write(found, models)
    result(found, as_json, _lines(found))


@app.command()
@command
def show(as_json: AsJson = False) -> None:
    """The figures that were measured of the shipped starter models."""
    from updp_core.evaluation import cards

    found = cards.read()
    result(found or {}, as_json, _lines(found) if found else ["Nothing was measured yet."])


def _lines(found: dict[str, Any]) -> list[str]:
    from updp_core.evaluation.cards import how, rows

    table = [
        f"{row['measure']}: {row['value']}"
        + (f" ({row['interval']})" if row["interval"] else "")
        + (f"; bar {row['bar']}, {'missed' if row['missed'] else 'reached'}" if row["bar"] else "")
        + (f"; {row['n']}" if row["n"] else "")
        for row in rows(found)
    ]
    return [*table, how(found), f"Bars missed: {', '.join(found['missed']) or 'none'}."]
