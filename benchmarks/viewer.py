"""The viewer in a real browser: frames a second while panning, zooming and windowing 2048 px, 16-bit pairs; how long
"next" takes; first paint.

`python -m benchmarks.viewer [--pairs N] [--size PX] [--nexts N]`. Pixels as noisy as a detector's, both images of a
pair at full size. A machine without a graphics card draws in software: then frames cost processor time, which is
printed beside the clock, since other work on the machine does not change it.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil

from benchmarks._served import serve
from updp_core.config import Settings
from updp_core.domain import Actor
from updp_core.workbench import Models, Workbench

OFFICER = Actor("benchmark", "privacy-officer")
# Without a card, as in a virtual machine: the page is put together in software, and WebGL is imitated.
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
]
REPORTS = ("FINDINGS: Small left pleural effusion. Heart enlarged.", "FINDINGS: Lungs clear. No pneumothorax.")
SECONDS = 3.0

# Synthetic pointer events, one a frame, through the viewer's own handlers; a frame is what the browser asked for next.
DRIVE = """async ([kind, seconds]) => {
  const stage = document.querySelector(".v-stage"), r = stage.getBoundingClientRect(), times = [];
  const at = (i) => [r.width * (0.25 + 0.1 * Math.sin(i / 9)), r.height * (0.5 + 0.1 * Math.cos(i / 7))];
  const send = (type, i) => {
    const [x, y] = at(i), common = { bubbles: true, cancelable: true, clientX: r.left + x, clientY: r.top + y };
    stage.dispatchEvent(type === "wheel" ? new WheelEvent("wheel", { ...common, deltaY: i % 60 < 30 ? -30 : 30 })
      : new PointerEvent(type, { ...common, pointerId: 1, pointerType: "mouse", shiftKey: kind === "pan" }));
  };
  stage.setPointerCapture = () => {};
  if (kind !== "zoom") send("pointerdown", 0);
  const end = performance.now() + 1000 * seconds;
  for (let i = 1, now = 0; now < end; i++) {
    now = await new Promise(requestAnimationFrame); times.push(now); send(kind === "zoom" ? "wheel" : "pointermove", i);
  }
  if (kind !== "zoom") send("pointerup", 0);
  delete stage.setPointerCapture;
  return times;
}"""
# From the key to the frame on which the next pair stands.
NEXT = """() => new Promise((done) => {
  const before = window.updp.shown?.record, start = performance.now();
  addEventListener("updp-shown", function seen() {
    if (!window.updp.shown || window.updp.shown.record === before) return;
    removeEventListener("updp-shown", seen);
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - start), 0));
  });
  document.dispatchEvent(new KeyboardEvent("keydown", { key: "j", bubbles: true }));
})"""
READY = "window.updp.viewer.ahead()"


def write_studies(folder: Path, number: int, size: int) -> Path:
    """A CSV manifest of `number` noisy 16-bit chests of `size` px; returns it."""
    from updp_core.phantom import render, sample_patient, sample_visit

    rng = np.random.default_rng(0)
    chests = [
        cv2.resize(image, (size, size), interpolation=cv2.INTER_CUBIC).astype(np.float32)
        for image in render([sample_visit(sample_patient(900 + n), 0) for n in range(2)], 512)
    ]
    with open(folder / "manifest.csv", "w", newline="", encoding="utf-8") as out:
        table = csv.writer(out)
        table.writerow(["file", "patient_id", "study_id", "view", "report_text"])
        for n in range(number):
            noisy = chests[n % 2] * (1 - n / 500) + rng.normal(0, 250, (size, size)).astype(np.float32)
            cv2.imwrite(str(folder / f"{n:03}.png"), np.clip(noisy, 1, 65535).astype(np.uint16))
            table.writerow([f"{n:03}.png", f"88{n:05}", f"s{n}", "PA", REPORTS[n % 2]])
    return folder / "manifest.csv"


def fill(home: Path, studies: Path, size: int) -> None:
    """Records with a candidate each, both images at `size`. Evidence is left out: it is not what is timed."""
    from updp_core.evidence import ocr
    from updp_core.methods.dp_pix import Config, DpPix

    ocr.read_boxes = lambda image: []

    class Pixelised(Models):
        """One method at one size, and no judges."""

        def make_method(self, *_: Any) -> Any:
            return DpPix(Config(size=size, epsilon=4.0))

        def judges(self) -> None:
            return None

    settings = Settings(home=home, method="dp-pix")
    bench = Workbench.open(settings, Pixelised(settings))
    for steps in (bench.import_(studies, actor=OFFICER), bench.generate(actor=OFFICER, batch_size=2)):
        *_, last = steps
        print(f"  {last.stage}: {last.done} of {last.total}", flush=True)
    bench.close()


def processor_seconds(root: psutil.Process) -> float:
    """Of the browser and all its processes."""
    return sum(sum(p.cpu_times()[:2]) for p in [root, *root.children(recursive=True)])


def frames(page: Any, browser: psutil.Process, kind: str) -> str:
    page.evaluate(DRIVE, [kind, 0.5])
    before = processor_seconds(browser)
    times = page.evaluate(DRIVE, [kind, SECONDS])
    cost = 1000 * (processor_seconds(browser) - before) / len(times)
    gaps = np.diff(times)
    return (
        f"{1000 * len(gaps) / (times[-1] - times[0]):5.1f} frames a second, 95 % of them within "
        f"{np.percentile(gaps, 95):.0f} ms, {cost:.1f} ms of processor time each"
    )


def until(true: Callable[[], Any], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise RuntimeError("The page did not get ready.")
        time.sleep(0.05)


def measure(address: str, nexts: int) -> None:
    """Print every figure."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        opened = playwright.chromium.launch(executable_path=program, args=ARGS)
        newest = max(psutil.Process().children(recursive=True), key=lambda p: ("chrom" in p.name(), -p.create_time()))
        page = opened.new_page(viewport={"width": 1440, "height": 900})
        page.goto(address)
        page.wait_for_function("window.updp?.shown?.record", timeout=120_000)
        pair = page.evaluate("performance.now()")
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN")
        renderer = page.evaluate("document.getElementById('viewer').querySelector('[data-renderer]').dataset.renderer")
        print(f"first paint {paint:.0f} ms, first pair {pair:.0f} ms after the address was opened ({renderer})")
        until(lambda: page.evaluate(READY))
        for mode, key in (("side by side", "b"), ("slider", "s"), ("difference", "d")):
            page.keyboard.press(key)
            for kind in ("pan", "zoom", "window"):
                print(f"{mode}, {kind}: {frames(page, newest, kind)}", flush=True)
            page.keyboard.press("z")
        page.keyboard.press("b")
        taken = []
        for _ in range(nexts):
            until(lambda: page.evaluate(READY))
            time.sleep(0.3)  # nobody decides faster
            taken.append(page.evaluate(NEXT))
        print(
            f"next, preloaded: median {statistics.median(taken):.0f} ms, "
            f"95th percentile {np.percentile(taken, 95):.0f} ms of {len(taken)}"
        )
        held = page.evaluate("window.updp.viewer.held()")
        print(f"pairs kept in the page: {held['pairs']}, {held['bytes'] / 2**20:.0f} MiB")
        opened.close()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=34)
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--nexts", type=int, default=30)
    asked = parser.parse_args(arguments or [])
    with tempfile.TemporaryDirectory() as folder:
        studies, home = Path(folder) / "studies", Path(folder) / "home"
        studies.mkdir()
        fill(home, write_studies(studies, asked.pairs, asked.size), asked.size)
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the browser starts")
        with serve(home) as (address, _):
            measure(address, min(asked.nexts, asked.pairs - 1))


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
