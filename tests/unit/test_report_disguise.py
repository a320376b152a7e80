"""Text that hides text: a planted name goes however it is disguised, and nothing unseen stays in a filtered report."""

from __future__ import annotations

import base64
import urllib.parse
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from updp_core.lexicon import load_lexicon
from updp_core.lexicon.folding import fold, word_list
from updp_core.report import filter_report, residual
from updp_core.report.filter import find_spans

LEXICON = load_lexicon()
HEADER = {"patient_name": ["QUILLFEATHER^ZEBEDIAH"], "patient_id": ["7734129"]}
SMALL = dict(zip("abcdefghijklmnopqrstuvwyz", "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡʏᴢ", strict=True))
ALIKE = str.maketrans("aeiopcxyAEIOPCXTHBKM", "аеіорсхуАЕІОРСХТНВКМ")


def between(sign: str) -> Callable[[str], str]:
    return lambda name: sign.join(name)


def after_each(sign: str) -> Callable[[str], str]:
    return lambda name: "".join(c + sign for c in name)


def moved(first: int, capital: int | None = None) -> Callable[[str], str]:
    """Letters of another alphabet of Unicode, a to z from `first` on."""
    start = capital or first
    return lambda name: "".join(
        chr(start + ord(c) - 65) if c.isupper() else chr(first + ord(c.lower()) - 97) if c.isalpha() else c
        for c in name
    )


WAYS: dict[str, Callable[[str], str]] = {
    "zero-width space": between("\u200b"),
    "zero-width joiner": between("\u200d"),
    "word joiner": between("\u2060"),
    "soft hyphen": between("\u00ad"),
    "byte order mark": between("\ufeff"),
    "grapheme joiner": after_each("\u034f"),
    "variation selector": after_each("\ufe0f"),
    "rare variation selector": after_each("\U000e0121"),
    "tag in each gap": between("\U000e0041"),
    "struck through": after_each("\u0336"),
    "slashed": after_each("\u0338"),
    "ringed": after_each("\u20dd"),
    "combining marks": after_each("\u0301\u0323"),
    "stacked marks": after_each("\u0300\u0316\u0334\u0347\u0353"),
    "Hangul filler": between("\u3164"),
    "look-alike letters": lambda name: name.translate(ALIKE),
    "full width": moved(0xFF41, 0xFF21),
    "mathematical bold": moved(0x1D41A, 0x1D400),
    "double-struck": moved(0x1D552),
    "circled": moved(0x24D0, 0x24B6),
    "black squares": moved(0x1F170),
    "flags": moved(0x1F1E6),
    "small capitals": lambda name: "".join(SMALL.get(c.lower(), c) for c in name),
    "spaced": between(" "),
    "dotted": between("."),
    "hyphenated": between("-"),
    "underlined": between("_"),
    "spaced capitals": lambda name: " ".join(name.upper()),
    "reversed by an override": lambda name: "\u202e" + name[::-1] + "\u202c",
    "embedded": lambda name: "\u202a" + name + "\u202c",
    "percent": lambda name: "".join(f"%{ord(c):02X}" for c in name),
    "percent here and there": lambda name: (
        name[:2] + urllib.parse.quote(name[2]).replace(name[2], f"%{ord(name[2]):x}") + name[3:]
    ),
    "character references": lambda name: "".join(f"&#{ord(c)};" for c in name),
    "hexadecimal references": lambda name: "".join(f"&#x{ord(c):x};" for c in name),
    "escapes": lambda name: "".join(f"\\u{ord(c):04x}" for c in name),
    "bytes": lambda name: "".join(f"\\x{ord(c):02x}" for c in name),
    "base 64": lambda name: base64.b64encode(name.encode()).decode(),
    "base 64 for addresses": lambda name: base64.urlsafe_b64encode(name.encode()).decode().rstrip("="),
    "base 32": lambda name: base64.b32encode(name.encode()).decode(),
    "hexadecimal": lambda name: name.encode().hex(),
    "MIME word": lambda name: f"=?utf-8?b?{base64.b64encode(name.encode()).decode()}?=",
}
CARRIERS = ("The lungs of {} are clear.", "Heart size is normal. {} has no effusion.", "No change.\nSeen: {}\nStable.")


