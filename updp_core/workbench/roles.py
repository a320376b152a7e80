"""Who may do what: one table, and deny by default."""

from __future__ import annotations

from typing import get_args

from updp_core.domain import Actor, Role
from updp_core.errors import NotAllowed

ROLES: tuple[Role, ...] = get_args(Role)
_EVERYBODY = frozenset(ROLES)
_READERS: frozenset[Role] = frozenset({"radiologist", "privacy-officer"})
_OFFICER: frozenset[Role] = frozenset({"privacy-officer"})
_OPERATORS: frozenset[Role] = frozenset({"privacy-officer", "administrator"})
_ADMINISTRATOR: frozenset[Role] = frozenset({"administrator"})

ROLE_VERBS: dict[str, frozenset[Role]] = {
    # look: PHI is kept back from roles outside PHI_ROLES
    "page": _EVERYBODY,
    "counts": _EVERYBODY,
    "show": _EVERYBODY,
    "image": _EVERYBODY,
    "heat_map": _EVERYBODY,
    "candidate": _EVERYBODY,
    "gate_values": _EVERYBODY,
    "gate_rules": _EVERYBODY,
    "insight": _EVERYBODY,
    "evaluation": _EVERYBODY,
    "runs": _EVERYBODY,
    "lexicon_current": _EVERYBODY,
    "lexicon_show": _EVERYBODY,
    "lexicon_log": _EVERYBODY,
    "lexicon_diff": _EVERYBODY,
    "policy": _EVERYBODY,
    "views": _EVERYBODY,
    "save_view": _EVERYBODY,
    "delete_view": _EVERYBODY,
    "methods": _EVERYBODY,
    "releases": _EVERYBODY,
    # judge
    "decide": _READERS,
    "undo": _READERS,
    "flag": _READERS,
    "clear_flag": _READERS,
    "choose": _READERS,
    "regenerate": _READERS,
    "compare": _READERS,
    "reproduce": _READERS,
    "approve_all": _READERS,
    "approve_preview": _READERS,
    "take": _READERS,
    "take_next": _READERS,
    "upcoming": _READERS,
    "release_hold": _READERS,
    "save_draft": _READERS,
    "lexicon_impact": _READERS,
    "lexicon_pieces": _READERS,
    "lexicon_draft": _READERS,
    "save_lexicon_draft": _READERS,
    "filter_text": _READERS,
    # answer for the workspace
    "lexicon_edit": _OFFICER,
    "lexicon_revert": _OFFICER,
    "set_policy": _OFFICER,
    "release": _OFFICER,
    "release_preview": _READERS,
    "verify": _EVERYBODY,
    "audit": _OPERATORS,
    "audit_verify": _OPERATORS,
    # run it
    "import_": _OPERATORS,
    "generate": _OPERATORS,
    "control": _OPERATORS,
    "users": _ADMINISTRATOR,
    "add_user": _ADMINISTRATOR,
    "remove_user": _ADMINISTRATOR,
}
PHI_ROLES = _READERS
"""Roles that see original reports, original images and source names."""


def may(actor: Actor, verb: str) -> bool:
    """True where the table gives this verb to the actor's role; unknown verbs and roles get nothing."""
    return actor.role in ROLE_VERBS.get(verb, frozenset())


def refuse(actor: Actor, verb: str) -> NotAllowed:
    """The error for a verb that the actor's role does not carry."""
    who = ", ".join(sorted(ROLE_VERBS.get(verb, frozenset()))) or "nobody"
    return NotAllowed(f"The role {actor.role} may not do this ({verb}). It takes one of: {who}.")
