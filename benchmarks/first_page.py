"""Time from Python's start to the first page on an empty workspace, beside what importing Gradio alone takes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks._served import serve


def seconds_to_import_gradio() -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import gradio"], check=True, capture_output=True)
    return time.perf_counter() - started


def seconds_to_first_page() -> float:
    """Starts the app on an empty workspace and asks until the page answers."""
    with tempfile.TemporaryDirectory() as home, serve(Path(home)) as (_, seconds):
        return seconds


def main() -> None:
    seconds_to_import_gradio()  # fills the disk cache for both
    base, page = seconds_to_import_gradio(), seconds_to_first_page()
    print(f"first page {page:.1f} s after Python's start; import gradio alone {base:.1f} s; ratio {page / base:.2f}")


if __name__ == "__main__":
    main()
