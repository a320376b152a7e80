"""Trained finders: the recogniser that ships with the starter models, and a model of the house's own (UPDP_NER).

The shipped one is a small spaCy pipeline (see its card, data/models/starter/recogniser). It is asked directly and not
through Presidio's analyzer: the pieces are the same, and the analyzer would read the report a second time for them.
"""

from __future__ import annotations

import re
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

from updp_core.config import STARTER, check_pinned, hub_name
from updp_core.domain import Span
from updp_core.errors import ModelUnavailable
from updp_core.report.categories import of_label
from updp_core.report.light import light_imports
from updp_core.report.words import FILLER, PARTICLES, Ner, Piece, Reading, Word, before_eponym_noun

RECOGNISER = STARTER / "recogniser"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.pickle", "*.joblib", "*.ckpt")
_WORD = re.compile(r"[^\W_]+")
_TELLING = re.compile(r"[^\W\d_]{2}|(?:[0-9]\W?){4}")
# What earlier de-identification left behind reads as what this filter has written itself.
_MARKER = re.compile(r"_{2,}|\b[Xx]{3,}\b")
# Runs without a blank that no name reaches cost spaCy's tokenizer quadratic time; the filter's patterns read them.
_ENDLESS = re.compile(r"\S{200,}")
_BEHIND_COMMA = re.compile(r", {0,2}$")
_NAMING = ("PERSON", "LOCATION", "ORGANISATION")
_one_at_a_time = threading.Lock()


def find(reading: Reading) -> list[Piece]:
    """What the models find. The whitelist saves any piece of the shipped one; of the house's, what is in lower case."""
    text, words = reading.text, reading.words
    at = {word.start: i for i, word in enumerate(words)}
    capitals = any(map(str.isupper, text))
    pieces = [
        Piece(start, end, of_label(label), f"recogniser: {label}", "model", "weak")
        for first, last, label in recognise(_MARKER.sub(lambda mark: FILLER * len(mark[0]), text))
        for start, end in _named(reading, words, at, capitals, first, last, label)
        if _TELLING.search(text, start, end)
    ]
    spans = reading.model(text) if reading.model else ()
    return pieces + [Piece(s.start, s.end, s.category, s.rule, "model", "doubtful") for s in spans]


def _named(
    reading: Reading, words: tuple[Word, ...], at: dict[int, int], capitals: bool, first: int, last: int, label: str
) -> list[tuple[int, int]]:
    """What is left of an entity without the words in lower case that name nobody.

    These are ordinary and whitelisted ones; in a text that uses capitals all of them in a person's name but particles,
    and an entity that has nothing but such words. `at` tells where a word begins, `capitals` that the text uses them.
    """
    text = reading.text
    parts = list(_WORD.finditer(text, first, last))
    if label in _NAMING:
        nobody = {part.start() for part in parts if part.start() in at and _names_nobody(words[at[part.start()]])}
        if label == "LOCATION":  # ", TX" ends an address
            nobody = {start for start in nobody if not _BEHIND_COMMA.search(text, max(0, start - 4), start)}
        if all(part.start() in nobody for part in parts):
            return []
        while label == "PERSON" and parts[-1].start() in nobody and reading.lexicon.allows(parts[-1][0]):
            parts.pop()
            last = parts[-1].end()
    if capitals and text[first:last].islower() and not any(map(str.isdigit, text[first:last])):
        return []
    runs: list[list[int]] = [[]]
    for part in parts:
        small = part[0].islower() and part[0] not in PARTICLES
        plain = part.start() in at and words[at[part.start()]].plain
        if small and (plain or (capitals and label == "PERSON")):
            runs.append([])
        else:
            runs[-1] += part.span()
    found = [(first, last)] if len(runs) == 1 else [(run[0], run[-1]) for run in runs if run]
    return [(start, end) for start, end in found if start not in at or not _eponym(words, at[start], end, text)]


def _eponym(words: tuple[Word, ...], i: int, end: int, text: str) -> bool:
    """Whether a piece that ends with its first word names a disease or a sign ("Sjögren syndrome")."""
    return words[i].end == end and before_eponym_noun(words, i, text)


