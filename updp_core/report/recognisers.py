"""Recognisers that come from a library: Presidio's own, offline."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from updp_core.report.light import light_imports
from updp_core.report.words import Piece, Reading

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


@lru_cache(maxsize=1)
def _presidio() -> tuple[Any, ...]:
    """Presidio's recognisers, loaded once. tldextract reads the snapshot in its package and never the network."""
    import tldextract

    with light_imports():
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


def find(reading: Reading) -> list[Piece]:
    """What Presidio's recognisers find."""
    return find_in(reading.flowing)


def find_in(text: str) -> list[Piece]:
    """What Presidio's recognisers find in a text."""
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
                    found.append(Piece(offset + result.start, offset + result.end, category, rule, "recogniser"))
    return found
