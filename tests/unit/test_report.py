"""What the report filter promises: PHI goes however it is written, report words stay, nothing is left."""

from __future__ import annotations

import json
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.real_data import FOLDER as DEV
from tests.real_data import needs_real_data
from updp_core.domain import Span
from updp_core.errors import ModelUnavailable, UsageError
from updp_core.lexicon import Lexicon, edit, load_lexicon
from updp_core.report import filter_report, residual, sections
from updp_core.report.categories import category_of
from updp_core.report.filter import POLICIES, find_spans, prompt_text

LEXICON = load_lexicon()


def removed(text: str, **header: list[str]) -> str:
    """The letters and digits that the filter takes from a text."""
    return " | ".join(text[s.start : s.end] for s in find_spans(text, LEXICON, header or None))


def is_gone(piece: str, text: str, **header: list[str]) -> bool:
    """Whether every letter and digit of the piece is inside a span."""
    covered = {i for s in find_spans(text, LEXICON, header or None) for i in range(s.start, s.end)}
    start = text.index(piece)
    return all(i in covered for i in range(start, start + len(piece)) if text[i].isalnum())


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        # names
        ("Seen by Dr. Gray today.", "Gray"),
        ("discussed with Dr. A. Okonkwo-Lind.", "Okonkwo-Lind"),
        ("The patient, Xiomara Q., was scanned.", "Xiomara Q."),
        ("Mrs. Bone is here.", "Bone"),
        ("Name: STRONG, INGRID I\nMRN: 22672184", "STRONG, INGRID I"),
        ("Name: MAY^LINDA", "MAY^LINDA"),
        ("Dictated by: Xavier Quux, MD", "Xavier Quux"),
        ("cc: Wanjiru Achterberg, DO", "Wanjiru Achterberg"),
        ("read with patricia hernandez at the desk", "patricia hernandez"),
        ("Seеn by Dr. Кіm, МRN: 1234567", "1234567"),
        ("as Раtriсіа Неrnаndеz said", "Раtriсіа Неrnаndеz"),  # some letters are Cyrillic, as in the line before
        ("no change. JD/mt", "JD/mt"),
        ("Findings reported to Marcus V.\nCarver, MD.", "Marcus V.\nCarver"),
        ("O'Connor, Siobhan M. was seen", "O'Connor"),
        ("PATIENT: OSTLOBERG, RUTH. HEART SIZE IS NORMAL.", "OSTLOBERG, RUTH"),
        ("her daughter, Violet Marsh", "Violet Marsh"),
        # dates and times
        ("on 03/04/2021.", "03/04/2021"),
        ("on 3-4-21.", "3-4-21"),
        ("on 4.3.2021", "4.3.2021"),
        ("2021-03-04T14:35:00", "14:35:00"),
        ("on March 5th, 2021", "March 5th, 2021"),
        ("on the fifth of March", "fifth of March"),
        ("from 5 MAR 2021", "5 MAR 2021"),
        ("of the second of\nApril, two thousand nineteen.", "April, two thousand nineteen"),
        ("in 03/2019", "03/2019"),
        ("last Thursday", "Thursday"),
        ("since July 2022", "July 2022"),
        ("compared to 3/15", "3/15"),
        ("at 2:35 PM", "2:35 PM"),
        ("20210304 0601 hours", "0601 hours"),
        ("at 1435 hours", "1435"),
        ("/rk 03/04", "rk 03/04"),
        ("DOB: 1/2/34", "1/2/34"),
        # numbers
        ("MRN: 1234567", "1234567"),
        ("MRN#A-12-34-56", "A-12-34-56"),
        ("Accession No. CR58-1234", "CR58-1234"),
        ("SSN 123-45-6789", "123-45-6789"),
        ("policy ABC123", "ABC123"),
        ("Medicare 1EG4-TE5-MK73", "1EG4-TE5-MK73"),
        ("1.2.840.113619.2.55.3.604688", "1.2.840.113619.2.55.3.604688"),
        ("plate 7ABC123", "7ABC123"),
        ("VIN 1HGCM82633A004352", "1HGCM82633A004352"),
        ("record #EM-3456", "EM-3456"),
        ("Pacemaker serial no. PJN123456S", "PJN123456S"),
        ("S/N ERS173866", "ERS173866"),
        # contact
        ("call 555-123-4567 ext. 12", "555-123-4567 ext. 12"),
        ("Fax: (617) 555-7890", "(617) 555-7890"),
        ("pager 12345", "12345"),
        ("mail j.doe@rad.example.org now", "j.doe@rad.example.org"),
        ("see https://pacs.example.org/study?id=3 there", "https://pacs.example.org/study?id=3"),
        ("from 10.1.2.33", "10.1.2.33"),
        # places
        ("at Mercy General Hospital in Boston, MA 02114", "Mercy General Hospital"),
        ("in Boston, MA 02114.", "Boston, MA 02114"),
        ("seen at St. Brendan's", "St. Brendan's"),
        ("from University Hospital of Lakemont.", "Lakemont"),
        ("lives at 123 Elm Street, Springfield", "123 Elm Street"),
        ("seen at our Chicago clinic", "Chicago clinic"),
        ("P.O. Box 1234", "1234"),
        ("Patient location: Ward 7North", "Ward 7North"),
        ("a resident of Quonochontaug", "Quonochontaug"),
        # demographics
        ("65-year-old white male", "65-year-old white male"),
        ("82 y/o F with cough", "82 y/o F"),
        ("a 45F with cough", "45F"),
        ("in her early sixties", "sixties"),
        ("sixty-five year old", "sixty-five year old"),
        ("aged 71", "aged 71"),
        ("Age/Sex: 29/F", "29/F"),
        ("an elderly Hispanic woman", "elderly"),
        ("black male", "black male"),
    ],
)
def test_phi_goes_however_it_is_written(text, piece):
    assert is_gone(piece, text), removed(text)


