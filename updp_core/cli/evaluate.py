"""`python -m updp_core evaluate ...`: measure models from scratch."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from updp_core.cli.console import AsJson, Home, command, result, settings
from updp_core.config import RUNS, STARTER
from updp_core.evaluation import archive, arena_report, cards
from updp_core.evaluation import arena as run_arena
from updp_core.evaluation.findings_alone import measure
from updp_core.evaluation.run import evaluate
from updp_core.evaluation.studies import SIDE
from updp_core.evaluation.suites import SUITES, Suite
from updp_core.evaluation.testbed import Models, Testbed, sizes
from updp_core.imageset import HELD_OUT
from updp_core.phantom import clinic

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Measure models from scratch.")


@app.callback()
def _group() -> None:
    """Measure models from scratch."""


def _add(suite: Suite) -> None:
    @app.command(suite.name, help=f"{suite.title}\n\nWhat was finished is kept: a run that was killed goes on.")
    @command
    def run(
        quick: Annotated[bool, typer.Option("--quick", help="Small samples: about 3 minutes on 2 cores.")] = False,
        scale: Annotated[float, typer.Option(help="Size of the full form; 1 is about two hours on 2 cores.")] = 1.0,
        seed: Annotated[int, typer.Option(help="Moves the held-out patients measured, and all that is random.")] = 0,
        population: Annotated[
            Literal["clinical", "enriched"],
            typer.Option(help="Who is attacked: findings as common as on films, or all of them frequent."),
        ] = "clinical",
        stage: Annotated[list[str] | None, typer.Option(help="Only this measure; may be repeated.")] = None,
        models: Annotated[Path, typer.Option(help="Folder with encoder, generator and judges.")] = STARTER,
        out: Annotated[Path | None, typer.Option(help="Where what is slow is kept [default: runs/evaluate].")] = None,
        workers: Annotated[
            int | None, typer.Option(help="Processes that render phantoms [default: one a core].")
        ] = None,
        real: Annotated[
            Path | None, typer.Option(help="Folder of real radiographs (PNG, JPEG), for the autoencoder's figure.")
        ] = None,
        source: Annotated[
            Path | None, typer.Option(help="A file of one's own, for the suites that read one [default: phantoms].")
        ] = None,
        report: Annotated[
            Path | None, typer.Option(help="Folder in which the result is put as JSON and as Markdown.")
        ] = None,
        write: Annotated[
            bool, typer.Option("--write", help="Put the figures beside the models and into their cards.")
        ] = False,
        as_json: AsJson = False,
    ) -> None:
        if write and stage:
            raise typer.BadParameter("Only a run of all measures can be written into the cards.")
        bed = Testbed(
            Models(models),
            out or RUNS / "evaluate",
            sizes(scale, quick, population),
            seed,
            workers or os.cpu_count() or 1,
            lambda line: typer.echo(line, err=True),
            real,
            source,
        )
        found = evaluate(suite, bed, stage or ())
        if write:
            cards.write(found, models)
        if report:
            report.mkdir(parents=True, exist_ok=True)
            (report / f"{suite.name}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
            (report / f"{suite.name}.md").write_text(cards.report(found), encoding="utf-8")
        result(found, as_json, _lines(found))


for _suite in SUITES.values():
    _add(_suite)


@app.command()
@command
def arena(
    source: Annotated[
        Path | None,
        typer.Option(help="An archive in which patients have two studies [default: held-out phantoms of a clinic]."),
    ] = None,
    layout: Annotated[str, typer.Option(help="Of the source, if it is not recognised.")] = "auto",
    quick: Annotated[
        bool, typer.Option("--quick", help="20 patients, 2 points a method: 5 minutes on 2 cores.")
    ] = False,
    scale: Annotated[float, typer.Option(min=0.05, help="Size of the full form; 1 is 320 patients, hours.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Moves the phantoms, and all that is random.")] = 0,
    models: Annotated[Path, typer.Option(help="Folder with encoder, generator and judges.")] = STARTER,
    out: Annotated[Path | None, typer.Option(help="Where images and figures are kept [default: runs/arena].")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that render phantoms [default: one a core].")] = None,
    home: Home = None,
    insight: Annotated[
        bool, typer.Option("--insight", help="Show the result on the page Insight of this workspace.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Every method at several points of its slider, under the same attackers: who hides more, who keeps more.

    Writes arena.json, arena.md, arena.svg and arena.png. What was finished is kept: a run that was killed goes on. Of
    an archive the folder holds images that were made of its studies: keep it as you keep the archive.
    """
    of = run_arena.QUICK if quick else run_arena.size(scale)
    folder = out or RUNS / "arena"
    bed = Testbed(
        Models(models),
        folder,
        replace(sizes(quick=True), couples=of.couples),
        seed,
        workers or os.cpu_count() or 1,
        lambda line: typer.echo(line, err=True),
    )
    films: run_arena.Films
    if source is None:
        films, name = bed.couples, f"couples-{bed.sizes.population}"
    else:
        films = archive.couples(source, layout, of.couples, SIDE)
        name = f"archive-{hashlib.sha256(films.images.tobytes()).hexdigest()[:12]}"
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    form = f"{'--quick' if quick else f'--scale {scale:g}'} --seed {seed}{' --source ARCHIVE' if source else ''}"
    found = run_arena.run(bed, films, of, name) | {"command": f"python -m updp_core evaluate arena {form}"}
    arena_report.finish(found)
    arena_report.write(found, folder)
    if insight:
        arena_report.show(found, settings(home).home)
    result(found, as_json, arena_report.lines(found))


