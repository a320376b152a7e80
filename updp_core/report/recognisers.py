"""Recognisers that come from libraries: Presidio's own (offline), and an optional token-classification model."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

from updp_core.domain import Span
from updp_core.errors import ModelUnavailable
from updp_core.report.names import Found

Ner = Callable[[str], list[Span]]

# Presidio entity -> our category, and the score from which on it counts (its own context words are not used).
_ENTITIES = {
    "EMAIL_ADDRESS": ("contact", 0.4),
    "URL": ("contact", 0.5),
    "IP_ADDRESS": ("contact", 0.4),
    "MAC_ADDRESS": ("contact", 0.4),
    "PHONE_NUMBER": ("contact", 0.4),
    "CREDIT_CARD": ("identifiers", 0.3),
    "IBAN_CODE": ("identifiers", 0.4),
    "CRYPTO": ("identifiers", 0.4),
    "UUID": ("identifiers", 0.4),
    "US_SSN": ("identifiers", 0.4),
    "US_ITIN": ("identifiers", 0.4),
    "US_MBI": ("identifiers", 0.4),
    "US_NPI": ("identifiers", 0.5),
    "MEDICAL_LICENSE": ("identifiers", 0.5),
}
MAX_TEXT = 10_000
_ENDLESS = re.compile(r"\S{400,}")

_NER_LABELS = {
    "names": "patient hcw per person name doctor staff username nurse",
    "institutions": "hospital org organization organisation vendor institution facility",
    "locations": "loc location gpe city state country zip street address location-other",
    "dates_and_times": "date time date_time",
    "identifiers": "id medicalrecord idnum medical_record ssn account license bioid healthplan",
    "device_serials": "device serial",
    "contact": "phone fax email url contact phoneorfax ipaddr",
    "demographics": "age profession sex race",
}
_CATEGORY_OF_LABEL = {label: category for category, labels in _NER_LABELS.items() for label in labels.split()}


class _Absent(MetaPathFinder):
    """Makes packages look uninstalled to the imports of one thread."""

    def __init__(self, *names: str) -> None:
        self._names = names
        self._thread = threading.get_ident()

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name in self._names and threading.get_ident() == self._thread:
            raise ModuleNotFoundError(f"{name} is not needed here", name=name)


@contextmanager
def _light_imports() -> Iterator[None]:
    """Presidio and spaCy import torch and transformers where they find them: seconds for engines not used here."""
    finder = _Absent("torch", "transformers", "torchvision", "stanza", "gliner", "cupy", "tensorflow", "mxnet")
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


@lru_cache(maxsize=1)
def _presidio() -> tuple[Any, ...]:
    """Presidio's recognisers, loaded once. tldextract reads the snapshot in its package and never the network."""
    import tldextract

    with _light_imports():
        from presidio_analyzer import predefined_recognizers as known

    bundled = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

    class OfflineEmail(known.EmailRecognizer):
        def validate_result(self, pattern_text: str) -> bool:
            return bundled(pattern_text).fqdn != ""

    class OfflineUrl(known.UrlRecognizer):
        def validate_result(self, pattern_text: str) -> bool:
            return bundled(pattern_text).fqdn != ""

    names = (
        "IpRecognizer",
        "CreditCardRecognizer",
        "IbanRecognizer",
        "CryptoRecognizer",
        "UsSsnRecognizer",
        "UsItinRecognizer",
        "MedicalLicenseRecognizer",
        "MacAddressRecognizer",
        "UuidRecognizer",
        "UsMbiRecognizer",
        "UsNpiRecognizer",
    )
    plain = [getattr(known, name)() for name in names if hasattr(known, name)]
    return OfflineEmail(), OfflineUrl(), known.PhoneRecognizer(supported_regions=("US", "GB", "DE")), *plain


def find_presidio(text: str) -> list[Found]:
    """What Presidio's recognisers find in `text` (normal form)."""
    # Runs without a blank that no identifier reaches cost Presidio's expressions quadratic time; our own read them.
    text = _ENDLESS.sub(lambda run: " " * len(run.group()), text)
    found = []
    for start in range(0, len(text), MAX_TEXT):
        chunk = text[max(0, start - 200) : start + MAX_TEXT]
        offset = max(0, start - 200)
        for recognizer in _presidio():
            wanted = [e for e in recognizer.supported_entities if e in _ENTITIES]
            for result in recognizer.analyze(chunk, wanted, None) or ():
                category, least = _ENTITIES[result.entity_type]
                if result.score >= least:
                    rule = f"presidio: {result.entity_type}"
                    found.append(Found(offset + result.start, offset + result.end, rule, category))
    return found


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
            category = _CATEGORY_OF_LABEL.get(plain.lower(), "identifiers")
            spans.append(Span(int(entity["start"]), int(entity["end"]), f"ner: {plain}", category))
        return spans

    return recognise
