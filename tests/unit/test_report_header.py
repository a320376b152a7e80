"""The study's own header in a report, however it is written there."""

from __future__ import annotations

import pytest

from updp_core.lexicon import load_lexicon
from updp_core.lexicon.folding import fold
from updp_core.report.header_values import find
from updp_core.report.words import Reading

LEXICON = load_lexicon()


def found(text: str, kind: str, value: str) -> set[str]:
    plain = fold(text, casefold=False).text
    return {plain[hit.start : hit.end] for hit in find(Reading(plain, LEXICON, {kind: [value]}))}


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("Łuczkiewicz^Zdzisława", "zdzislawa luczkiewicz"),
        ("NUNEZ^MARIBEL", "Nuñez"),
        ("Müllenscheid^Jürgen", "Muellenscheid"),
        ("Muellenscheid^A", "Müllenscheid"),
        ("O'Brogan^A", "OBROGAN"),
        ("VAN DER ZANDT^A", "VanDerZandt"),
        ("Quillby^Mortimer", "MortimerQuillby"),
    ],
)
def test_a_name_is_found_without_its_accents_umlauts_apostrophes_or_blanks(value: str, written: str) -> None:
    assert written in found(f"Report for {written} of today.", "patient_name", value)


def test_a_number_is_found_in_the_digits_of_another_script() -> None:
    assert found("Number ١٢٣٤٥٦٧.", "patient_id", "1234567") == {"١٢٣٤٥٦٧"}


def test_other_spellings_of_a_short_name_hit_no_ordinary_word() -> None:
    assert found("No pneumothorax. Suspected edema goes on.", "patient_name", "Noe^Sue") == set()
