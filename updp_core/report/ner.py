"""A model of the house's own: any transformers token-classification model, where UPDP_NER names one."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from updp_core.domain import Span
from updp_core.errors import ModelUnavailable
from updp_core.report.categories import of_label
from updp_core.report.words import Ner, Piece, Reading


def find(reading: Reading) -> list[Piece]:
    """What the model finds, if there is one. Its hit on report vocabulary in lower case is a slip, not a name."""
    spans = reading.model(reading.text) if reading.model else ()
    return [Piece(span.start, span.end, span.category, span.rule, "model", "doubtful") for span in spans]


@lru_cache(maxsize=2)
def load_ner(name: str) -> Ner:
    """A transformers token-classification model by hub id or folder, as a function text -> spans.

    Labels of the usual de-identification models are mapped to our categories; "O" is dropped and an unknown label
    counts as an identifier. Raises ModelUnavailable with the remedy where the model cannot be loaded.
    """
    folder = Path(name)
    if (name.startswith((".", "/", "~")) or folder.exists()) and not folder.is_dir():
        raise ModelUnavailable(f"The NER folder {name} does not exist.", "Set UPDP_NER to a folder or a model id.")
    from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
        model = AutoModelForTokenClassification.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise ModelUnavailable(
            f"The NER model {name!r} could not be loaded ({type(error).__name__}).",
            "Set UPDP_NER to a transformers token-classification folder, or to a model id while online.",
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