def is_gone(piece: str, text: str) -> bool:
    gone = {i for span in find_spans(text, LEXICON, HEADER) for i in range(span.start, span.end)}
    start = text.index(piece)
    return all(i in gone for i in range(start, start + len(piece)) if text[i].isalnum())


@pytest.mark.parametrize("way", WAYS)
def test_a_name_of_the_header_goes_in_every_disguise(way: str) -> None:
    for name in ("Quillfeather", "Zebediah"):
        written = WAYS[way](name)
        for carrier in CARRIERS:
            text = carrier.format(written)
            assert is_gone(written, text), (text, find_spans(text, LEXICON, HEADER))


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["Quillfeather", "Zebediah", "Zebediah Quillfeather", "QUILLFEATHER"]),
    st.lists(
        st.sampled_from(
            [
                way
                for way in WAYS
                if way
                in (
                    "zero-width space",
                    "soft hyphen",
                    "variation selector",
                    "struck through",
                    "look-alike letters",
                    "grapheme joiner",
                    "combining marks",
                    "tag in each gap",
                )
            ]
        ),
        max_size=3,
    ),
    st.sampled_from(CARRIERS),
    st.text(alphabet="\u200b\u200c\u2063\U000e0061\ufe01 ab.\n", max_size=12),
)
def test_disguises_over_each_other_leave_no_letter_and_offsets_are_the_originals(name, ways, carrier, noise) -> None:
    written = name
    for way in ways:
        written = WAYS[way](written)
    text = noise + carrier.format(written)
    assert is_gone(written, text)
    done = filter_report(text, LEXICON, HEADER)
    assert residual(done, LEXICON, HEADER) == []
    assert "quillfeather" not in fold(done.text).text and "zebediah" not in fold(done.text).text
    kept = [
        text[a:b]
        for a, b in zip([0, *(s.end for s in done.spans)], [*(s.start for s in done.spans), len(text)], strict=True)
    ]
    at = 0
    for piece in kept:
        at = done.text.index(piece, at) + len(piece)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from("01"), min_size=1, max_size=40),
    st.sampled_from(["\u200b\u200c", "\ufe00\ufe01", "\u2061\u2062"]),
)
def test_bits_in_unseen_characters_do_not_leave(bits: list[str], pair: str) -> None:
    words = word_list("The heart size is normal and the lungs are clear of any focal disease")
    text = " ".join(word + (pair[int(bits[i])] if i < len(bits) else "") for i, word in enumerate(words))
    assert filter_report(text, LEXICON).text == " ".join(words)


def test_a_message_in_tag_characters_does_not_leave() -> None:
    message = "".join(chr(0xE0000 + ord(c)) for c in "MRN 7734129")
    assert filter_report(f"No{message} effusion.", LEXICON).text == "No effusion."


@pytest.mark.parametrize(
    "text",
    [
        "FINDINGS: Cardiomegaly. Cholecystectomy clips. Hepatosplenomegaly, pneumoperitoneum, bronchopneumonia.",
        "Ejection fraction of 50%. FiO2 of 40% and falling. Decreased by 10% & stable. Levels A, B, C and D.",
        "Nodules 1 2 and 3. T 4 to T 5. Café-au-lait spots, naïve, Sjögren syndrome, 5 µm, 37 °C, ± 2.",
        "Follow-up/re-evaluation of hypertrophic/osteoarthritic changes, sub-centimeter; cardiomediastinal silhouette.",
        "•\u00a0Heart size is normal\u00a0– no effusion… “stable”",
    ],
)
def test_what_a_report_needs_is_no_disguise(text: str) -> None:
    spans = [s for s in find_spans(text, LEXICON) if not s.rule.startswith("lexicon")]
    assert [(text[s.start : s.end], s.rule) for s in spans] == []


def test_a_word_of_the_whitelist_in_full_width_or_bold_stays() -> None:
    for text in ("Ｅｆｆｕｓｉｏｎ.", "no 𝐞𝐟𝐟𝐮𝐬𝐢𝐨𝐧"):
        assert find_spans(text, LEXICON) == []
