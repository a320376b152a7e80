"""The starter models' promises, measured on held-out phantom patients."""

from __future__ import annotations

from updp_core.evaluation.measures import (
    AUTOENCODER,
    FINDINGS_OF_ORIGINALS,
    IDENTITY,
    IDENTITY_OF_ORIGINALS,
    PAIRS,
    PROMPTS,
    REIDENTIFICATION,
    WEIGHTS,
    ZERO_SHOT,
)
from updp_core.evaluation.suites.suite import Bar, Suite

SUITE = Suite(
    name="starter",
    title="The starter models against their bars, on phantom patients that no model was trained on.",
    methods={"updp": "UPDP images", "raw-report": "images drawn from the unfiltered report"},
    measures=(
        ZERO_SHOT,
        FINDINGS_OF_ORIGINALS,
        IDENTITY_OF_ORIGINALS,
        PAIRS,
        IDENTITY,
        REIDENTIFICATION,
        PROMPTS,
        AUTOENCODER,
        WEIGHTS,
    ),
    bars={
        "zero_shot_auc": Bar("at least", 0.95),
        "finding_auc.original": Bar("at least", 0.97),
        "identity_accuracy.original": Bar("at least", 0.97),
        "finding_auc.updp": Bar("at least", 0.92),
        "finding_auc.updp_of_original": Bar("at least", 0.95),
        "identity_accuracy.updp": Bar("at most", 0.0457),
        "reid_auc_retrained": Bar("at most", 0.55),
        "nearest_neighbour": Bar("at most", 0.0),
        "prompt_score_order_holds": Bar("at least", True),
        "autoencoder_ssim.phantom": Bar("at least", 0.95),
        "autoencoder_ssim.real": Bar("at least", 0.85),
        "seconds_per_pair": Bar("at most", 5.0),
        "weights_mib": Bar("at most", 64.0),
    },
)
