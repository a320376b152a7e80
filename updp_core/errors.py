"""Errors whose message says what is wrong and what to do next, and never carries patient text."""

from __future__ import annotations

import errno
import traceback
from pathlib import Path


class UpdpError(Exception):
    """Base of every error that a user may see. The message is shown as it stands."""


class DiskError(UpdpError):
    """The disk is full, can only be read, or fails: nothing of what was begun is kept, and what was kept stands."""


class UsageError(UpdpError):
    """A request that cannot be right: an unknown record, an impossible setting."""


class IntakeError(UpdpError):
    """One source file or row cannot become a record; the others go on."""


class LexiconError(UpdpError):
    """A lexicon file or edit is not valid."""


class ModelUnavailable(UpdpError):
    """A model cannot be had here. `remedy` is the one sentence that says how to get it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what} {remedy}")
        self.remedy = remedy


class PromptError(UpdpError):
    """No prompt that keeps the constraint exists for this record."""


class NotAllowed(UpdpError):
    """The actor's role does not carry this verb."""


class Conflict(UpdpError):
    """The state changed meanwhile, or does not permit the verb (approve a void candidate, say)."""


def kind_and_place(error: BaseException) -> str:
    """What a log may say of an error: its kind and where it arose. Its own text may quote a patient or a path."""
    steps = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(steps[-1].filename).name}:{steps[-1].lineno}" if steps else ""
    number = errno.errorcode.get(error.errno or 0, "") if isinstance(error, OSError) else ""
    return f"{type(error).__name__} {number}".strip() + place


def told(error: OSError, what: str) -> str:
    """An error of the operating system in words, with what to do and without a path: `what` says what did not work."""
    remedies = {
        errno.ENOSPC: "the disk is full. Free some space and try again",
        errno.EDQUOT: "the quota of this account on the disk is used up. Free some space and try again",
        errno.EFBIG: "the file would be larger than this account may write. Have the limit raised",
        errno.EROFS: "the disk can only be read. Have it mounted for writing",
        errno.EACCES: "this account may not write there. Have the folder's owner or rights changed",
        errno.EPERM: "this account may not write there. Have the folder's owner or rights changed",
        errno.EIO: "the disk fails. Look after it and after the backup",
        errno.EMFILE: "too many files are open. Try again, or restart UPDP",
    }
    return f"{what}: {remedies.get(error.errno or 0, 'try again, and if it happens again, tell the engineer')}."


class ReleaseError(UpdpError):
    """A release cannot be written, or does not verify."""
