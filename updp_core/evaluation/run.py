"""Run a suite: take its measures one by one, keep what each found, and put the result together."""

from __future__ import annotations

import datetime
import inspect
import json
import math
import os
import platform
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from updp_core import __version__
from updp_core.atomic import write_file
from updp_core.backends.memory import keep_memory
from updp_core.errors import UsageError
from updp_core.evaluation.cards import missed
from updp_core.evaluation.measures import Found, Measure
from updp_core.evaluation.studies import alone, code_digest, key_of, phantom_digest
from updp_core.evaluation.suites import Suite
from updp_core.evaluation.testbed import DRAWING, Testbed


def evaluate(suite: Suite, bed: Testbed, only: Sequence[str] = ()) -> dict[str, Any]:
    """Take the measures of a suite; returns the JSON of the command `evaluate`.

    `only` narrows the run to these measures, of which those on originals need no generator. What is slow is kept in
    the testbed's folder under names that tell models, seed and sizes apart: a run that was cut off goes on.

    Raises UsageError for an unknown measure, Conflict where another run uses the folder, ModelUnavailable where a model
    is missing.
    """
    known = {measure.name: measure for measure in suite.measures}
    if unknown := [name for name in only if name not in known]:
        raise UsageError(f"There is no measure {unknown[0]!r}. Choose from: {', '.join(known)}.")
    keep_memory()
    started, bed = time.process_time(), replace(bed, methods=tuple(suite.methods))
    found: dict[str, tuple[Found, float]] = {}
    with alone(bed.work):
        for name, measure in known.items():
            if not only or name in only:
                found[name] = _taken(measure, bed)
    quick = bed.sizes.scale is None
    result = _figures(found, bed) | {
        "suite": suite.name,
        "seed": bed.seed,
        "source": "own" if bed.source else "phantoms",
        "population": bed.sizes.population,
        "quick": quick,
        "scale": bed.sizes.scale,
        "complete": len(found) == len(known),
        "minutes": round(sum(minutes for _, minutes in found.values()), 1),
        "stage_minutes": {name: round(minutes, 2) for name, (_, minutes) in found.items()},
        "processor_minutes": round((time.process_time() - started) / 60, 1),
    }
    for figure in suite.figures:
        if figure.row.derived and (value := suite.value(result, figure)) is not None:
            _put(result, figure.name, value)
    result["missed"] = missed(result)
    return result


def _taken(measure: Measure, bed: Testbed) -> tuple[Found, float]:
    """What a measure found and the minutes it took; not taken again while all that it depends on is the same."""
    files = ["attackers.py", "measures.py", "statistics.py", "studies.py", "testbed.py"]
    own = Path(inspect.getfile(measure.function)).name
    files += [own] if own not in files else []
    code = code_digest(*(f"evaluation/{file}" for file in files), "backends/judges.py", *DRAWING)
    models = {part: bed.models.digests.get(part) for part in measure.needs}
    generation = asdict(bed.models.preset.generation) if "generator" in measure.needs else None
    key = key_of(
        asdict(bed.sizes),
        bed.seed,
        bed.methods,
        models,
        measure.beside(bed),
        generation,
        bed.lexicon.digest,
        phantom_digest(),
        code,
    )
    file = bed.work / f"measure-{measure.name}-{key}.json"
    if file.is_file():
        kept = json.loads(file.read_text())
        found = Found()
        for name, ends in kept["figures"].items():
            value, low, high = (math.nan if x is None else float(x) for x in ends)
            found.put(name, (value, low, high), kept["chance"].get(name), **kept["n"][name])
        found.needs |= kept.get("needs", {})
        return found, kept["minutes"]
    bed.say(f"measure {measure.name}")
    begun = time.monotonic()
    found = measure.function(bed)
    minutes = (time.monotonic() - begun) / 60
    plain = {k: [None if math.isnan(x) else x for x in v] for k, v in found.figures.items()}
    kept = {"figures": plain, "n": found.n, "chance": found.chance, "needs": found.needs, "minutes": minutes}
    write_file(file, json.dumps(kept).encode())
    for figure, (value, low, high) in found.figures.items():
        bed.say(f"{figure} {value:.4f} ({low:.4f} to {high:.4f})")
    return found, minutes


def _figures(found: dict[str, tuple[Found, float]], bed: Testbed) -> dict[str, Any]:
    """Figures by group and part, with "intervals", "n" and "chance" by "group.part"; null where one could not be
    measured, with what it "needs" where that is known."""
    result: dict[str, Any] = {}
    intervals: dict[str, list[float] | None] = {}
    n: dict[str, dict[str, int]] = {}
    chance: dict[str, float] = {}
    needs: dict[str, str] = {}
    for part, _ in found.values():
        for name, (value, low, high) in part.figures.items():
            known = math.isfinite(value)
            _put(result, name, round(value, 4) if known else None)
            intervals[name] = [round(low, 4), round(high, 4)] if known and math.isfinite(low + high) else None
            n[name] = part.n[name]
        needs |= part.needs
        chance |= {name: round(value, 4) for name, value in part.chance.items()}
    return result | {
        "intervals": intervals,
        "n": n,
        "chance": chance,
        "needs": needs,
        "models": dict(bed.models.digests),
        "phantom": phantom_digest(),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "software": software(),
        "hardware": hardware(),
    }


def software() -> str:
    """The version that measures, with its commit where it runs from a checkout; "+" where that was changed since."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changed = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return __version__
    return f"{__version__} at {commit[:12]}{'+' if changed.stdout.strip() else ''}"


def hardware() -> str:
    """Processor, cores and accelerator of this machine, in words."""
    import torch

    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.is_file() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{name or platform.processor() or platform.machine()}, {os.cpu_count()} cores{gpu}"


def _put(result: dict[str, Any], name: str, value: Any) -> None:
    group, _, part = name.partition(".")
    if part:
        result.setdefault(group, {})[part] = value
    else:
        result[group] = value