def _names_nobody(word: Word) -> bool:
    """An ordinary or allowed word ("Above", "Cardiomegaly"), a letter, or a short abbreviation ("ER")."""
    short = word.text.isupper() and len(word.text) < 4 and not word.shouted
    return short or (word.plain and not word.known)


@lru_cache(maxsize=16)
def recognise(text: str) -> tuple[tuple[int, int, str], ...]:
    """The entities that the shipped recogniser sees: [start, end) and label. Raises ModelUnavailable where it is gone.

    A date, a contact or an identifier has digits; and two letters in a row or four digits, which "T12" has not.
    """
    nlp = _recogniser()
    text = _ENDLESS.sub(lambda run: " " * len(run[0]), text)
    # The zone forgets the words of a report when it has been read.
    with _one_at_a_time, nlp.memory_zone():
        entities = [(entity.start_char, entity.end_char, entity.label_) for entity in nlp(text).ents]
    return tuple(
        (start, end, label)
        for start, end, label in entities
        if _TELLING.search(text, start, end) and (label in _NAMING or any(map(str.isdigit, text[start:end])))
    )


@lru_cache(maxsize=1)
def _recogniser() -> Any:
    if not (RECOGNISER / "config.cfg").is_file():
        raise ModelUnavailable(
            "The recogniser of names is not in the starter models' folder.",
            "Fetch the folder data/models/starter again, or run: "
            "python -m updp_core train recogniser --out data/models/starter",
        )
    with light_imports():
        import spacy

    return spacy.load(RECOGNISER)


@lru_cache(maxsize=2)
def load_ner(name: str) -> Ner:
    """A transformers token-classification model by hub id or folder, as a function text -> spans.

    Labels of the usual de-identification models are mapped to our categories; "O" is dropped and an unknown label
    counts as an identifier. Raises ModelUnavailable with the remedy where the model cannot be loaded, and where its
    weights are a pickle, which could run code when it is read.
    """
    folder = Path(name)
    if (name.startswith((".", "/", "~")) or folder.exists()) and not folder.is_dir():
        raise ModelUnavailable(f"The NER folder {name} does not exist.", "Set UPDP_NER to a folder or a model id.")
    pickles = [file.name for kind in _PICKLES for file in folder.glob(kind)] if folder.is_dir() else []
    if pickles and not any(folder.glob("*.safetensors")):
        raise ModelUnavailable(
            f"The NER folder {name} holds its weights as a pickle ({pickles[0]}), which can run code when it is read.",
            "Convert them to safetensors on a machine apart (save_pretrained), and set UPDP_NER to that folder.",
        )
    from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

    plain, revision = (name, None) if folder.is_dir() else hub_name(name)
    if not folder.is_dir():
        check_pinned(name)
    try:
        tokenizer = AutoTokenizer.from_pretrained(plain, revision=revision)
        model = AutoModelForTokenClassification.from_pretrained(plain, revision=revision, use_safetensors=True)
    except (OSError, ValueError) as error:
        raise ModelUnavailable(
            f"The NER model {name!r} could not be loaded ({type(error).__name__}).",
            "Set UPDP_NER to a transformers token-classification folder, or to a model id while online. Its weights "
            "must be safetensors: pickles are refused.",
        ) from error
    limit = min(int(getattr(model.config, "max_position_embeddings", 512) or 512), 512)
    tokenizer.model_max_length = limit
    classify = pipeline(
        "token-classification", model=model, tokenizer=tokenizer, aggregation_strategy="simple", stride=limit // 4
    )

    def recognise(text: str) -> list[Span]:
        spans = []
        for entity in classify(text) if text.strip() else ():
            label = str(entity["entity_group"])
            plain = label.split("-", 1)[-1] if label[:2] in ("B-", "I-", "L-", "U-", "S-", "E-") else label
            if plain.upper() == "O":
                continue
            category = of_label(plain)
            spans.append(Span(int(entity["start"]), int(entity["end"]), f"ner: {plain}", category))
        return spans

    return recognise
