"""Acceptance sampling: the number of pairs to read is the smallest that suffices, counted another way."""

from __future__ import annotations

from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from updp_core.cli import app
from updp_core.errors import UsageError
from updp_core.evaluation.acceptance import sample_size


def chance(pairs: int, bad: int, read: int, found: int) -> float:
    """The chance to draw at most `found` bad ones, by counting the draws."""
    ways = sum(comb(bad, k) * comb(pairs - bad, read - k) for k in range(min(found, bad, read) + 1) if read >= k)
    return ways / comb(pairs, read)


@settings(max_examples=60, deadline=None)
@given(
    pairs=st.integers(1, 120), percent=st.integers(1, 60), found=st.integers(0, 3), sure=st.sampled_from([0.9, 0.95])
)
def test_it_is_the_smallest_number_that_suffices(pairs: int, percent: int, found: int, sure: float) -> None:
    read, bad = sample_size(pairs, percent / 100, sure, found), percent * pairs // 100 + 1
    assert 1 <= read <= pairs
    assert read == pairs or chance(pairs, bad, read, found) <= 1 - sure + 1e-9
    assert read == 1 or chance(pairs, bad, read - 1, found) > 1 - sure - 1e-9


def test_of_very_many_it_is_the_rule_of_three() -> None:
    assert sample_size(10_000_000, 0.01) == 299  # ln 0.05 / ln 0.99 = 298.07
    assert sample_size(100, 0.01) == 78
    assert sample_size(10_000_000, 0.001) == pytest.approx(2995, abs=1)


@pytest.mark.parametrize("wrong", [(0, 0.01, 0.95, 0), (9, 0.0, 0.95, 0), (9, 0.1, 1.0, 0), (9, 0.1, 0.95, -1)])
def test_what_cannot_be_is_refused(wrong: tuple[int, float, float, int]) -> None:
    with pytest.raises(UsageError):
        sample_size(*wrong)


def test_the_command_says_it() -> None:
    done = CliRunner().invoke(app, ["sample-size", "377110", "--bad", "1", "--json"])
    assert done.exit_code == 0 and '"read": 298' in done.output
