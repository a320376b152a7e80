"""What a release says in words."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from updp_core.evidence.gates import RULES
from updp_core.release import signature


def readme(description: Mapping[str, Any], derivations: Mapping[str, int]) -> str:
    """README.txt of a release, for people: what this is, how it was made and checked, what is weak, how to verify.

    `description` is what release.json holds; `derivations` maps each sentence on what images were made from to pairs.
    """
    counts, gate_states = description["counts"], description["gate_states"]
    lines = [
        "DE-IDENTIFIED CHEST RADIOGRAPHS WITH REPORTS",
        "Not for diagnosis. No image here is an acquisition as it was made.",
        "",
        f"Made by {description['software']} on {description['day']}; format {description['format']}.",
        f"Pairs: {description['pairs']}   patients: {description['patients']}   studies: {description['studies']}",
        "",
        "WHAT IS HERE",
        "  images/    the new images, 8-bit grayscale PNG without metadata",
        "  dicom/     the same images as DICOM Secondary Capture objects; the header says how each was made",
        "  reports/   the source reports with identifiers removed",
        "  manifest.jsonl   one JSON object a pair: files with SHA-256, prompt, method, settings, evidence, gates,",
        "                   decisions without names; ids are fresh for this release",
        "  dossier.html     the same for a regulator: what was done, measured and decided, and what is weak",
        "  release.json     counts and settings of the whole release",
        "  SHA256SUMS       the SHA-256 of every other file but the signature's (sha256sum -c reads it)",
        *(["  signature/       the signature over SHA256SUMS"] if description["signed_by"] else []),
        "",
        "HOW THE PAIRS WERE MADE",
        *_table(counts["method"], "method"),
        *_table(counts["preset"], "models"),
        *_table(counts["lexicon"], "lexicon"),
        *(f"  {sentence} ({number} pairs)." for sentence, number in sorted(derivations.items())),
        *([] if description["prompts_included"] else ["  The prompts are kept back by the policy of the sender."]),
        *_approvals(counts["approval"]),
        *_table(counts["verdicts"], "verdict"),
        "",
        "GATES (pairs by state)",
    ]
    for name, states in gate_states.items():
        shown = ", ".join(f"{state} {number}" for state, number in states.items())
        lines.append(f"  {RULES[name].title if name in RULES else name:34} {shown}")
    if not gate_states:
        lines.append("  none was recorded")
    lines += [
        "  Checked again while writing, for every pair: identifiers in the report, forbidden words in the prompt,",
        "  legible text in the image. A pair that fails is not written, and neither is the release.",
        "",
        "WHAT IS WEAK",
    ]
    for sentence in weaknesses(description):
        lines += textwrap.wrap(sentence, 112, initial_indent="  ", subsequent_indent="  ")
    lines += [
        "",
        "HOW TO VERIFY",
        *_how_to_verify(description["signed_by"]),
        "",
    ]
    return "\n".join(lines)


def weaknesses(description: Mapping[str, Any]) -> list[str]:
    """What is weak about a release, in sentences."""
    counts, pairs = description["counts"], description["pairs"]
    outside, unmeasured = counts["domain"].get("outside", 0), counts["domain"].get("not measured", 0)
    kept = pairs - counts["derivation"].get("text", 0)
    withheld, batch = description["recipes_withheld"], counts["approval"].get("batch", 0)
    said = [
        f"{outside} of {pairs} originals are unlike what the models were trained on. Their synthetic images may look "
        "plausible and show the wrong anatomy or the wrong findings (out_of_domain in the manifest)."
        if outside
        else "",
        f"For {unmeasured} of {pairs} pairs it was not measured whether the models know such images."
        if unmeasured
        else "",
        f"{withheld} of {pairs} images were drawn by an earlier version, with seeds that follow from the source files. "
        "Their prompts, settings and models are kept back, but who holds the source files and the same models could "
        "still draw them again and compare."
        if withheld
        else "",
        f"{kept} of {pairs} images keep pixels of their source, which the sender's policy lets leave: whoever holds "
        "the source images, or others of these patients, may know them again by anatomy, devices and texture."
        if kept
        else "",
        f"{batch} of {pairs} pairs were approved in a batch only: nobody need have looked at each." if batch else "",
        "The starter models are small and were trained on computed phantoms, not on patients. They serve to show the "
        "method. Do not train or test a clinical model on their images."
        if "starter" in counts["preset"]
        else "",
        "A report may hold an identifier that no rule knew and no reader saw.",
        "Whoever holds the source reports can find them here again by their wording.",
        "A rare combination of findings may single a person out, whatever the image shows.",
        "The measures of likeness are those of the models named, not of every attacker.",
        "" if description["signed_by"] else "The release is not signed: nobody can tell from it who made it.",
    ]
    return [sentence for sentence in said if sentence]


def _how_to_verify(signed_by: str | None) -> list[str]:
    if signed_by is None:
        return [
            "  python -m updp_core verify FOLDER",
            "  finds any changed, missing or added byte. This release is not signed: nobody can tell from it who made",
            "  it, and somebody who rewrites files and sums together is found only by the root digest (the SHA-256 of",
            "  SHA256SUMS). It was printed when the release was made and is kept in the audit trail of the workspace:",
            "  ask the sender for it over another channel.",
        ]
    lines = [
        "  This release is signed (Ed25519, in a DSSE envelope). The fingerprint of the sender's key is",
        f"    {signed_by}",
        "  Ask the sender for it over another channel, since whoever rewrites a release can also sign it anew. Then",
        "    python -m updp_core verify FOLDER --key KEY.pem",
        "  finds any changed, missing or added byte, with the key that you know in KEY.pem. Without UPDP, in this",
        "  folder, with OpenSSL 3:",
    ]
    for command, says in signature.CHECKS:
        lines += [f"    {command}", f"      {says}"]
    return lines


def _approvals(counter: Mapping[str, int]) -> list[str]:
    lines = ["  People who were shown the original and the new image side by side decided:"]
    if number := counter.get("single"):
        lines.append(f"  {number} pairs were approved one by one.")
    if number := counter.get("batch"):
        lines += [
            f"  {number} pairs were approved in a batch only: all their gates were clear, and people were shown a",
            "  random sample of them. Nobody need have looked at each.",
        ]
    return lines


def _table(counter: Mapping[str, int], what: str) -> list[str]:
    return [f"  {what}: {name} ({number} pairs)" for name, number in counter.items()]
