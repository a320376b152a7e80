"""What a person has begun and not finished, so that leaving the desk loses nothing: a comment, a change of the lists.

Drafts are working state: no audit event tells of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from updp_core.atomic import canonical
from updp_core.domain import Actor
from updp_core.errors import UsageError
from updp_core.lexicon.folding import fold_term
from updp_core.store.schema import LexiconDraft as LexiconDraftRow
from updp_core.store.store import known, now
from updp_core.workbench.desk import Noun
from updp_core.workbench.roles import READERS, verb
from updp_core.workbench.shapes import LexiconDraft, Terms

if TYPE_CHECKING:
    from updp_core.lexicon import Lexicon

MAX_COMMENT_DRAFT = 20_000
MAX_LEXICON_DRAFT = 2_000_000
"""Characters: a pasted list of 100,000 names fits."""


class Drafts(Noun):
    """Keep and read drafts; the one of a record is read in `show`."""

    @verb(READERS)
    def save_draft(self, record: str, draft: Mapping[str, Any], *, actor: Actor) -> None:
        """Keep the actor's unfinished comment and reasons for a record; an empty draft removes it. Read in `show`."""
        content = canonical(dict(draft))
        if len(content) > MAX_COMMENT_DRAFT:
            raise UsageError(f"The draft is longer than {MAX_COMMENT_DRAFT} characters.")
        with self.desk.store.write() as tx:
            known(tx.value("SELECT 1 FROM record WHERE id = :r", r=record), f"record {record}")
            tx.run("DELETE FROM draft WHERE record = :r AND owner = :me", r=record, me=actor.name)
            if draft:
                tx.insert("draft", record=record, owner=actor.name, content_json=content, saved_at=now())

    @verb(READERS)
    def lexicon_draft(self, *, actor: Actor) -> LexiconDraft:
        """The actor's unsaved changes of the lists."""
        with self.desk.store.read() as tx:
            current, lexicon = self.desk.lexicon(tx)
            row = tx.get(LexiconDraftRow, owner=actor.name)
        kept: dict[str, Any] = {"add": {}, "remove": {}, "comment": "", "version": current}
        if row:
            kept = json.loads(row.content_json)
        # What has come into force since, by whomever, is no longer a change.
        add = _each(kept["add"], lambda which, category, term: term not in _terms(lexicon, which, category))
        remove = _each(kept["remove"], lambda which, category, term: term in _terms(lexicon, which, category))
        return {
            "add": add,
            "remove": remove,
            "comment": kept["comment"],
            "terms": _count(add) + _count(remove),
            "version": kept["version"],
            "current": current,
            "saved_at": row.saved_at if row else "",
        }

    @verb(READERS)
    def save_lexicon_draft(
        self,
        *,
        actor: Actor,
        add: Terms | None = None,
        remove: Terms | None = None,
        comment: str = "",
        version: int | None = None,
    ) -> None:
        """Keep the actor's unsaved changes in place of those before; none of them and no comment discards them.

        `version` is the one that the first of them was begun on (by default the one in force).
        """
        content = {"add": _each(add or {}, _any), "remove": _each(remove or {}, _any), "comment": comment}
        with self.desk.store.write() as tx:
            before = tx.value("SELECT content_json FROM lexicon_draft WHERE owner = :me", me=actor.name)
            begun = json.loads(before)["version"] if before else version or self.desk.lexicon(tx)[0]
            text = canonical({**content, "version": begun})
            if len(text) > MAX_LEXICON_DRAFT:
                raise UsageError(
                    f"The unsaved changes are longer than {MAX_LEXICON_DRAFT} characters. Save a part of them first."
                )
            tx.run("DELETE FROM lexicon_draft WHERE owner = :me", me=actor.name)
            if content["add"] or content["remove"] or comment:
                tx.insert("lexicon_draft", owner=actor.name, content_json=text, saved_at=now())


def _terms(lexicon: Lexicon, which: str, category: str) -> frozenset[str]:
    return frozenset(getattr(lexicon, which).get(category, ())) if which in ("blacklist", "whitelist") else frozenset()


def _any(which: str, category: str, term: str) -> bool:
    return True


def _each(lists: Mapping[str, Mapping[str, Iterable[str]]], wanted: Any) -> dict[str, dict[str, list[str]]]:
    """The terms in normal form, once each, in the order given, without what is not wanted; no empty category."""
    kept: dict[str, dict[str, list[str]]] = {}
    for which, categories in lists.items():
        for category, terms in categories.items():
            some = [t for term in dict.fromkeys(map(fold_term, terms)) if (t := term) and wanted(which, category, t)]
            if some:
                kept.setdefault(which, {})[category] = some
    return kept


def _count(lists: Mapping[str, Mapping[str, Sequence[str]]]) -> int:
    return sum(len(terms) for categories in lists.values() for terms in categories.values())