@pytest.mark.parametrize(
    "text",
    [
        "Old rib fracture. Old granulomatous disease. White matter and black cassette border.",
        "Opacity may represent scarring. Gray zone. Long segment. Right hilum, hill-shaped. Apex. X-ray.",
        "Heart size is normal. May be due to aspiration. The lungs are clear. No acute disease.",
        "Hill-Sachs deformity. Kerley B lines. Bochdalek hernia. Swan-Ganz catheter tip in the right ventricle.",
        "Nodule of 2.5 x 3.4 cm at T4-T5, ribs 4 to 7, 1/2 of the hemithorax, strength 4/5, BP 120/80 mmHg.",
        "Findings:\n1. Stable cardiomegaly.\n2. Small left pleural effusion, unchanged.\nImpression: As above.",
        "HEART SIZE IS NORMAL. LUNGS ARE CLEAR. NO PNEUMOTHORAX OR PLEURAL EFFUSION. STABLE GRANULOMA.",
        "PA and lateral views of the chest were obtained. AP portable. CT chest. MR imaging. COPD, CHF.",
        "Patient: supine. View: AP. Location: right lower lobe.",
        "Crohn's disease, Parkinson disease, Down syndrome.",
    ],
)
def test_words_of_a_report_stay(text):
    assert removed(text) == ""


def test_whitelist_beats_the_gazetteer_but_not_a_title_a_header_or_the_blacklist():
    assert removed("The gray zone and Gray matter.") == ""
    assert is_gone("Gray", "Dr. Gray agrees.")
    assert is_gone("Gray", "As for Gray, stable.", patient_name=["GRAY^MARY"])
    strict = edit(LEXICON, add={"blacklist": {"custom": ["gray"]}})
    assert [s.rule for s in find_spans("The gray zone.", strict)] == ["lexicon: custom"]


HEADER = {
    "patient_name": ["QUILLFEATHER^ZEBEDIAH^R"],
    "patient_id": ["00-123-45"],
    "physician": ["Tramontane, Ottoline"],
    "institution": ["Saint Osyth Chest Infirmary"],
    "accession": ["zz9plural"],
    "date": ["20210304"],
    "address": ["Gallowglass, Ruritania"],
}


