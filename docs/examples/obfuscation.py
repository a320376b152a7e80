"""What a learned warp hides: findings and identity on its images, beside block means."""

from __future__ import annotations

from updp_core.evaluation.measures import FINDINGS_OF_ORIGINALS, IDENTITY, IDENTITY_OF_ORIGINALS
from updp_core.evaluation.suites import Bar, Suite

SUITE = Suite(
    name="obfuscation",
    title="Methods that keep source pixels: who is recognised on their images.",
    methods={"prichexy-net": "warped images", "dp-pix": "block means"},
    measures=(FINDINGS_OF_ORIGINALS, IDENTITY_OF_ORIGINALS, IDENTITY),
    bars={"identity_accuracy.prichexy_net": Bar("at most", 0.0457)},
)
