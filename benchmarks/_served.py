"""The app as `make app` starts it, on a free port and a workspace of its own, for benchmarks."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMIT_S = 300.0


@contextmanager
def serve(home: Path) -> Iterator[tuple[str, float]]:
    """The app's address and the seconds from Python's start to its first page. Raises RuntimeError without one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}/"
    env = {**os.environ, "UPDP_HOME": str(home), "UPDP_PORT": str(port)}
    started = time.perf_counter()
    app = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
    try:
        yield address, _seconds_to_answer(app, address, started)
    finally:
        app.kill()
        app.wait()


def _seconds_to_answer(app: subprocess.Popen[bytes], address: str, started: float) -> float:
    while time.perf_counter() - started < LIMIT_S:
        if app.poll() is not None:
            raise RuntimeError(f"The app ended with code {app.returncode} before it served.")
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                if answer.status == 200:
                    return time.perf_counter() - started
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise RuntimeError(f"No page within {LIMIT_S:.0f} s.")
