"""How the report filter grows: a finder is one file and a place in FINDERS, a category is one row."""

from __future__ import annotations

from updp_core.lexicon import Lexicon, load_lexicon
from updp_core.report.categories import CATEGORIES, OTHER, category_of, of_label, rank_of
from updp_core.report.filter import FINDERS, find_spans
from updp_core.report.words import Piece, Reading

LEXICON = load_lexicon()


def test_every_finder_reads_a_reading_and_gives_pieces_of_known_categories() -> None:
    text = "Dr. Kim saw Xiomara Quux at Mercy General Hospital in Boston on 03/04/2021, MRN 1234567. a@mail.example.org"
    names = {category.name for category in CATEGORIES}
    reading = Reading(text, LEXICON, {"patient_name": ["QUUX^XIOMARA"]}, lambda given: find_spans(given, LEXICON))
    for finder in FINDERS:
        found = finder.find(reading)
        assert found and {piece.category for piece in found} <= names
        assert all(0 <= piece.start < piece.end <= len(text) for piece in found)


def test_the_whitelist_saves_by_strength_and_not_by_the_name_of_a_rule() -> None:
    lexicon = Lexicon(whitelist={"anatomy": ("gray zone",)})

    def saved(strength: str, written: str) -> bool:
        return Piece(0, 9, "names", "gazetteer field", "context", strength).yields(written, lexicon)  # type: ignore[arg-type]

    assert [saved(strength, "Gray zone") for strength in ("firm", "doubtful", "weak")] == [False, False, True]
    assert [saved(strength, "gray zone") for strength in ("firm", "doubtful", "weak")] == [False, True, True]
    assert not saved("weak", "Gray^zone") and not saved("weak", "Gray stone")


def test_a_category_of_a_lexicons_own_says_most_and_has_no_stand_in() -> None:
    custom = category_of("house_words")
    assert (custom.placeholder, custom.short, custom.stand_in) == (OTHER, "house words", None)
    assert rank_of("house_words") < rank_of("names") < rank_of("deid_markers")
    assert of_label("PATIENT") == "names" and of_label("no such label") == "identifiers"
