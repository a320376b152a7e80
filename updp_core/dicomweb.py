"""DICOMweb: studies in from a server (QIDO-RS and WADO-RS), released objects out to one (STOW-RS).

DICOM PS3.18. The client is dicomweb-client's. Name and password for a server come from `UPDP_DICOMWEB_AUTH`
("name:password"), never from the address, since addresses are shown, kept and logged.

A server may be hostile: its answers are bounded in size and time, it leads to no other address, its words are neither
shown nor logged, and the objects that it sends are read by the decoder processes, not here.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from email.message import Message
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from updp_core.errors import UsageError

if TYPE_CHECKING:
    import requests

SCHEME = "dicomweb:"
PAGE = 500
"""Instances that are asked for at a time."""
BATCH = 20
"""Objects that are sent in one request."""
SECONDS = 60
"""Of silence, after which a server is given up."""
ANSWER_SECONDS = 15 * 60
"""A whole answer may take so long, however little of it comes at a time."""
MOST_LIST, MOST_OBJECT = 32 * 2**20, 256 * 2**20
"""Bytes of an answer, unpacked; an object of the largest image that is read in (40 million pixels) fits."""
MOST_INSTANCES = 200_000
"""Of one query."""
_UIDS = ("0020000D", "0020000E", "00080018")  # study, series, instance
_UID = re.compile(r"[0-9.]{1,64}")
_OBJECT = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_NOT_DICOMWEB = "The server's answer is not DICOMweb's. Check the address."

# Both quote addresses with their query, and what a server says in a header.
logging.getLogger("dicomweb_client").setLevel(logging.CRITICAL)
logging.getLogger("urllib3").setLevel(logging.CRITICAL)


def is_address(source: str) -> bool:
    """True for `dicomweb:URL`, the way in which a server is named as a source."""
    return source.startswith(SCHEME)


def download(source: str, folder: Path, env: Mapping[str, str] = os.environ) -> Iterator[Path]:
    """Fetch what the query of `dicomweb:URL?query` finds into `folder`, as stored; the path of each file as it comes.

    The query holds QIDO-RS attributes, e.g. `ModalitiesInStudy=DX&StudyDate=20260101-20261231`. Files are numbered:
    their names say nothing. Raises UsageError for a bad address, and where the server does not answer as DICOMweb does.
    """
    base, wanted = _address(source.removeprefix(SCHEME))
    session = _session(env)
    for count, uids in enumerate(_found(_client(base, session), wanted), 1):
        study, series, instance = uids
        address = f"{base}/studies/{study}/series/{series}/instances/{instance}"
        file = folder / f"{count:08d}.dcm"
        file.write_bytes(_asked(_fetched, session, address))
        yield file


def send(files: Sequence[Path], address: str, env: Mapping[str, str] = os.environ) -> Iterator[int]:
    """Store DICOM files on a server, a few in a request; how many are there so far.

    Raises UsageError for a bad address, for a server that does not answer as DICOMweb does, and where it refuses an
    object: what was stored before stays there.
    """
    from pydicom import dcmread

    base, query = _address(address)
    if query:
        raise UsageError("The address to store to has no query: give the server's DICOMweb root.")
    client = _client(base, _session(env))
    for start in range(0, len(files), BATCH):
        batch = [dcmread(file) for file in files[start : start + BATCH]]
        answer = _asked(client.store_instances, batch)
        if refused := len(answer.get("FailedSOPSequence", [])):
            raise UsageError(f"The server refused {refused} of {len(files)} objects; {start} were stored before them.")
        yield start + len(batch)


def host(address: str) -> str:
    """The server's name and port, for the audit trail: neither path nor query."""
    return urlsplit(address.removeprefix(SCHEME)).netloc.rpartition("@")[2]


def _address(address: str) -> tuple[str, dict[str, str]]:
    """(root, query) of an address. Raises UsageError."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError("A DICOMweb address begins with https:// or http://, e.g. https://pacs.example/dicom-web.")
    if "@" in parts.netloc:
        raise UsageError("Leave name and password out of the address: set UPDP_DICOMWEB_AUTH to name:password.")
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", "")), dict(parse_qsl(parts.query))


def _session(env: Mapping[str, str]) -> requests.Session:
    """For one import or one sending. No redirect is followed: where a server may lead to is not for it to say."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3 import Retry
    from urllib3.exceptions import HTTPError

    class Bounded(HTTPAdapter):
        """Reads every answer at once, within its bounds of size and time."""

        def send(self, request: Any, *args: Any, **kwargs: Any) -> requests.Response:
            answer = super().send(request, *args, **{**kwargs, "stream": True})
            most = MOST_LIST if "json" in request.headers.get("Accept", "") else MOST_OBJECT
            with contextlib.closing(answer.raw) as raw:
                try:
                    answer.raw = io.BytesIO(_bounded(raw, most))
                except (HTTPError, OSError):
                    raise requests.ConnectionError from None
            return answer

    session = requests.Session()
    session.max_redirects = 0
    retry = Retry(3, redirect=False, status_forcelist=(429, 503, 504), backoff_factor=0.5, raise_on_status=False)
    for scheme in ("http://", "https://"):
        session.mount(scheme, Bounded(max_retries=retry))
    if login := env.get("UPDP_DICOMWEB_AUTH"):
        name, _, password = login.partition(":")
        session.auth = (name, password)
    return session


