"""Time from Python's start to the first page on an empty workspace, beside what importing Gradio alone takes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMIT_S = 120.0


def seconds_to_import_gradio() -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import gradio"], check=True, capture_output=True)
    return time.perf_counter() - started


def seconds_to_first_page() -> float:
    """Starts the app as `make app` does, on a free port and an empty workspace, and asks until the page answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "UPDP_HOME": home, "UPDP_PORT": str(port)}
        started = time.perf_counter()
        app = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
        try:
            while time.perf_counter() - started < LIMIT_S:
                if app.poll() is not None:
                    raise RuntimeError(f"The app ended with code {app.returncode} before it served.")
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                        if answer.status == 200:
                            return time.perf_counter() - started
                except (urllib.error.URLError, OSError):
                    time.sleep(0.05)
            raise RuntimeError(f"No page within {LIMIT_S:.0f} s.")
        finally:
            app.kill()
            app.wait()


def main() -> None:
    seconds_to_import_gradio()  # fills the disk cache for both
    base, page = seconds_to_import_gradio(), seconds_to_first_page()
    print(f"first page {page:.1f} s after Python's start; import gradio alone {base:.1f} s; ratio {page / base:.2f}")


if __name__ == "__main__":
    main()
