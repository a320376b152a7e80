"""A decoder process: reads one file of a source after the other, under limits, for the pool that started it.

Codecs are native code that a crafted file can bring down or take over. What happens here ends this process and not
the app: it holds no secret, can write no file and leaves no core dump. It ends when the app does: at the end of its
input, and, in the middle of a file, by the signal that the closing pipe raises.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from pathlib import Path
from typing import Any

from updp_core.domain import Assume
from updp_core.errors import IntakeError
from updp_core.intake import wire
from updp_core.intake.loaded import Loaded
from updp_core.intake.loading import load, load_dicom
from updp_core.intake.structured import structured_report


def main() -> None:
    """Serve until the input ends."""
    memory, seconds, lifeline = map(int, sys.argv[1:])
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a codec prints may quote the file
    _end_with_the_app(lifeline)
    _limit(memory)
    wire.send(answers, {"ready": True})
    while True:
        try:
            head, _ = wire.receive(requests)
        except EOFError:
            return
        _clock(seconds)
        answer, body = _answer(head)
        _clock(0)
        try:
            wire.send(answers, answer, body)
        except ValueError:
            wire.send(answers, {"reason": "its header or its report is too long"})
        if answer.get("spent"):
            return


def _answer(head: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """What came of a request, with the image's PNG; a reason never quotes the file."""
    try:
        path = Path(os.fsdecode(bytes.fromhex(head["path"])))
        if head["what"] == "report":
            return {"report": structured_report(path)}, b""
        assume = Assume(**head.get("assume", {}))
        return _told((load_dicom if head["what"] == "dicom" else load)(path, head["view"], assume))
    except IntakeError as error:
        return {"reason": str(error)}, b""
    except MemoryError:
        # What is left of the memory is in pieces: the next file gets a fresh process.
        return {"reason": "reading it takes more memory than a radiograph does", "spent": True}, b""
    except Exception as error:
        return {"reason": f"the file is damaged ({type(error).__name__})"}, b""


def _told(loaded: Loaded) -> tuple[dict[str, Any], bytes]:
    fields = {name: value for name, value in vars(loaded).items() if name != "png"}
    return {"loaded": fields}, loaded.png


def _limit(memory: int) -> None:
    """Bounds that the kernel keeps: address space in bytes, no files written, no core dump (it would hold pixels).
    Where the memory of the machine runs out, a decoder ends before the app does.
    """
    with contextlib.suppress(OSError):  # Linux
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    with contextlib.suppress(ImportError):  # Windows
        import resource

        for kind, limit in (("RLIMIT_AS", memory), ("RLIMIT_FSIZE", 0), ("RLIMIT_CORE", 0)):
            with contextlib.suppress(AttributeError, ValueError, OSError):  # macOS refuses RLIMIT_AS
                resource.setrlimit(getattr(resource, kind), (limit, limit))


def _end_with_the_app(lifeline: int) -> None:
    """Have SIGIO end the process when the app, however it ends, lets go of this pipe: native code cannot delay it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the app
    if lifeline < 0:  # Windows: the end of the input must do
        return
    import fcntl

    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([lifeline], [], [], 0)[0]:  # it has ended already
        sys.exit()


def _clock(seconds: int) -> None:
    """End the process after so many seconds of processor time (0: no longer)."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)


if __name__ == "__main__":
    main()
