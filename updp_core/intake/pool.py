"""The decoder processes: foreign files are read in children, so that none of them can end or stall the app.

A child that dies, hangs or asks for too much memory costs its own file, which is rejected with the reason; the next
file gets a new child. Children are fresh interpreters (nothing is forked, so it does not matter which threads and
models the app holds), import no torch, and are kept warm until the app ends.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from updp_core.errors import IntakeError
from updp_core.intake import wire

MEMORY = 3 * 2**30
"""Address space of a child in bytes: twice what the largest permitted image (40 million pixels of RGB) takes."""
SECONDS = 60
"""Of processor time for one file: the largest permitted image takes about 10."""
PATIENCE = 5
"""How many times as long a file may take by the clock, on a machine that has other work or a slow disk."""
_START_SECONDS = 120
_NO_CHILD = "no decoder process could be started: is the memory of this machine full?"
_CLOSING = "the app was closed before the file was read"
_KEPT_VARIABLES = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR", "LANG")

T = TypeVar("T")
Answer = tuple[dict[str, Any], bytes]


class Pool:
    """`size` children, started as they are needed. Threads may share it."""

    def __init__(
        self, size: int | None = None, memory: int = MEMORY, seconds: int = SECONDS, patience: float | None = None
    ) -> None:
        """`memory` in bytes; `seconds` of processor time and `patience` seconds by the clock for a file."""
        self.size = size or _cores()
        self.limits = (memory, seconds, PATIENCE * seconds if patience is None else patience)
        self.children: list[_Child] = []
        self._tasks: queue.SimpleQueue[tuple[dict[str, Any], Future[Answer]] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0
        self._closed = False

    def ask(self, request: dict[str, Any]) -> Future[Answer]:
        """Have a child answer; the future raises IntakeError with the reason where it cannot."""
        future: Future[Answer] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("the decoders are closed")
            if self._idle <= 0 and len(self.children) < self.size:
                child = _Child(*self.limits)
                self.children.append(child)
                threading.Thread(target=self._serve, args=(child,), name="updp-decoder", daemon=True).start()
            else:
                self._idle -= 1
            self._tasks.put((request, future))
        return future

    def ahead(self, items: Iterable[T], request: Callable[[T], dict[str, Any] | None]) -> Iterator[tuple[T, Any]]:
        """Each item with its future (None where it asks for nothing), in order; a few are worked on in advance."""
        waiting: deque[tuple[T, Future[Answer] | None]] = deque()
        try:
            for item in items:
                asked = request(item)
                waiting.append((item, None if asked is None else self.ask(asked)))
                if len(waiting) > 2 * self.size:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            for _, future in waiting:
                if future is not None:
                    future.cancel()

    def close(self) -> None:
        """End the children. Files in hand are rejected."""
        with self._lock:
            self._closed = True
            for child in self.children:
                child.end()
            for _ in self.children:
                self._tasks.put(None)

    def _serve(self, child: _Child) -> None:
        while (task := self._tasks.get()) is not None:
            request, future = task
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(child.ask(request))
                except BaseException as error:
                    future.set_exception(error)
            with self._lock:
                self._idle += 1


class _Child:
    """One process, started anew after each death."""

    def __init__(self, memory: int, seconds: int, patience: float) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self._memory, self._seconds, self._patience = memory, seconds, patience
        self.ready = False
        self._late = False
        self._ended = False
        self._lifeline = -1

    def ask(self, request: dict[str, Any]) -> Answer:
        """The answer of the process. Raises IntakeError with its reason, or with what became of the process."""
        process = self._started()
        try:
            answer, body = self._talk(process, request, self._patience)
        except (OSError, EOFError, ValueError):
            raise IntakeError(self._died(process)) from None
        if answer.get("spent"):
            self._discard(process)
        if "reason" in answer:
            raise IntakeError(str(answer["reason"]))
        return answer, body

    def end(self) -> None:
        """Kill the process, for good."""
        self._ended = True
        if self.process:
            self.process.kill()

    def _started(self) -> subprocess.Popen[bytes]:
        if self.process is not None and self.process.poll() is None:
            return self.process
        if self.process is not None:
            self._discard(self.process)
        if self._ended:
            raise IntakeError(_CLOSING)
        root = str(Path(__file__).parents[2])
        variables = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        # One thread each: the children are the parallelism, and threads reserve address space.
        variables |= {"PYTHONPATH": root, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, "-P", "-m", "updp_core.intake.child", str(self._memory), str(self._seconds)]
        theirs = -1
        try:
            if os.name == "posix":  # nothing is ever written to the lifeline: the child ends when our side is closed
                theirs, self._lifeline = os.pipe()
            self.process = process = subprocess.Popen(
                [*command, str(theirs)],
                env=variables,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs,) if theirs >= 0 else (),
            )
        except OSError:
            raise IntakeError(_NO_CHILD) from None
        finally:
            if theirs >= 0:
                os.close(theirs)
        try:
            self._talk(process, None, _START_SECONDS)
        except (OSError, EOFError, ValueError):
            self._discard(process)
            raise IntakeError(_CLOSING if self._ended else _NO_CHILD) from None
        self.ready = True
        return process

    def _talk(self, process: subprocess.Popen[bytes], request: dict[str, Any] | None, seconds: float) -> Answer:
        """Send (where there is something to send) and wait for the answer, `seconds` at most: then the child dies."""
        assert process.stdin and process.stdout
        self._late = False
        clock = threading.Timer(seconds, self._too_late, (process,))
        clock.daemon = True
        clock.start()
        try:
            if request is not None:
                wire.send(process.stdin, request)
            return wire.receive(process.stdout)
        finally:
            clock.cancel()

    def _too_late(self, process: subprocess.Popen[bytes]) -> None:
        self._late = True
        process.kill()

    def _died(self, process: subprocess.Popen[bytes]) -> str:
        """Why, in words."""
        self._discard(process)
        code = process.returncode
        if self._late or code == -getattr(signal, "SIGPROF", 0):
            return "reading it takes longer than any radiograph does, so it was given up"
        if self._ended:
            return _CLOSING
        if code == -getattr(signal, "SIGKILL", 0):
            return "the system ended its reading, most likely because the memory of this machine was full"
        return "its decoder broke down on it: the file is damaged, or its header contradicts its pixel data"

    def _discard(self, process: subprocess.Popen[bytes]) -> None:
        self.ready = False
        process.kill()
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        for stream in (process.stdin, process.stdout):
            with contextlib.suppress(OSError, ValueError):
                if stream:
                    stream.close()
        process.wait()
        if self.process is process:
            self.process = None


_pools: dict[int, Pool] = {}
_pools_lock = threading.Lock()


def shared_pool() -> Pool:
    """The pool of this process, made when it is first needed and closed when the process ends."""
    with _pools_lock:
        if os.getpid() not in _pools:
            _pools[os.getpid()] = made = Pool()
            atexit.register(made.close)
        return _pools[os.getpid()]


def _cores() -> int:
    """Cores that this process may use, 8 at most."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(8, cores))
