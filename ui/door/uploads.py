"""Uploads: who may send files, how many, how fast; each lies in a folder of its person and of nobody else.

This answers in place of Gradio's own route, which knows no person, no bound on what waits, and keeps two people's equal
files in one place. Files lie in the private temporary folder of this process until they are imported, at most two
hours.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import os
import re
import secrets
import shutil
import threading
import time
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator
from pathlib import Path

from gradio.route_utils import GradioMultiPartParser, MultiPartException
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ui.door.session import Session
from ui.door.streams import API, UPLOAD
from updp_core.domain import Actor
from updp_core.errors import NotAllowed, UpdpError, UsageError, told

LIE_SECONDS = 2 * 3600
IDLE_SECONDS, LEAST_RATE = 30, 10_000
"""The longest pause between two pieces, and the bytes a second below which an upload is given up after a minute."""
MEGABYTE = 10**6
DEEPEST = 32
LONGEST_FIELD = 10_000
FULL = (
    "There is no room for these uploads. Import or wait for what was uploaded before (it is deleted after two hours), "
    "or import from a folder of this machine. UPDP_UPLOAD_FILES and UPDP_UPLOAD_MEGABYTES set the bounds."
)
SLOW = "The upload stands still. Try again on a better connection."
_KEY = secrets.token_bytes(32)
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f/\\\u202a-\u202e\u2066-\u2069]")


def folder_of(person: str) -> Path:
    """Where the uploads of a person lie while this process runs."""
    return _root() / hmac.digest(_KEY, person.encode(), "sha256").hex()[:24]


def own(actor: Actor, path: str) -> Path:
    """A file that this person has sent. NotAllowed for any other, whatever the page says."""
    found = Path(path.replace("\0", "")).resolve()
    if not found.is_relative_to(folder_of(actor.name).resolve()) or not found.is_file():
        raise NotAllowed("This file is not one that you have uploaded, or it is gone. Choose it again.")
    return found


class Uploads:
    """The route that takes files."""

    def __init__(self, session: Session, demo: bool = False) -> None:
        self.session, self.demo = session, demo
        self._coming: Counter[str] = Counter()  # person -> bytes that are yet to come of an upload under way
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # person -> one upload after another

    def routes(self) -> list[Route]:
        """To be put before Gradio's own, which they replace."""
        return [
            Route(UPLOAD, self.take, methods=["POST"]),
            Route(f"{API}upload_progress", _progress, methods=["GET"]),
        ]

    async def take(self, request: Request) -> Response:
        """The files of a form, each in a folder of its own: [path]."""
        try:
            actor = self.session.actor(request)
            most = await run_in_threadpool(self.session.workbench.upload, actor=actor)
            if self.demo:
                raise UsageError("This public demonstration takes the sample studies only.")
            size = int(request.headers.get("content-length") or 0)
            async with self._turns[actor.name]:
                mine, all_ = [await run_in_threadpool(held, place) for place in (folder_of(actor.name), _root())]
                files = min(most["files"] - mine[0], most["files_of_all"] - all_[0])
                room = min(
                    most["megabytes"] * MEGABYTE - mine[1],
                    most["megabytes_of_all"] * MEGABYTE - all_[1] - self._coming.total(),
                )
                if files <= 0 or room < size:
                    raise _Full
                size = size or room  # of a body that does not say how long it is
                self._coming[actor.name] = size  # nothing was awaited since the sum was taken
                return JSONResponse(await self._kept(request, actor.name, files, size))
        except _Full:
            return _refused(FULL, 413)
        except (UpdpError, ValueError) as error:
            return _refused(str(error) if isinstance(error, UpdpError) else "This is no upload.", 403)
        except MultiPartException as error:
            return _refused(FULL if "Too many files" in error.message else "This is no upload of files.", 413)
        except (TimeoutError, ClientDisconnect):
            return _refused(SLOW, 408)
        except OSError as error:
            return _refused(told(error, "The upload could not be kept"), 507)

    async def _kept(self, request: Request, person: str, files: int, room: int) -> list[str]:
        folder = folder_of(person) / secrets.token_hex(8)
        folder.mkdir(mode=0o700, parents=True)
        try:
            stream = self._counted(request, person, room)
            parser = _Parser(
                request.headers, stream, max_files=files, max_fields=10, upload_dir=folder, max_file_size=room
            )
            form = await parser.parse()
            sent = [part for part in form.getlist("files") if not isinstance(part, str)]
            paths = [await run_in_threadpool(_placed, part, folder / str(n)) for n, part in enumerate(sent)]
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            del self._coming[person]
        asyncio.get_running_loop().call_later(LIE_SECONDS, shutil.rmtree, folder, True)
        return paths

    async def _counted(self, request: Request, person: str, room: int) -> AsyncGenerator[bytes, None]:
        """The pieces of the body, as long as they keep to the room and the pace."""
        began, got, pieces = time.monotonic(), 0, aiter(request.stream())
        while True:
            try:
                piece = await asyncio.wait_for(anext(pieces), IDLE_SECONDS)
            except StopAsyncIteration:
                return
            got += len(piece)
            self._coming[person] -= len(piece)
            if got > room:
                raise _Full
            if (gone := time.monotonic() - began) > 60 and got < LEAST_RATE * gone:
                raise TimeoutError
            yield piece


