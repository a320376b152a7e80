"""How many pairs must be read so that what nobody read may be trusted: acceptance sampling by number defective."""

from __future__ import annotations

from fractions import Fraction

from updp_core.errors import UsageError


def sample_size(pairs: int, most_bad: float, confidence: float = 0.95, found: int = 0) -> int:
    """How many of `pairs` must be drawn at random and read: where no more than `found` of them are bad, then at most
    the share `most_bad` of all is bad, with this confidence.

    Exact (hypergeometric, drawing without replacement): the smallest number whose chance to show at most `found` bad
    ones is 1 - `confidence` or less, where one more than the share is bad. All of them where no smaller number will do.
    Raises UsageError for a number out of its range.
    """
    from scipy.stats import hypergeom

    if pairs < 1 or not 0 < most_bad < 1 or not 0 < confidence < 1 or found < 0:
        raise UsageError(
            "Pairs are at least 1, share and confidence between 0 and 1 (0 and 100 percent), and no number is negative."
        )
    bad = int(Fraction(str(most_bad)) * pairs) + 1

    def enough(read: int) -> bool:
        return bool(hypergeom.cdf(found, pairs, bad, read) <= 1 - confidence)

    low, high = 0, pairs
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
