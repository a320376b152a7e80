"""`python -m updp_core evaluate ...`: measure models from scratch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from updp_core.cli.console import AsJson, command, result

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Measure models from scratch.")


@app.callback()
def _group() -> None:
    """Measure models from scratch."""


@app.command()
@command
def starter(
    quick: Annotated[bool, typer.Option("--quick", help="Smaller samples: about 3 minutes on 2 cores.")] = False,
    seed: Annotated[int, typer.Option(help="Moves the held-out patients measured, and all that is random.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Where images in between are kept [default: runs/...].")] = None,
    as_json: AsJson = False,
) -> None:
    """The starter models against their bars, on phantom patients that no model was trained on."""
    from updp_core.evidence.suite import evaluate_starter

    found = evaluate_starter(quick, seed, out, say=lambda line: typer.echo(line, err=True))
    missed = ", ".join(found["missed"]) or "none"
    result(
        found, as_json, [f"{k} {v}" for k, v in found.items() if k not in ("intervals",)] + [f"Bars missed: {missed}."]
    )