@pytest.mark.parametrize(
    "piece",
    [
        "Zebediah Quillfeather",
        "QUILLFEATHER, ZEBEDIAH R",
        "Z. R. Quillfeather",
        "quillfeather",
        "Quillfeather's",
        "Zebediah",
        "Zebediah Q.",
        "quillfeather_zebediah",
        "0012345",
        "00 123 45",
        "12345",
        "Ottoline",
        "tramontane",
        "O. Tramontane",
        "Saint Osyth Chest Infirmary",
        "SOCI",
        "osyth",
        "ZZ9PLURAL",
        "zz9-plural",
        "3/4/21",
        "04.03.2021",
        "March 4",
        "4th of March",
        "2021-03-04",
        "03042021",
        "Mar 2021",
        "03/04",
        "Gallowglass",
        "ruritania",
    ],
)
def test_what_the_header_says_is_found_in_every_usual_writing(piece):
    text = f"the lungs of {piece} are clear"
    assert is_gone(piece, text, **HEADER), removed(text, **HEADER)


def test_a_header_of_ordinary_words_and_small_numbers_takes_nothing_from_a_normal_report():
    text = "The lungs are clear. A 12 mm nodule in the right upper lobe may represent a granuloma. Long standing."
    header = {"patient_name": ["LONG^MAY"], "patient_id": ["12"], "institution": [""], "date": ["unknown"]}
    assert removed(text, **header) == ""


REPORT = """EXAMINATION: Chest PA and lateral, 03/04/2021 14:35.
INDICATION: 65-year-old white male, Zebediah Quillfeather, MRN: 1234567, old rib fracture. Dr. Gray asked.
FINDINGS: Seen at Mercy General Hospital in Boston, MA 02114. Heart size is normal. May represent scarring.
Compared to March 5th, 2020. Call 555-123-4567. Mr. Quillfeather agrees. jd/mt 03/04 ___ XXXX [**Name**]
"""


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_leaves_nothing_and_keeps_the_rest_byte_for_byte(policy):
    done = filter_report(REPORT, LEXICON, HEADER, policy, b"3")
    assert residual(done, LEXICON, HEADER) == []
    assert residual(done.text, LEXICON, HEADER, done.surrogates) == []
    for word in ("Quillfeather", "1234567", "Gray", "Boston", "2021", "555-123", "65", "___", "XXXX"):
        assert word not in done.text
    assert_rest_is_unchanged(REPORT, done)


def assert_rest_is_unchanged(text: str, done) -> None:
    at, position = 0, 0
    for span in done.spans:
        kept = text[position : span.start]
        assert done.text.startswith(kept, at)
        at += len(kept)
        position = span.end
        following = text[position:] if span is done.spans[-1] else None
        if following is not None:
            assert done.text.endswith(following)
        if not category_of(span.category).placeholder:
            continue
        if done.policy == "placeholder":
            at = done.text.index("]", at) + 1
        elif done.policy == "surrogate":
            invented = next((s for s in done.surrogates if s.start == at), None)
            at = invented.end if invented else done.text.index("]", at) + 1


def test_spans_are_sorted_apart_and_say_which_rule_fired():
    spans = find_spans(REPORT, LEXICON, HEADER)
    assert all(a.end <= b.start for a, b in pairwise(spans))
    assert all(s.start < s.end and s.rule and s.category for s in spans)
    assert {"header: patient_name", "id: after cue", "age"} <= {s.rule for s in spans}


def test_a_filtered_report_is_a_fixed_point():
    once = filter_report(REPORT, LEXICON, HEADER)
    assert filter_report(once.text, LEXICON, HEADER).text == once.text


def test_stand_ins_are_keyed_consistent_and_never_the_real_thing():
    text = "Zebediah Quillfeather was seen. Zebediah Quillfeather left on 03/04/2021, MRN 1234567."
    one, same, other = (filter_report(text, LEXICON, HEADER, "surrogate", key=key) for key in (b"1", b"1", b"2"))
    assert one.text == same.text != other.text
    first, second = (one.text[s.start : s.end] for s in one.surrogates[:2])
    assert first == second
    for _ in range(30):
        done = filter_report(text, LEXICON, HEADER, "surrogate")
        assert not {"zebediah", "quillfeather", "1234567"} & set(done.text.lower().replace(".", " ").split())
        assert LEXICON.terms_in(done.text) == []


def test_unknown_policy_is_a_usage_error():
    with pytest.raises(UsageError, match="placeholder"):
        filter_report("x", LEXICON, policy="blur")  # type: ignore[arg-type]


