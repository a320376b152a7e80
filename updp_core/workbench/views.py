"""Saved views: a filter and an order of the queue under a name."""

from __future__ import annotations

import json

from updp_core.atomic import canonical
from updp_core.domain import Actor, Sort
from updp_core.errors import UsageError
from updp_core.store.schema import SavedView as SavedViewRow
from updp_core.workbench import queue
from updp_core.workbench.desk import Noun
from updp_core.workbench.roles import EVERYBODY, sees_phi, verb
from updp_core.workbench.shapes import Filters, SavedView
from updp_core.workbench.wording import written

MOST = 100
"""Views of a person."""
LONGEST = 2000
"""Characters of a filter."""


class Views(Noun):
    """Save, list and remove views."""

    @verb(EVERYBODY)
    def views(self, *, actor: Actor) -> list[SavedView]:
        """The actor's saved views and the shared ones; one that searches for words, which may be a name, to readers."""
        with self.desk.store.read() as tx:
            rows = tx.rows(
                SavedViewRow, "SELECT * FROM saved_view WHERE owner = :me OR shared ORDER BY name, owner", me=actor.name
            )
        return [
            {
                "name": row.name,
                "owner": row.owner,
                "shared": row.shared,
                "filters": json.loads(row.filters_json),
                "sort": row.sort,
            }
            for row in rows
            if row.owner == actor.name or sees_phi(actor) or "text" not in json.loads(row.filters_json)
        ]

    @verb(EVERYBODY)
    def save_view(
        self, name: str, *, actor: Actor, filters: Filters = Filters(), sort: Sort = "imported", shared: bool = False
    ) -> None:
        """Save a filter under a name; the same name of the same person is replaced."""
        name, content = written(name), canonical(filters.to_dict())
        if not 1 <= len(name) <= 60:
            raise UsageError("A view's name has 1 to 60 characters.")
        if len(content) > LONGEST:
            raise UsageError(f"This filter is longer than {LONGEST} characters.")
        queue.order(sort)
        with self.desk.store.write() as tx:
            tx.run("DELETE FROM saved_view WHERE owner = :me AND name = :n", me=actor.name, n=name)
            if tx.value("SELECT count(*) FROM saved_view WHERE owner = :me", me=actor.name) >= MOST:
                raise UsageError(f"You have {MOST} saved views, which are the most. Remove one first.")
            tx.insert(
                "saved_view",
                owner=actor.name,
                name=name,
                shared=shared,
                filters_json=content,
                sort=sort,
            )
            tx.audit(actor, "save_view", shared=shared)

    @verb(EVERYBODY)
    def delete_view(self, name: str, *, actor: Actor) -> None:
        """Remove one of the actor's own views."""
        with self.desk.store.write() as tx:
            if not tx.run("DELETE FROM saved_view WHERE owner = :me AND name = :n", me=actor.name, n=name):
                raise UsageError("You have no saved view of this name.")
            tx.audit(actor, "delete_view")