@app.command()
@command
def show(as_json: AsJson = False) -> None:
    """The figures that were measured of the shipped starter models."""
    found = cards.read()
    result(found or {}, as_json, _lines(found) if found else ["Nothing was measured yet."])


@app.command()
@command
def findings_alone(
    source: Annotated[
        Path | None,
        typer.Option(
            help="An archive with patients and reports, or a CSV table with patient_id and finding_labels "
            "[default: held-out phantoms of a clinic]."
        ),
    ] = None,
    layout: Annotated[str, typer.Option(help="Of the source, if it is not recognised.")] = "auto",
    k: Annotated[int, typer.Option(min=2, help="Combinations that fewer patients share are counted as rare.")] = 10,
    quick: Annotated[bool, typer.Option("--quick", help="1,500 phantoms instead of 12,000.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Moves the phantoms, and all that is random.")] = 0,
    as_json: AsJson = False,
) -> None:
    """What findings give away before any image is drawn: who is linked, named and singled out by reports alone."""
    if source is not None:
        found = measure(archive.told(source, layout), k, seed)
    else:
        first = HELD_OUT.start + 10_000 * (seed % 90)
        patients, often = (1_500, 50) if quick else (9_000, 100)
        seeds = range(first, first + patients)
        found = measure(archive.phantoms(seeds), k, seed, archive.phantoms(clinic.frequent(first, often, 30)))
    result(found | {"source": "archive" if source else "phantoms"}, as_json, _told_lines(found))


def _told_lines(found: dict[str, Any]) -> list[str]:
    def said(part: dict[str, Any]) -> str:
        ends = part["interval"] and " ({:.3f} to {:.3f})".format(*part["interval"])
        return "not measured" if part["value"] is None else f"{part['value']:.3f}{ends or ''}"

    link, named, rare = found["link_auc"], found["named"], found["combinations"]
    return [
        f"{found['visits']:,} visits of {found['patients']:,} patients",
        f"Two visits of a patient linked by findings alone (AUC, chance 0.5): {said(link)}"
        + (
            f", {link['patients']:,} patients seen twice"
            if link["value"] is not None
            else ": 20 patients seen twice needed"
        ),
        f"Patient named among {named['patients']} by findings alone (chance {named['chance']}): {said(named)}"
        if named["value"] is not None
        else "Patient named: not measured, it takes 10 patients with 30 visits each",
        f"Combinations of findings: {rare['distinct']:,}; of one patient alone {rare['unique']:,}; of fewer than "
        f"{rare['k']} patients {rare['fewer_than_k']:,}, in {rare['visits_fewer_than_k']:,} visits",
    ]


def _lines(found: dict[str, Any]) -> list[str]:
    table = [
        f"{row['measure']}: {row['value']}"
        + (f" ({row['interval']})" if row["interval"] else "")
        + (f"; chance {row['chance']}" if row["chance"] else "")
        + (f"; bar {row['bar']}, {'missed' if row['missed'] else 'reached'}" if row["bar"] else "")
        + (f"; {row['n']}" if row["n"] else "")
        for row in cards.rows(found)
    ]
    return [*table, cards.how(found), f"Bars missed: {', '.join(found['missed']) or 'none'}."]
