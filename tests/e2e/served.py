"""A running app for browser tests: its own process, its own workspace, tiny models in the real formats."""

from __future__ import annotations

import csv
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
REPORTS = (
    "EXAM: Chest PA on 03/14/2019. Patient: John Smith. FINDINGS: The heart is enlarged. There is a small left pleural "
    "effusion. No pneumothorax. IMPRESSION: Cardiomegaly with left effusion. Dictated by Dr. Mary Hill.",
    "FINDINGS: The lungs are clear. Heart size is normal. No consolidation. IMPRESSION: No acute disease.",
    "FINDINGS: There is a nodule in the right upper lobe. Mild scoliosis. IMPRESSION: Right nodule, no effusion.",
)


def write_studies(folder: Path, number: int) -> Path:
    """`number` computed pictures with three reports in turn, as a CSV manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[0:1:160j, 0:1:160j]
    with open(folder / "manifest.csv", "w", newline="", encoding="utf-8") as out:
        table = csv.DictWriter(out, ["file", "patient_id", "study_id", "view", "report_text"])
        table.writeheader()
        for i in range(number):
            noise = np.random.default_rng(i).normal(0, 0.02, x.shape)
            lungs = sum(np.exp(-(((x - c) / 0.14) ** 2 + ((y - 0.45) / 0.3) ** 2)) for c in (0.3, 0.7))
            body = np.clip(0.85 - 0.65 * lungs + noise, 0, 1)
            Image.fromarray((body * 65535).astype(np.uint16)).save(folder / f"{i:03}.png")
            row = {"file": f"{i:03}.png", "patient_id": f"77{i:05}", "study_id": f"s{i}", "view": "PA"}
            table.writerow({**row, "report_text": REPORTS[i % len(REPORTS)]})
    return folder / "manifest.csv"


def write_models(folder: Path) -> dict[str, str]:
    """Tiny models, and the variables that make them the app's."""
    from tests.tiny_models import write_bert_clip_folder, write_diffusion_folder

    encoder, generator = folder / "encoder", folder / "generator"
    write_bert_clip_folder(encoder)
    write_diffusion_folder(generator)
    return {"UPDP_PRESET": "custom", "UPDP_ENCODER": str(encoder), "UPDP_GENERATOR": str(generator)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serve(home: Path, sample: Path, **env: str) -> Iterator[str]:
    """The app's address while it runs; its log is shown where it does not come up."""
    port = free_port()
    values = {"UPDP_HOME": str(home), "UPDP_PORT": str(port), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **env}
    code = f"import app, pathlib; app.main(sample=pathlib.Path({str(sample)!r}))"
    log = home.parent / f"{home.name}.log"
    with open(log, "w", encoding="utf-8") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, **values}, stdout=out, stderr=subprocess.STDOUT
        )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 240
        while not _answers(address):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The app did not come up:\n{log.read_text(encoding='utf-8')[-3000:]}")
            time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return answer.status == 200
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
