"""Who may do what: each verb names its roles where it stands, and nobody else may do it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from updp_core.domain import ROLES, Actor, Role
from updp_core.errors import NotAllowed

if TYPE_CHECKING:
    from updp_core.workbench.desk import Noun

EVERYBODY: frozenset[Role] = frozenset(ROLES)
READERS: frozenset[Role] = frozenset({"radiologist", "privacy-officer"})
OFFICER: frozenset[Role] = frozenset({"privacy-officer"})
OPERATORS: frozenset[Role] = frozenset({"privacy-officer", "administrator"})
ADMINISTRATOR: frozenset[Role] = frozenset({"administrator"})

PHI_ROLES = READERS
"""Roles that see original reports, original images, source names, and what people put on the lists."""
ROLE_VERBS: dict[str, frozenset[Role]] = {}
"""Verb -> roles that may do it: filled by `verb` as the nouns of `updp_core.workbench` are imported."""
F = TypeVar("F", bound=Callable[..., Any])


def verb(roles: frozenset[Role]) -> Callable[[F], F]:
    """A method of a noun whose keyword `actor` must have one of `roles`; a refusal is audited, and raises NotAllowed.

    Raises ValueError where there is a verb of this name already.
    """

    def entered(function: F) -> F:
        name = function.__name__
        if name in ROLE_VERBS:
            raise ValueError(f"There are two verbs {name!r}.")
        ROLE_VERBS[name] = roles

        @functools.wraps(function)
        def checked(self: Noun, *args: Any, actor: Actor, **kwargs: Any) -> Any:
            if not may(actor, name):
                self.desk.audit_refusal(actor, name)
                raise refuse(actor, name)
            return function(self, *args, actor=actor, **kwargs)

        return cast(F, checked)

    return entered


def may(actor: Actor, verb: str) -> bool:
    """True where the verb names the actor's role; unknown verbs and roles get nothing."""
    return actor.role in ROLE_VERBS.get(verb, frozenset())


def sees_phi(actor: Actor) -> bool:
    """Whether the actor may see patients' data, and whatever may quote it: added terms, comments, digests of both."""
    return actor.role in PHI_ROLES


def refuse(actor: Actor, verb: str) -> NotAllowed:
    """The error for a verb that the actor's role does not carry."""
    who = ", ".join(sorted(ROLE_VERBS.get(verb, frozenset()))) or "nobody"
    return NotAllowed(f"The role {actor.role} may not do this ({verb}). It takes one of: {who}.")
