"""The study's own header in a report, however it is written there."""

from __future__ import annotations

import pytest

from updp_core.lexicon import load_lexicon
from updp_core.lexicon.folding import fold
from updp_core.report import filter_report, residual
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


QUISPE = {"patient_name": ["Quispe^Xiomara"], "date": ["20210403"]}


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("quispe_xiomara_cxr.dcm", "quispe xiomara"),
        ("See file cxr_quispe today.", "quispe"),
        ("quispe2 stable", "quispe"),
        ("MrQuispe was seen.", "quispe"),
        ("User xioquispe opened it.", "xio quispe"),
        ("Seen by the Qui\nspe family.", "qui spe"),
        ("Seen by the Quis-\npe family.", "quis pe"),
        ("Image 4_3_2021 is clear.", "4_3_2021"),
        ("Image 4⁄3⁄2021 is clear.", "2021"),
        ("Image 4∕3∕2021 is clear.", "2021"),
        ("Image cxr_03apr2021 is clear.", "apr 2021"),
        ("Image 3. April 2021 is clear.", "april 2021"),
    ],
)
def test_name_and_date_of_the_header_go_from_file_names_user_names_and_broken_lines(text: str, gone: str) -> None:
    done = filter_report(text, LEXICON, QUISPE)
    assert [piece for piece in gone.split() if piece in done.text.lower()] == []
    assert residual(done, LEXICON, QUISPE) == []


@pytest.mark.parametrize(
    ("name", "text", "written"),
    [
        ("王^小明", "患者王小明有胸腔积液。", "王小明"),
        ("김^철수", "환자 김철수는 폐렴이 있다.", "김철수"),
        ("ใจดี^สมชาย", "ผู้ป่วยสมชายใจดีมีปอดบวม", "สมชายใจดี"),
        ("Yamada^Taro=山田^太郎=やまだ^たろう", "山田太郎さん", "山田太郎"),
        ("Yamada^Taro=山田^太郎=やまだ^たろう", "やまださん", "やまだ"),
        ("Kumar^Rajesh=राजेश कुमार", "रोगी राजेश कुमार को", "कुमार"),
        ("الكويسبي^خالد", "المريض والكويسبي", "الكويسبي"),
    ],
)
def test_a_name_is_found_in_scripts_that_part_no_words_and_in_every_group_of_its_value(
    name: str, text: str, written: str
) -> None:
    assert written in found(text, "patient_name", name)


def test_a_name_inside_of_whitelisted_words_takes_none_of_them() -> None:
    text = "There is pneumothorax, edema and cardiomegaly in\nthe lung; no effusion."
    assert found(text, "patient_name", "Pneum^Cardio") == found(text, "patient_name", "Inthe^Megal") == set()


def test_a_name_that_is_an_ordinary_word_counts_in_a_file_name_and_not_in_a_sentence() -> None:
    text = "see cxr_gray.dcm by egray; gray matter"
    assert found(text, "patient_name", "Gray^Edward") == {"gray", "egray"}
    assert filter_report(text, LEXICON, {"patient_name": ["Gray^Edward"]}).text.endswith("gray matter")
