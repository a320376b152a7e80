"""Work that goes on while people read: the first import, and generation whenever the queue holds something."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from updp_core.config import SAMPLE
from updp_core.domain import Actor
from updp_core.errors import UpdpError, kind_and_place, told
from updp_core.workbench import Progress, Workbench

LOG = logging.getLogger("updp")
ACTOR = Actor("background", "administrator")
POLL_SECONDS = 3.0
CLOSING_SECONDS = 2.0


class Background:
    """One thread. `status` says in a sentence what it does; models load here and not before the first page."""

    def __init__(self, workbench: Workbench, sample: Path | None) -> None:
        self.workbench, self.sample = workbench, sample
        self.status: dict[str, Any] = {"stage": "", "done": 0, "total": 0}
        self._wanted, self._woken, self._closing = threading.Event(), threading.Event(), threading.Event()
        self._run: Iterator[Progress] | None = None
        self._thread = threading.Thread(target=self._work, name="updp-background", daemon=True)

    def start(self) -> None:
        """Begin: import the sample where the workspace is empty, then generate."""
        self._wanted.set()
        self._thread.start()

    def go(self, run: Iterator[Progress] | None = None) -> None:
        """Generate (again): a run that somebody has been allowed to start, or whatever waits."""
        self._run = run
        self._wanted.set()
        self._woken.set()

    def halt(self) -> None:
        """Do not begin another run; the one in hand is told to stop through Workbench.control."""
        self._wanted.clear()

    def close(self) -> None:
        """End with the program, after the step in hand if that is short: what is half made is made again."""
        self._closing.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(CLOSING_SECONDS)

    def stop(self) -> None:
        """As `close`, without waiting."""
        self._closing.set()
        self._woken.set()

    @property
    def wanted(self) -> bool:
        return self._wanted.is_set()

    def _work(self) -> None:
        self._guard(self._first_import)
        while not self._closing.is_set():
            if self._wanted.is_set():
                self._guard(self._generate)
            self._woken.wait(POLL_SECONDS)
            self._woken.clear()

    def _guard(self, step: Any) -> None:
        """A failure stops the work, not the thread, and is told on the page."""
        try:
            step()
        except UpdpError as error:
            self._wanted.clear()
            self.status = {"stage": "failed", "message": str(error), "done": 0, "total": 0}
        except Exception as error:
            # The message of an unforeseen error may hold patient text: the log gets its place, the page a remedy.
            kind = kind_and_place(error)
            LOG.error("background work failed: %s", kind, exc_info=LOG.isEnabledFor(logging.DEBUG))
            self._wanted.clear()
            text = "Generation stopped unexpectedly. Start it again on the page Import & run."
            if isinstance(error, OSError):
                text = f"{told(error, 'Generation stopped')} Then start it again on the page Import & run."
            self.status = {"stage": "failed", "message": text, "done": 0, "total": 0}

    def _first_import(self) -> None:
        if self.sample is None or not self.sample.exists() or self.workbench.counts(actor=ACTOR)["total"]:
            return
        for step in self.workbench.import_(self.sample, actor=ACTOR):
            self.status = {"stage": "import", "message": step.message, "done": step.done, "total": step.total}
        if self.sample == SAMPLE:  # its first pairs come ready made; the others are made behind them
            for step in self.workbench.take_ready(actor=ACTOR):
                if self._closing.is_set():
                    return
                self.status = {"stage": "measure", "done": step.done, "total": step.total}
        self.status = {"stage": "", "done": 0, "total": 0}

    def _generate(self) -> None:
        run, self._run = self._run, None
        if run is None:
            states = self.workbench.counts(actor=ACTOR)["states"]
            if not (states.get("new") or states.get("void")):
                return
            run = self.workbench.generate(actor=ACTOR)
        self.status = {"stage": "load", "done": 0, "total": 0}
        for step in run:
            if self._closing.is_set():
                return
            self.status = {"stage": step.stage, "message": step.message, "done": step.done, "total": step.total}
            if step.result and step.result["stopped"]:
                self._wanted.clear()
            if step.result and not step.result["generated"]:  # nothing that is left can be made now
                self._wanted.clear()
        self.status = {"stage": "", "done": 0, "total": 0}
