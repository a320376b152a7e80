"""DICOMweb: studies in from a server (QIDO-RS and WADO-RS), released objects out to one (STOW-RS).

DICOM PS3.18. The client is dicomweb-client's. Name and password for a server come from `UPDP_DICOMWEB_AUTH`
("name:password"), never from the address, since addresses are shown, kept and logged.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from updp_core.errors import UsageError

SCHEME = "dicomweb:"
PAGE = 500
"""Instances that are asked for at a time."""
BATCH = 20
"""Objects that are sent in one request."""
SECONDS = 60
_UIDS = ("0020000D", "0020000E", "00080018")  # study, series, instance


def is_address(source: str) -> bool:
    """True for `dicomweb:URL`, the way in which a server is named as a source."""
    return source.startswith(SCHEME)


def download(source: str, folder: Path, env: Mapping[str, str] = os.environ) -> Iterator[Path]:
    """Fetch what the query of `dicomweb:URL?query` finds into `folder`, as stored; the path of each file as it comes.

    The query holds QIDO-RS attributes, e.g. `ModalitiesInStudy=DX&StudyDate=20260101-20261231`. Files are numbered:
    their names say nothing. Raises UsageError for a bad address, and where the server does not answer as DICOMweb does.
    """
    base, wanted = _address(source.removeprefix(SCHEME))
    client = _client(base, env)
    count = 0
    for page in _pages(client, wanted):
        for row in page:
            uids = [row[tag]["Value"][0] for tag in _UIDS]
            data = _asked(client.retrieve_instance, *uids, media_types=(("application/dicom", "*"),))
            count += 1
            file = folder / f"{count:08d}.dcm"
            data.save_as(file, enforce_file_format=True)
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
    client = _client(base, env)
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


def _client(base: str, env: Mapping[str, str]) -> Any:
    import requests
    from dicomweb_client import DICOMwebClient

    session = requests.Session()
    if login := env.get("UPDP_DICOMWEB_AUTH"):
        name, _, password = login.partition(":")
        session.auth = (name, password)
    return DICOMwebClient(base, session=session, timeout=SECONDS)


def _pages(client: Any, wanted: dict[str, str]) -> Iterator[list[dict[str, Any]]]:
    offset = 0
    while page := _asked(client.search_for_instances, search_filters=wanted, limit=PAGE, offset=offset):
        yield page
        if len(page) < PAGE:
            return
        offset += len(page)


def _asked(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The server's answer. Raises UsageError in words of ours: the server's may quote the query."""
    import requests

    try:
        return call(*args, **kwargs)
    except requests.HTTPError as error:
        code = error.response.status_code if error.response is not None else 0
        why = "it wants a name and a password (UPDP_DICOMWEB_AUTH)" if code in (401, 403) else f"status {code}"
        raise UsageError(f"The DICOMweb server refused the request: {why}.") from None
    except requests.RequestException as error:
        kind = type(error).__name__
        raise UsageError(f"The DICOMweb server does not answer ({kind}). Check the address.") from None
    except (ValueError, KeyError, AttributeError):
        raise UsageError("The server's answer is not DICOMweb's. Check the address.") from None
