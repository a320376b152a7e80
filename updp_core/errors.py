"""Errors whose message says what is wrong and what to do next, and never carries patient text."""

from __future__ import annotations


class UpdpError(Exception):
    """Base of every error that a user may see. The message is shown as it stands."""


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


class ReleaseError(UpdpError):
    """A release cannot be written, or does not verify."""