class _Parser(GradioMultiPartParser):
    """Fields that are no files are held in memory: they are short."""

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._current_part.file is None and len(self._current_part.data) > LONGEST_FIELD:
            raise MultiPartException("A field is longer than any that this page sends.")
        super().on_part_data(data, start, end)


class _Full(Exception):
    """No room for more uploads."""


def held(folder: Path) -> tuple[int, int]:
    """(files, bytes) in a folder, however deep."""
    sizes = []
    for at, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # imported and deleted meanwhile
                sizes.append((Path(at) / name).stat().st_size)
    return len(sizes), sum(sizes)


def _root() -> Path:
    return Path(os.environ["GRADIO_TEMP_DIR"])


def _placed(part: UploadFile, folder: Path) -> str:
    """Give what has come its own name, without signs that steer, in a folder of its own; where a folder was sent, in
    the folders that it lay in there."""
    part.file.close()
    folder.mkdir(mode=0o700)
    names = [_plain(name) for name in re.split(r"[/\\]", part.filename or "")]
    place = folder.joinpath(*[name for name in names if name][-DEEPEST:] or ["file"])
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.replace(part.file.name, place)
    return str(place)


def _plain(name: str) -> str:
    """A name of one file or folder; "" where nothing is left of it (`.` and `..`)."""
    return _UNSAFE.sub("_", name)[-120:].strip(". ")


def place_of(actor: Actor, path: Path) -> str:
    """Where an uploaded file lay in the folder that was sent: its name, behind the folders' names."""
    below = path.relative_to(folder_of(actor.name).resolve()).parts
    return "/".join(below[2:])  # past the upload's folder and the file's own


def kept_folder(actor: Actor) -> Path:
    """A new folder for files that are being imported; it counts as what this person has uploaded, and is deleted as
    late as that."""
    folder = folder_of(actor.name) / f"upload-{secrets.token_hex(8)}"
    folder.mkdir(mode=0o700, parents=True)
    timer = threading.Timer(LIE_SECONDS, shutil.rmtree, (folder, True))
    timer.daemon = True
    timer.start()
    return folder


def _refused(text: str, status: int) -> Response:
    return PlainTextResponse(text, status, {"connection": "close"})


async def _progress(request: Request) -> Response:
    """Gradio's page asks how far an upload is; the browser knows that by itself."""
    return PlainTextResponse('data: {"msg": "done"}\n\n', media_type="text/event-stream")
