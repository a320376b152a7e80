"""Who is it, and are these two of one patient: attackers retrained on what a method makes, and what they gain over the
findings that a report tells anyway.

A score counts for "the same patient" when it is high, and is never turned round after the fact: an AUC below one half
is a failed attack and no privacy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from updp_core.evaluation import attackers, statistics
from updp_core.evaluation.attackers import Linkage, Score
from updp_core.evaluation.measures import (
    Found,
    Measure,
    Row,
    attacker_seeds,
    describe_by,
    identity_attacker,
    linked_studies,
    people_name,
)
from updp_core.evaluation.studies import similarity
from updp_core.evaluation.testbed import Testbed, in_parts, key_of_method

FAMILIES = {
    "learned": "attackers retrained on them (Siamese heads on the judges' features)",
    "likeness": "likeness of the judges' features",
    "pixels": "distance of small images",
    "ssim": "structural similarity",
}
_THUMB = 32


def identity_retrained(bed: Testbed) -> Found:
    """A second attacker, who knows the method: he is trained on what it makes of earlier visits, and asked about what
    it makes of later ones. Both attackers are held against one who reads the findings alone."""
    data, found, last = bed.people, Found(), np.cumsum(bed.sizes.visits) - 1
    model, _, test = identity_attacker(bed)
    index = bed.held_out(bed.sizes.generated_visits)
    back = [bed.sizes.test_visits + k for k in range(bed.sizes.generated_visits)]
    earlier = np.concatenate([last - b for b in back])
    who, known = data.patient[index], data.truth.astype(np.float32)
    reader = attackers.identity_classifier(known[~test], data.patient[~test], bed.seed)
    read = reader.predict(known[index]) == who
    n = {"patients": bed.sizes.patients, "images": len(index), "seeds": 1}
    for method in bed.methods:
        seen, learned = (
            in_parts(bed.drawn(method, data, name, part).images, describe_by(bed))
            for name, part in ((people_name(bed), index), (f"{people_name(bed)}-earlier", earlier))
        )
        second = attackers.identity_classifier(learned, data.patient[earlier], bed.seed)
        hits, chance, name = second.predict(seen) == who, 1 / bed.sizes.patients, key_of_method(method)
        found.put(f"identity_retrained.{name}", statistics.share(hits, who), chance, **n, trained=len(earlier))
        first = model.predict(seen) == who
        for figure, named in (("identity_excess", first), ("identity_retrained_excess", hits)):
            gain = named.astype(float) - read
            found.put(f"{figure}.{name}", statistics.mean(gain, who, bed.seed), chance=0.0, **n)
    return found


def verification(bed: Testbed) -> Found:
    """Same patient or not, of each method by each family of attackers: images against originals of another visit."""
    found, seeds = Found(), attacker_seeds(bed)
    for method in bed.methods:
        name = key_of_method(method)
        data = linked_studies(bed, method, bed.sizes.generator_seeds)
        described, small = data.linkage(describe_by(bed)), data.linkage(thumbnails)
        test, n, chance = data.test, data.n, 1 / len(data.test)
        families: dict[str, tuple[Linkage, list[Score]]] = {
            "learned": (described, attackers.retrained(described, test, seeds)),
            "likeness": (described, [attackers.likeness(described, test)]),
            "pixels": (small, [_nearness(small)]),
            "ssim": (small, [_similarity(small)]),
        }
        for family, (linkage, scores) in families.items():
            counted = n | {"seeds": len(scores)}
            figure, _ = attackers.linked(linkage, test, scores, seeds[0])
            found.put(f"reid_auc.{name}_{family}", figure, 0.5, **counted)
            hits, whose = attackers.rank_one(linkage, test, scores[0], seeds[0])
            found.put(f"reid_rank1.{name}_{family}", statistics.share(hits, whose), chance, **n, probes=len(hits))
        learned = families["learned"][1]
        n = n | {"seeds": len(seeds)}
        figure, _ = attackers.linked(described, test, learned, seeds[0], alike=data.stated)
        found.put(f"reid_same_findings.{name}", figure, 0.5, **n)
        readers = attackers.retrained(data.reports, test, seeds)
        found.put(f"reid_excess.{name}", attackers.excess(described, test, learned, readers, seeds[0]), 0.0, **n)
        if method == bed.subject:
            found.put("reid_findings_alone", attackers.linked(data.reports, test, readers, seeds[0])[0], 0.5, **n)
            hits, whose = attackers.rank_one(data.reports, test, readers[0], seeds[0])
            found.put("reid_rank1_findings_alone", statistics.share(hits, whose), chance, **n, probes=len(hits))
        bed.say(f"reid: {method}")
    return found


def thumbnails(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Images (B, S, S) as block means (B, 32 * 32), each with mean 0 and deviation 1: brightness names nobody."""
    block = images.shape[-1] // _THUMB
    small = images.reshape(len(images), _THUMB, block, _THUMB, block).mean((2, 4)).reshape(len(images), -1)
    return np.asarray((small - small.mean(1, keepdims=True)) / (small.std(1, keepdims=True) + 1e-6), np.float32)


def _nearness(data: Linkage) -> Score:
    return lambda i, j: -((data.synthetic[i] - data.originals[j]) ** 2).mean(axis=1)


def _similarity(data: Linkage) -> Score:
    def score(i: NDArray[Any], j: NDArray[Any]) -> NDArray[Any]:
        sides = (data.synthetic[i], data.originals[j])
        return similarity(*(x.reshape(-1, _THUMB, _THUMB) / 6 + 0.5 for x in sides))  # deviations into 0..1

    return score


RETRAINED = Measure(
    "identity-retrained",
    ("generator", "encoder", "judges"),
    identity_retrained,
    (
        Row("identity_retrained.{method}", "Patient recognised by an attacker trained on {images}", "share"),
        Row("identity_excess.{method}", "Recognised on {images} more often than by the findings alone", "share"),
        Row("identity_retrained_excess.{method}", "The same of the attacker trained on {images}", "share"),
    ),
)
VERIFICATION = Measure(
    "verification",
    ("generator", "encoder", "judges"),
    verification,
    (
        *(
            Row(f"reid_auc.{{method}}_{f}", f"{{images}} linked to another visit (AUC): {w}")
            for f, w in FAMILIES.items()
        ),
        *(
            Row(f"reid_rank1.{{method}}_{f}", f"{{images}}: own patient first in a gallery: {words}", "share")
            for f, words in FAMILIES.items()
        ),
        Row("reid_same_findings.{method}", "{images} linked among visits of equal findings alone (AUC)"),
        Row("reid_excess.{method}", "{images}: AUC above that of the findings alone"),
        Row("reid_findings_alone", "Visits linked by the findings in their reports alone (AUC)"),
        Row("reid_rank1_findings_alone", "Own patient first in a gallery by the findings alone", "share"),
    ),
)