def test_prompt_text_holds_no_placeholder_no_marker_and_nothing_forbidden():
    for policy in POLICIES:
        prompt = prompt_text(filter_report(REPORT, LEXICON, HEADER, policy).text, LEXICON)
        assert LEXICON.forbidden_in(prompt) == [] and "[" not in prompt and "_" not in prompt
        assert "Heart size is normal." in prompt and "old rib fracture" in prompt


PIECES = st.sampled_from(
    [
        "Dr. Kim",
        "John",
        "Smith, John A.",
        "MRN 88-12-34",
        "12345",
        "03/04/2021",
        "March 5th",
        "at 14:35",
        "65 y/o M",
        "___",
        "XXXX",
        "Boston",
        "a@b.org",
        "617-555-1234",
        "no pleural effusion",
        "May",
        "Gray",
        "right",
        "normal heart",
        "\n",
        ". ",
        ", ",
        " ",
        "[NAME]",
        "[DATE]",
        "I. M.",
        "St.",
        "Hospital",
        "of",
        "JD/mt",
        "é",
        "ﬁ",
        "\u200b",
        "ＭＲＮ",
        "İ",
        "ß",
        "#",
        "^",
        "'s",
        "Јоhn",
        "Smіth",
        "Μαρία",
    ]
)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.one_of(PIECES, st.text(max_size=8)), max_size=12), st.sampled_from(["", " "]), st.sampled_from(POLICIES)
)
def test_nothing_is_left_of_any_mixture_of_phi_and_words(pieces, between, policy):
    text = between.join(pieces)
    done = filter_report(text, LEXICON, HEADER, policy, text.encode("utf-8", "replace") or b"0")
    assert residual(done, LEXICON, HEADER) == []
    assert_rest_is_unchanged(text, done)
    assert LEXICON.forbidden_in(prompt_text(done.text, LEXICON)) == []


@settings(max_examples=40, deadline=None)
@given(
    st.text(alphabet="abc john ,.-1", max_size=60), st.sets(st.sampled_from(["john", "abc", "a b", "1"]), max_size=3)
)
def test_nothing_is_left_under_any_blacklist(text, terms):
    lexicon = Lexicon({"custom": tuple(terms)})
    done = filter_report(text, lexicon, policy="remove")
    assert residual(done, lexicon) == [] and lexicon.terms_in(done.text) == []


def test_sections_are_parsed_with_text_before_the_first_heading():
    found = sections("Chest.\nFINDINGS: Clear.\nNo effusion.\nIMPRESSION:\n1. Normal.\nFindings: More.")
    assert found == {"": "Chest.", "findings": "Clear.\nNo effusion.\nMore.", "impression": "1. Normal."}
    assert sections("INDICATION: Cough. FINDINGS: Clear.") == {"indication": "Cough.", "findings": "Clear."}
    assert sections("no heading") == {"": "no heading"} and sections("") == {}


@pytest.mark.parametrize("text", ["", " \n\t", "\x00", "\ud7ff", "🫁" * 50, "é" * 50])
def test_odd_texts_are_fine(text):
    assert residual(filter_report(text, LEXICON), LEXICON) == []


@pytest.mark.parametrize(
    "text",
    [
        "1" * 50_000,
        "1-" * 25_000,
        "A " * 25_000,
        "John " * 5_000,
        "a@" * 25_000,
        "1/" * 25_000,
        "(" * 50_000,
        "x" * 50_000,
        "_" * 50_000,
        "patient: " * 5_000,
        "Hospital of " * 4_000,
        "a.b" * 15_000,
        "\n" * 50_000,
        "A1-" * 16_000,
        "march " * 8_000,
        "St. " * 12_000,
        "A^" * 25_000,
        "www." * 12_000,
        "Okwuosa " * 6_000,
    ],
    ids=lambda t: t[:12].encode("unicode_escape").decode(),
)
def test_pathological_texts_do_not_blow_up(text):
    find_spans("warm", LEXICON)
    start = time.process_time()
    find_spans(text, LEXICON)
    assert time.process_time() - start < 8


def test_nothing_reaches_for_the_network(monkeypatch):
    import socket

    def refuse(*_args, **_kwargs):
        raise AssertionError("a network call")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    from updp_core.report.recognisers import _presidio

    _presidio.cache_clear()
    assert is_gone("a.b@mail.example.co.uk", "to a.b@mail.example.co.uk or http://x.example.com/y")
    _presidio.cache_clear()


