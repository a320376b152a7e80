"""The app: opens the workspace, starts the work in the background, serves the pages.

`python app.py` serves on 127.0.0.1:7860; the same file is the entry point of a Hugging Face Space.
"""

from __future__ import annotations

import atexit
import os
from pathlib import Path
from typing import cast

from ui.door.patience import be_patient_no_longer
from ui.door.visitors import Current, Visitors
from updp_core.config import SAMPLE, Settings
from updp_core.errors import DiskError, UpdpError, UsageError, told
from updp_core.logs import log_as


def prepare(settings: Settings) -> None:
    """Private folders, and what Gradio reads from the environment when it is imported."""
    home = settings.home.resolve()
    temp = home / "gradio" / str(os.getpid())  # so that the next start can tell what a killed process has left
    try:
        for folder in (home, temp.parent, temp):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
    except OSError as error:
        raise DiskError(
            told(error, f"The workspace {settings.home} cannot be written") + " Or set UPDP_HOME to another folder."
        ) from None
    os.environ["GRADIO_TEMP_DIR"] = str(temp)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["FORWARDED_ALLOW_IPS"] = ""  # the server tells the true peer; `ui.door.access` judges proxies
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")


def check_host(settings: Settings) -> None:
    """Raises UsageError where anybody on the network could act in any role on patients' studies."""
    if not settings.signed and not settings.demo and settings.host not in ("127.0.0.1", "localhost", "::1"):
        raise UsageError(
            f"Without sign-in the app is served to this machine only, not on {settings.host}. Set UPDP_AUTH to a users "
            "file (python -m updp_core user add), or leave UPDP_HOST unset."
        )


def main(settings: Settings | None = None, sample: Path = SAMPLE, *, wait: bool = True) -> str:
    """Serve; returns the address where `wait` is false (tests)."""
    settings = settings or Settings.from_env()
    check_host(settings)
    log_as(settings.log)
    prepare(settings)
    from ui.app import build_app, launch_options
    from ui.background import Background
    from ui.door.discretion import be_discreet
    from ui.door.session import Session
    from ui.pages.intake import clean_uploads
    from updp_core.workbench import Workbench

    workbench = Workbench.open(settings)
    clean_uploads(settings.home)
    be_patient_no_longer()
    be_discreet()
    visitors = Visitors(workbench, settings.visitors) if settings.visitors and not settings.signed else None
    session = Session(workbench, signed=settings.signed, visitors=visitors)
    background = Background(workbench, sample)
    app = build_app(session, settings, cast(Background, Current(visitors, "background")) if visitors else background)
    _, address, _ = app.launch(**launch_options(session, settings), prevent_thread_lock=True)
    background.start()
    atexit.register(background.close)
    if visitors:
        atexit.register(visitors.close)
    print(f"UPDP is at {address}", flush=True)
    if wait:
        app.block_thread()
    return address


def run() -> None:
    """`main`, with an error told in one line."""
    try:
        main()
    except UpdpError as error:
        raise SystemExit(f"Error: {error}") from None


if __name__ == "__main__":
    run()
