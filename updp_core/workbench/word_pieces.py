"""What a change of the blacklist means for the encoder's word pieces: which are masked, which are free again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from updp_core.config import Settings
from updp_core.workbench.desk import Desk
from updp_core.workbench.shapes import Piece, Pieces

if TYPE_CHECKING:
    from updp_core.backends.vocabulary import Vocabulary
    from updp_core.lexicon import Lexicon

Terms = Mapping[str, Mapping[str, Sequence[str]]]
MOST_TERMS = 200
"""Terms that are told one by one."""


def pieces(desk: Desk, add: Terms, remove: Terms) -> Pieces:
    """See Workbench.lexicon_pieces."""
    from updp_core.backends.presets import load_preset_words, resolve
    from updp_core.lexicon import diff, edit
    from updp_core.prompt.constraint import hits_in, tokens_that_read_as

    with desk.store.read() as tx:
        _, old = desk.lexicon(tx)
    new = edit(old, add=add, remove=remove)
    change = diff(old, new)
    encoder = load_preset_words(resolve(desk.settings).encoder)
    words: Vocabulary = encoder.vocabulary

    def turned(terms: Mapping[str, Sequence[str]], other: Lexicon) -> dict[str, list[int]]:
        """Term -> tokens that it alone decides about: `other`, the lexicon without it, does not mask them."""
        by_term: dict[str, list[int]] = {}
        for token, found in tokens_that_read_as(_only(terms), words).items():
            if not hits_in(other, words.texts[token]):
                for term in found:
                    by_term.setdefault(term, []).append(token)
        return by_term

    added, removed = change.added.get("blacklist", {}), change.removed.get("blacklist", {})
    masked, freed = turned(added, old), turned(removed, new)
    asked = sorted(term for terms in added.values() for term in terms)
    return {
        "encoder": _name(desk.settings),
        "size": int(words.usable.sum()),
        "masked": len({token for tokens in masked.values() for token in tokens}),
        "freed": len({token for tokens in freed.values() for token in tokens}),
        "terms": [
            {
                "term": term,
                "masked": [_piece(words, token) for token in masked.get(term, [])],
                "reads": [_piece(words, token) for token in encoder.encode_ids(term)],
            }
            for term in asked[:MOST_TERMS]
        ],
        "more": max(0, len(asked) - MOST_TERMS),
        "free_again": [_piece(words, token) for tokens in freed.values() for token in tokens][:MOST_TERMS],
    }


def _only(terms: Mapping[str, Sequence[str]]) -> Lexicon:
    from updp_core.lexicon import Lexicon as Make

    return Make(blacklist={category: tuple(some) for category, some in terms.items()})


def _piece(words: Vocabulary, token: int) -> Piece:
    return {
        "text": words.texts[token],
        "joins_left": bool(words.joins_left[token]),
        "joins_right": bool(words.joins_right[token]),
    }


def _name(settings: Settings) -> str:
    """How the page names the encoder. A folder is not told: its path may name people."""
    from updp_core.backends import files
    from updp_core.backends.presets import resolve

    source = resolve(settings).encoder
    if files.local_folder(source) is None:
        return source.removeprefix(files.HUB)
    return "your own encoder" if settings.encoder else f"{settings.preset} encoder"