def test_a_model_of_ones_own_adds_spans_and_spares_report_words():
    def model(text: str) -> list[Span]:
        pieces = ("flibber", "right lower lobe")
        return [Span(text.index(p), text.index(p) + len(p), "ner: PATIENT", "names") for p in pieces if p in text]

    text = "flibber has a right lower lobe opacity"
    done = filter_report(text, LEXICON, ner=model)
    assert done.text == "[NAME] has a right lower lobe opacity"
    assert done.spans[0].rule == "ner: PATIENT"


def test_a_token_classification_folder_loads_as_a_model(tmp_path):
    import torch
    from transformers import BertConfig, BertForTokenClassification, BertTokenizerFast

    from updp_core.report.ner import load_ner

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "flibber", "has", "a", "cough"]
    tokenizer = BertTokenizerFast(vocab={word: i for i, word in enumerate(words)})
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=32,
        id2label={0: "O", 1: "B-PATIENT"},
        label2id={"O": 0, "B-PATIENT": 1},
    )
    model = BertForTokenClassification(config).eval()
    with torch.no_grad():
        # A model that knows one name: the output reads the word embedding of "flibber" alone.
        model.bert.encoder.layer = torch.nn.ModuleList()
        direction = torch.zeros(16)
        direction[0] = 50.0
        model.bert.embeddings.word_embeddings.weight.zero_()
        model.bert.embeddings.word_embeddings.weight[5] = direction
        model.bert.embeddings.position_embeddings.weight.zero_()
        model.bert.embeddings.token_type_embeddings.weight.zero_()
        model.classifier.weight.zero_()
        model.classifier.weight[1, 0] = 10.0
        model.classifier.bias.copy_(torch.tensor([1.0, -1.0]))
    config.num_hidden_layers = 0
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    ner = load_ner(str(tmp_path))
    text = "a cough " * 40 + "flibber has a cough"
    spans = ner(text)
    assert [(text[s.start : s.end], s.category, s.rule) for s in spans] == [("flibber", "names", "ner: PATIENT")]
    assert filter_report(text, LEXICON, ner=ner).text.endswith("[NAME] has a cough")


def test_a_missing_model_says_what_to_do(tmp_path):
    from updp_core.report.ner import load_ner

    with pytest.raises(ModelUnavailable, match="UPDP_NER"):
        load_ner(str(tmp_path / "absent"))


def test_phantom_reports_lose_at_least_99_percent_of_their_planted_phi():
    from benchmarks.report_phi import phantoms, score

    result = score("phantom", list(phantoms(range(60))), LEXICON, 0)
    assert result["all"]["recall"] >= 0.99


@needs_real_data
def test_recall_on_clinical_queries_is_above_85_percent_in_each_category():
    from benchmarks.report_phi import asq, score

    items = list(asq(DEV / "text_phi" / "asq_phi.jsonl"))[::4]
    result = score("asq", items, LEXICON, 0)
    for category in ("names", "dates", "contact", "ids", "locations"):
        assert result[category]["recall"] >= 0.85, (category, result[category])


@needs_real_data
def test_real_reports_lose_under_1_percent_of_their_whitelisted_words(tmp_path):
    from benchmarks.report_phi import keep

    lines = (DEV / "reports_iu" / "iu_reports.csv").read_text("utf-8").splitlines()
    sample = tmp_path / "sample.csv"
    sample.write_text("\n".join(lines[:100]), "utf-8")
    assert keep(sample, LEXICON, 0) < 0.01


def test_spans_survive_json():
    spans = find_spans(REPORT, LEXICON)
    assert json.loads(json.dumps([vars(s) for s in spans]))[0]["rule"] == spans[0].rule


def test_a_name_ends_with_its_line_where_the_next_one_is_another_field() -> None:
    form = (
        "Referring physician: Charles Larsen, M.D.\nDetector: carbon\nAccompanied by: Anthony Ostova\nDetector carbon"
    )
    text = filter_report(form, LEXICON).text
    assert text == "[PERSONNEL]: [NAME]\nDetector: carbon\nAccompanied by: [NAME]\nDetector carbon"


def test_a_name_that_is_broken_over_two_lines_is_found_whole() -> None:
    assert filter_report("Discussed with Dr. Maria\nOstova today.", LEXICON).text == "Discussed with [NAME] today."
