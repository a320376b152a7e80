"""Seconds per pair with the starter preset on this machine's CPU, and memory while 500 pairs are made.

For the memory the models run few steps: what is held per pair does not depend on their number.
"""

from __future__ import annotations

import argparse
import gc
import time
from dataclasses import replace
from typing import Any

PAIRS_TIMED = 16
PAIRS_IN_MEMORY = 500
BATCH = 16


def records(count: int, first_seed: int = 300) -> list[Any]:
    """Phantom studies as a method sees them, reports filtered as the product filters them."""
    from updp_core.domain import MethodInput
    from updp_core.lexicon import load_lexicon
    from updp_core.phantom import render, sample_patient, sample_visit, write_report
    from updp_core.report import filter_report

    lexicon = load_lexicon()
    visits = [sample_visit(sample_patient(first_seed + n), n) for n in range(count)]
    reports = [write_report(visit, n).text for n, visit in enumerate(visits)]
    return [
        MethodInput(f"r{n}", image, report, filter_report(report, lexicon).text)
        for n, (image, report) in enumerate(zip(render(visits, 256), reports, strict=True))
    ]


def time_pairs(count: int = PAIRS_TIMED) -> dict[str, float]:
    """Seconds per pair for the prompt and for the image, default settings, after a warm-up of one pair."""
    from updp_core.config import Settings
    from updp_core.lexicon import load_lexicon
    from updp_core.methods import make_method

    method = make_method("updp", Settings(device="cpu"), load_lexicon())
    studies = records(count)
    list(method.propose(studies[:1], seeds=[0]))
    started = time.perf_counter()
    prompts_done = started
    for step in method.propose(studies, seeds=range(count)):
        if step.stage == "prompt":
            prompts_done = time.perf_counter()
    ended = time.perf_counter()
    return {"prompt_s": (prompts_done - started) / count, "image_s": (ended - prompts_done) / count}


def memory_of_pairs(count: int = PAIRS_IN_MEMORY) -> list[tuple[int, float]]:
    """(pairs made, resident MiB) at ten points on the way to `count` pairs; image by image the proposals are let go."""
    import psutil

    from updp_core.backends.presets import PRESETS
    from updp_core.config import Settings
    from updp_core.lexicon import load_lexicon
    from updp_core.methods import make_method

    preset = PRESETS["starter"]
    prompt, image = replace(preset.prompt, steps=2, projections=1), replace(preset.generation, steps=1)
    method = make_method("updp", Settings(device="cpu"), load_lexicon(), {"prompt": prompt, "generation": image})
    studies = records(BATCH)
    process, marks = psutil.Process(), []
    for done in range(0, count, BATCH):
        for _ in method.propose(studies, seeds=range(done, done + BATCH)):
            pass
        if done == 0 or (done + BATCH) * 10 // count > done * 10 // count:
            gc.collect()
            marks.append((done + BATCH, process.memory_info().rss / 2**20))
    return marks


def main(count: int = PAIRS_IN_MEMORY) -> dict[str, Any]:
    """Print both."""
    import torch

    seconds = time_pairs()
    total = sum(seconds.values())
    print(f"starter preset, CPU, {torch.get_num_threads()} threads, {PAIRS_TIMED} pairs in one call")
    print(f"seconds per pair: {total:.2f} (prompt {seconds['prompt_s']:.2f}, image {seconds['image_s']:.2f})")
    marks = memory_of_pairs(count)
    print("resident memory (MiB) by pairs made: " + ", ".join(f"{n}: {mib:.0f}" for n, mib in marks))
    return {**seconds, "memory": marks}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=PAIRS_IN_MEMORY)
    main(parser.parse_args().pairs)
