"""How the report filter grows: a finder is one file and a place in FINDERS, a category is one row."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from updp_core.lexicon import Lexicon, load_lexicon
from updp_core.report.categories import CATEGORIES, OTHER, category_of, of_label, rank_of
from updp_core.report.filter import FINDERS, find_spans
from updp_core.report.words import Piece, Reading

ROOT = Path(__file__).resolve().parents[2]
LEXICON = load_lexicon()

PLATES = '''"""Licence plates, as ambulance services write them into a request."""

import re

from updp_core.report.words import Piece, Reading

_PLATE = re.compile(r"(?i)ambulance ([A-Z]{2} [A-Z]{2})")


def find(reading: Reading) -> list[Piece]:
    """Plates behind the word ambulance."""
    return [Piece(*m.span(1), "vehicles", "plate", "context") for m in _PLATE.finditer(reading.text)]
'''
ROW = '    Category("vehicles", "[VEHICLE]", "vehicle"),\n'


def test_a_finder_of_a_new_category_takes_one_file_its_place_and_one_row(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "updp_core", tmp_path / "updp_core", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "lexicons", tmp_path / "lexicons")
    (tmp_path / "data").symlink_to(ROOT / "data")
    room = tmp_path / "updp_core" / "report"
    (room / "plates.py").write_text(PLATES)
    _put(room / "filter.py", "names, ner, patterns, places,", "names, ner, patterns, places, plates,")
    _put(room / "filter.py", "recognisers, ner)", "recognisers, ner, plates)")
    _put(room / "categories.py", '    Category("deid_markers"', ROW + '    Category("deid_markers"')
    code = (
        "from updp_core.lexicon import load_lexicon\n"
        "from updp_core.report import filter_report\n"
        "print(filter_report('Came by ambulance UP DP, lungs are clear.', load_lexicon()).text)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "Came by ambulance [VEHICLE], lungs are clear.", done.stderr


def _put(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, f"{path.name} has no single place for {new!r}"
    path.write_text(text.replace(old, new))


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
