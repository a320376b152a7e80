"""What a lexicon promises: terms are found however they are written, and no list can contradict the other."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from updp_core.errors import LexiconError
from updp_core.lexicon import Lexicon, diff, edit, load_lexicon

SHIPPED = load_lexicon()
HIPAA_CATEGORIES = {
    "titles_and_names",
    "personnel",
    "contact",
    "locations",
    "dates_and_times",
    "demographics",
    "institutions",
    "identifiers",
    "device_serials",
    "deid_markers",
}


def write(folder: Path, **files: bytes) -> Path:
    for name in ("blacklist", "whitelist"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "some.txt").write_bytes(files.get(name, b"lung\n" if name == "whitelist" else b"mrn\n"))
    return folder


def test_shipped_lexicon_covers_the_hipaa_categories_and_600_terms():
    assert set(SHIPPED.blacklist) >= HIPAA_CATEGORIES
    assert len(SHIPPED.preferred_terms) >= 600


def test_no_shipped_term_is_on_both_lists_or_twice_on_one():
    assert not SHIPPED.forbidden_terms.keys() & SHIPPED.preferred_terms.keys()
    for terms in (SHIPPED.blacklist, SHIPPED.whitelist):
        flat = [t for category in terms.values() for t in category]
        assert len(flat) == len(set(flat))


def test_no_whitelisted_term_holds_something_forbidden():
    assert {t: SHIPPED.forbidden_in(t) for t in SHIPPED.preferred_terms if SHIPPED.forbidden_in(t)} == {}


@pytest.mark.parametrize(
    "text",
    [
        "MRN",
        "mrn",
        "(Mrn)",
        "ＭＲＮ",
        "m\u200brn",
        "m\u00adrn",
        "date-of-birth",
        "date - of - birth",
        "DATE\nOF BIRTH",
        "sen\u0303ora",
        "john's",
        "ΜRΝ",
        "jоhn",
        "ЈОНN",
    ],
)
def test_a_forbidden_term_is_found_however_it_is_written(text):
    hits = SHIPPED.forbidden_in(f"see {text} here")
    assert hits
    assert all(4 <= hit.start < hit.end <= 4 + len(text) for hit in hits)


@pytest.mark.parametrize(
    "text",
    [
        "03/04/2021",
        "03 / 04 / 2021",
        "2021-03-04",
        "4.3.21",
        "march 4th",
        "4 march",
        "the fifth of march",
        "may 2",
        "in 2021",
        "14:35",
        "2:30 pm",
        "123456",
        "123 - 45 - 6789",
        "ab12345",
        "j@x.org",
        "j @ x . org",
        "www.x.org",
        "65 - year - old",
        "65 y/o",
        "65yo",
        "aged 65",
        "in her early sixties",
        "___",
        "_ _ _",
        "XXXX",
        "[**Name**]",
        "[ redacted ]",
    ],
)
def test_patterns_that_no_list_can_hold_are_forbidden_in_prompts(text):
    assert SHIPPED.forbidden_in(f"opacity {text} lung")


@pytest.mark.parametrize(
    "text",
    [
        "may represent an old rib fracture, gray white interface, right hilum, x-ray",
        "2.5 cm nodule, 3 x 4 cm, t4 - t5 level, ribs 4 to 7",
        "mediastinal contours are normal, no acute disease",
        "mayor johnsonian drift",
    ],
)
def test_words_of_a_report_are_not_forbidden(text):
    assert SHIPPED.forbidden_in(text) == []


def test_whole_words_only():
    lexicon = Lexicon({"names": ("ann",)})
    assert not lexicon.forbidden_in("annular cannula")
    assert [hit.term for hit in lexicon.forbidden_in("Ann, ann-marie; ANN")] == ["ann"] * 3


@given(st.text(max_size=80), st.text(max_size=80))
def test_a_planted_term_is_found_at_its_place_in_any_text(before, after):
    hits = SHIPPED.terms_in(f"{before} | accession number | {after}")
    start = len(before) + 3
    assert any(hit.start == start and hit.end == start + len("accession number") for hit in hits)


def test_digest_depends_on_the_terms_alone():
    a = Lexicon({"x": ("B", "a"), "empty": ()}, {"y": ("lung",)})
    b = Lexicon({"x": ("a", "b", "Ｂ")}, {"y": ("LUNG",)})
    assert a == b and a.digest == b.digest and hash(a) == hash(b)
    assert a.digest != Lexicon({"x": ("a",)}, {"y": ("lung",)}).digest
    assert pickle.loads(pickle.dumps(a)).digest == a.digest
    assert Lexicon.from_dict(SHIPPED.to_dict()) == SHIPPED


TERMS = st.sets(st.sampled_from(["ann", "bob", "lung", "rib", "old man", "st. mary"]), max_size=6)


@given(TERMS, TERMS, TERMS, TERMS)
def test_diff_and_edit_are_inverse(black_a, white_a, black_b, white_b):
    a = Lexicon({"p": tuple(black_a)}, {"q": tuple(white_a - black_a)})
    b = Lexicon({"p": tuple(black_b)}, {"q": tuple(white_b - black_b)})
    change = diff(a, b)
    assert edit(a, add=change.added, remove=change.removed) == b
    assert bool(change) == (a != b)


def test_blacklisting_a_whitelisted_term_takes_it_off_the_whitelist():
    before = Lexicon({"p": ("mrn",)}, {"q": ("effusion", "lung")})
    after = edit(before, add={"blacklist": {"custom": ["Effusion"]}})
    assert after.blacklist["custom"] == ("effusion",) and after.whitelist == {"q": ("lung",)}
    assert before.whitelist["q"] == ("effusion", "lung")


@pytest.mark.parametrize(
    "change",
    [
        {"add": {"whitelist": {"q": ["mrn"]}}},
        {"remove": {"blacklist": {"p": ["absent"]}}},
        {"add": {"greylist": {"q": ["a"]}}},
        {"add": {"blacklist": {"Bad Name": ["a"]}}},
        {"add": {"blacklist": {"p": ["a\x00b"]}}},
        {"add": {"blacklist": {"p": ["  "]}}},
        {"add": {"blacklist": {"p": ["a" * 200]}}},
    ],
)
def test_an_edit_that_cannot_be_right_is_refused(change):
    with pytest.raises(LexiconError):
        edit(Lexicon({"p": ("mrn",)}, {"q": ("lung",)}), **change)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"whitelist": b"# a\nlung\nMRN\n"}, ["whitelist/some.txt, line 3", "blacklist/some.txt, line 1"]),
        ({"whitelist": b"# nothing\n\n"}, ["whitelist/some.txt", "no term"]),
        ({"blacklist": b"mrn\nna\x07me\n"}, ["blacklist/some.txt, line 2", "control"]),
        ({"blacklist": b"mrn\nse\xf1or\n"}, ["blacklist/some.txt, line 2", "UTF-8"]),
    ],
)
def test_a_bad_file_is_named_with_its_line(tmp_path, files, words):
    with pytest.raises(LexiconError) as error:
        load_lexicon(write(tmp_path, **files))
    assert all(word in str(error.value) for word in words)


def test_a_folder_without_lists_is_named(tmp_path):
    with pytest.raises(LexiconError, match="blacklist"):
        load_lexicon(tmp_path)


def test_comments_and_blank_lines_and_windows_line_ends_are_fine(tmp_path):
    folder = write(tmp_path, whitelist="\ufeff# head\r\n\r\nLung  Base # note\r\nrib\r\n".encode())
    assert load_lexicon(folder).whitelist == {"some": ("lung base", "rib")}