def _bounded(raw: Any, most: int) -> bytes:
    """The unpacked body of an answer of at most so many bytes. Raises UsageError for a longer or a slower one."""
    body, end = bytearray(), time.monotonic() + ANSWER_SECONDS
    while part := raw.read1(2**16, decode_content=True):
        body += part
        if len(body) > most:
            raise UsageError(f"The DICOMweb server's answer is larger than {most // 2**20} MiB, so it was given up.")
        if time.monotonic() > end:
            raise UsageError(f"The DICOMweb server's answer takes longer than {ANSWER_SECONDS} s, so it was given up.")
    return bytes(body)


def _client(base: str, session: requests.Session) -> Any:
    from dicomweb_client import DICOMwebClient

    client = DICOMwebClient(base, session=session, timeout=SECONDS)
    client.set_http_retry_params(retry=False)  # it would repeat refusals as well
    return client


def _found(client: Any, wanted: dict[str, str]) -> Iterator[tuple[str, ...]]:
    """The UIDs of study, series and instance of all that a query finds, each instance once. Raises UsageError."""
    known: set[tuple[str, ...]] = set()
    offset = 0
    while page := _asked(client.search_for_instances, search_filters=wanted, limit=PAGE, offset=offset):
        told = _asked(lambda page: [tuple(row[tag]["Value"][0] for tag in _UIDS) for row in page], page)
        if not all(isinstance(uid, str) and _UID.fullmatch(uid) for uids in told for uid in uids):
            raise UsageError(_NOT_DICOMWEB)
        fresh = [uids for uids in dict.fromkeys(told) if uids not in known]
        known.update(fresh)
        if len(known) > MOST_INSTANCES:
            raise UsageError(
                f"The query finds more than {MOST_INSTANCES} objects. Narrow it, by StudyDate for instance."
            )
        yield from fresh
        if len(page) < PAGE or not fresh:  # a server that knows no offset says the same again
            return
        offset += len(page)


def _fetched(session: requests.Session, address: str) -> bytes:
    """The object at an address, as it is stored. Raises ValueError where the answer holds none."""
    answer = session.get(address, headers={"Accept": _OBJECT}, timeout=SECONDS)
    answer.raise_for_status()
    kind = Message()
    kind["content-type"] = answer.headers.get("content-type", "")
    if kind.get_content_type() == "application/dicom":  # some servers leave the envelope out
        return answer.content
    boundary = kind.get_boundary()
    if kind.get_content_type() != "multipart/related" or not boundary:
        raise ValueError
    mark = b"--" + boundary.encode("latin-1")
    part = answer.content.partition(mark)[2].partition(b"\r\n\r\n")[2]
    found, closed, _ = part.partition(b"\r\n" + mark)
    if not closed or not found:
        raise ValueError
    return found


def _asked(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The server's answer. Raises UsageError in words of ours: the server's may quote the query."""
    import requests

    try:
        return call(*args, **kwargs)
    except requests.HTTPError as error:
        code = error.response.status_code if error.response is not None else 0
        why = "it wants a name and a password (UPDP_DICOMWEB_AUTH)" if code in (401, 403) else f"status {code}"
        raise UsageError(f"The DICOMweb server refused the request: {why}.") from None
    except requests.TooManyRedirects:
        raise UsageError("The DICOMweb server leads to another address. Give that one, if it is meant.") from None
    except requests.JSONDecodeError:
        raise UsageError(_NOT_DICOMWEB) from None
    except requests.RequestException as error:
        kind = type(error).__name__
        raise UsageError(f"The DICOMweb server does not answer ({kind}). Check the address.") from None
    except (MemoryError, OSError, UsageError):
        raise
    except Exception:  # the client takes the answer for what it should be
        raise UsageError(_NOT_DICOMWEB) from None
