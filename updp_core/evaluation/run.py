"""The starter suite: the shipped models' promises, measured again from scratch on held-out phantom patients.

Every figure comes with what it was measured on and a 95% interval. The stages are in `stages`; this module runs them
one by one, keeps what each found, and puts the result together.
"""

from __future__ import annotations

import datetime
import json
import math
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from updp_core.config import RUNS, STARTER
from updp_core.errors import Conflict, UsageError
from updp_core.evaluation.cards import missed
from updp_core.evaluation.stages import STAGES, Bench, Found, Sizes, digests, sizes
from updp_core.evaluation.studies import Say, code_digest, key_of, phantom_digest, write_whole
from updp_core.phantom.patient import PopulationName


def evaluate_starter(
    quick: bool = False,
    seed: int = 0,
    scale: float = 1.0,
    population: PopulationName = "clinical",
    stages: Sequence[str] = (),
    out: Path | None = None,
    models: Path = STARTER,
    how_much: Sizes | None = None,
    workers: int | None = None,
    say: Say = print,
    real: Path | None = None,
) -> dict[str, Any]:
    """Measure the starter models in the folder `models`; returns the JSON of the command `evaluate starter`.

    `scale` is the size of the full form, 1 being about two hours of 2 cores. `population` is whom the attackers look
    for. `stages` narrows the run to these, of which those on originals need no generator. `out` keeps what is slow to
    make, under names that tell models, seed and sizes apart (default: runs/evaluate): a run that was cut off goes on.
    `seed` moves the patients measured within the held-out range, and all that is random. `workers` processes render
    phantoms (default: one a core). `real` is a folder of real radiographs (PNG, JPEG) for the
    one figure that needs some.

    Raises UsageError for an unknown stage, Conflict where another run uses `out`, ModelUnavailable where a model is
    missing.
    """
    from updp_core.backends.memory import keep_memory

    if unknown := [name for name in stages if name not in STAGES]:
        raise UsageError(f"There is no stage {unknown[0]!r}. Choose from: {', '.join(STAGES)}.")
    if not 0 < scale <= 100:
        raise UsageError("The scale must lie above 0; 1 is the full form.")
    keep_memory()
    started, work = time.process_time(), out or RUNS / "evaluate"
    how_much = how_much or sizes(scale, quick, population)
    bench = Bench(models, work, how_much, seed, workers or os.cpu_count() or 1, say, real)
    found: dict[str, tuple[Found, float]] = {}
    with alone(work):
        for name in [name for name in STAGES if not stages or name in stages]:
            found[name] = _stage(name, bench)
    result = _result(found, bench)
    result |= {
        "seed": seed,
        "population": bench.sizes.population,
        "quick": quick,
        "scale": None if quick else scale,
        "complete": len(found) == len(STAGES),
        "minutes": round(sum(minutes for _, minutes in found.values()), 1),
        "stage_minutes": {name: round(minutes, 2) for name, (_, minutes) in found.items()},
        "processor_minutes": round((time.process_time() - started) / 60, 1),
    }
    result["missed"] = missed(result)
    return result


@contextmanager
def alone(work: Path) -> Iterator[None]:
    """Hold the folder `work`, so that two runs never write the same files. Raises Conflict where one does."""
    import fcntl

    work.mkdir(parents=True, exist_ok=True)
    with (work / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Conflict("Another evaluation is using this folder. Wait for it, or choose another folder.") from None
        yield


def _stage(name: str, bench: Bench) -> tuple[Found, float]:
    """What a stage found and the minutes it took; not run again while all that it depends on is the same."""
    stage = STAGES[name]
    code = code_digest(
        "evaluation/stages.py", "evaluation/attackers.py", "evaluation/statistics.py", "evaluation/studies.py"
    )
    models = {part: bench.digests.get(part) for part in stage.needs}
    generation = asdict(_preset(bench).generation) if "generator" in stage.needs else None
    real = [file.name for file in sorted(bench.real.iterdir())] if bench.real and name == "autoencoder" else []
    key = key_of(
        asdict(bench.sizes), bench.seed, models, real, generation, bench.lexicon.digest, phantom_digest(), code
    )
    file = bench.work / f"stage-{name}-{key}.json"
    if file.is_file():
        kept = json.loads(file.read_text())
        found = Found()
        for name, ends in kept["figures"].items():
            value, low, high = (math.nan if x is None else float(x) for x in ends)
            found.put(name, (value, low, high), **kept["n"][name])
        return found, kept["minutes"]
    bench.say(f"stage {name}")
    begun = time.monotonic()
    found = stage.run(bench)
    minutes = (time.monotonic() - begun) / 60
    plain = {k: [None if math.isnan(x) else x for x in v] for k, v in found.figures.items()}
    write_whole(file, json.dumps({"figures": plain, "n": found.n, "minutes": minutes}))
    for figure, (value, low, high) in found.figures.items():
        bench.say(f"{figure} {value:.4f} ({low:.4f} to {high:.4f})")
    return found, minutes


def _preset(bench: Bench) -> Any:
    from updp_core.backends.presets import resolve

    return resolve(bench.settings)


def _result(found: dict[str, tuple[Found, float]], bench: Bench) -> dict[str, Any]:
    """Figures by group and part, with "intervals" and "n" by "group.part"; null where one could not be measured."""
    result: dict[str, Any] = {}
    intervals: dict[str, list[float] | None] = {}
    n: dict[str, dict[str, int]] = {}
    for part, _ in found.values():
        for name, (value, low, high) in part.figures.items():
            known = math.isfinite(value)
            group, _, inner = name.partition(".")
            shown = round(value, 4) if known else None
            intervals[name] = [round(low, 4), round(high, 4)] if known and math.isfinite(low + high) else None
            n[name] = part.n[name]
            if inner:
                result.setdefault(group, {})[inner] = shown
            else:
                result[group] = shown
    size = sum(file.stat().st_size for file in bench.models.rglob("*") if file.is_file())
    result["weights_mib"] = round(size / 2**20, 2)
    scores = result.get("prompt_score")
    if scores:
        order = [scores[name] for name in ("random", "random_updp", "raw_report", "raw_report_updp")]
        result["prompt_score_order_holds"] = None not in order and order == sorted(set(order))
    return result | {
        "intervals": intervals,
        "n": n,
        "models": digests(bench.models),
        "phantom": phantom_digest(),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
    }
