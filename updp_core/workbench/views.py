"""Saved views: a filter and an order of the queue under a name."""

from __future__ import annotations

import json

from updp_core.domain import Actor, Sort
from updp_core.errors import UsageError
from updp_core.store.schema import SavedView as SavedViewRow
from updp_core.store.store import canonical
from updp_core.workbench import queue
from updp_core.workbench.desk import Noun
from updp_core.workbench.roles import EVERYBODY, verb
from updp_core.workbench.shapes import Filters, SavedView


class Views(Noun):
    """Save, list and remove views."""

    @verb(EVERYBODY)
    def views(self, *, actor: Actor) -> list[SavedView]:
        """The actor's saved views and the shared ones."""
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
        ]

    @verb(EVERYBODY)
    def save_view(
        self, name: str, *, actor: Actor, filters: Filters = Filters(), sort: Sort = "imported", shared: bool = False
    ) -> None:
        """Save a filter under a name; the same name of the same person is replaced."""
        name = name.strip()
        if not 1 <= len(name) <= 60:
            raise UsageError("A view's name has 1 to 60 characters.")
        queue.order(sort)
        with self.desk.store.write() as tx:
            tx.run("DELETE FROM saved_view WHERE owner = :me AND name = :n", me=actor.name, n=name)
            tx.insert(
                "saved_view",
                owner=actor.name,
                name=name,
                shared=shared,
                filters_json=canonical(filters.to_dict()),
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
