"""The nouns that cross module boundaries, as frozen data.

Images are `numpy.uint16` arrays (H, W) in MONOCHROME2 sense (0 is black, i.e. radiolucent), unless a
docstring says otherwise. Texts of source reports live only in the workspace.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

Image16 = NDArray[np.uint16]
Image8 = NDArray[np.uint8]
Role = Literal["radiologist", "privacy-officer", "observer", "administrator"]
ROLES: tuple[Role, ...] = get_args(Role)
Verdict = Literal["approve", "reject", "regenerate", "undo"]
Audience = Literal["radiologist", "privacy-officer", "anybody"]
"""Whom a flag asks to look."""
State = Literal["new", "pending", "approved", "rejected", "failed", "void"]
GateState = Literal["clear", "warn", "block", "unknown"]
Sort = Literal["imported", "-imported", "risk", "-risk", "alignment", "-alignment", "decided", "-decided", "flagged"]
"""An order of the queue; `updp_core.workbench.queue` says what each means."""
STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Signs that steer a terminal or turn the text round. What people type has none of them; line ends and tabs are not."""
WAYS = ("password", "oauth", "proxy")
"""How a person signs in: one way each, so that nobody takes a colleague's name at a service that hands names out."""


@dataclass(frozen=True)
class Actor:
    """Who performs a verb, and in which role. Blanks around and between words of a name do not make two people, and
    signs that steer a terminal are taken out of it."""

    name: str
    role: Role

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", " ".join(STEERING.sub(" ", self.name).split()))


SYSTEM = Actor("updp", cast(Role, "system"))
"""Who acts where no person does: the first lexicon version, a migration, clean-up after a killed process."""


@dataclass(frozen=True)
class SourceStudy:
    """One frontal chest radiograph with its report, as intake hands it over.

    `png` is the image, normalised (MONOCHROME2 sense), as a 16-bit greyscale PNG of `size` (H, W).
    `header` maps a kind of identifier ("patient_name", "patient_id", "physician", "institution",
    "accession", "date", "other_id", "address") to the values that the study's own DICOM header or
    manifest row states; the report filter searches the report for them. `flags` are remarks for the
    reviewer ("polarity: pixels contradict the header's MONOCHROME1"); a study without text has `report` ""
    and a flag that starts with "no report". `split` is the source's own (train, validate, test), "" where
    it states none.
    """

    source: str
    patient_key: str
    study_key: str
    view: str
    report: str
    png: bytes
    size: tuple[int, int]
    bit_depth: int
    sha256: str
    header: Mapping[str, Sequence[str]] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    split: str = ""


@dataclass(frozen=True)
class Assume:
    """What the importer states of all images of a source that do not say it themselves: never against what they say.

    `chest`: they show a human chest. `view`: "PA", "AP" or "frontal". `modality`: "CR", "DX" or "RG". False and ""
    state nothing.
    """

    chest: bool = False
    view: str = ""
    modality: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Only what is stated."""
        return {name: value for name, value in vars(self).items() if value}


NOTHING_ASSUMED = Assume()


@dataclass(frozen=True)
class Rejection:
    """A source file or row that does not go on, and why."""

    source: str
    reason: str


@dataclass(frozen=True)
class Span:
    """A piece of PHI in a text: [start, end) in characters, and the rule that fired."""

    start: int
    end: int
    rule: str
    category: str


@dataclass(frozen=True)
class RefusedToken:
    """A token that scored better than the chosen one and was refused, and the entry that refused it."""

    text: str
    cosine: float
    entry: str


@dataclass(frozen=True)
class Token:
    """One token of an optimised prompt with its provenance."""

    id: int
    text: str
    role: Literal["whitelist", "neutral"]
    cosine: float
    rank: int
    report_word: str
    refused: tuple[RefusedToken, ...] = ()


@dataclass(frozen=True)
class Prompt:
    """An optimised prompt: `text` is what the generator reads, decoded from `tokens`.

    Alignments are cosines with the image: of the initial tokens (`before`), of these under the constraint alone
    (`constrained`), of the best soft embeddings (`soft`), and of the prompt (`after`). `init` is "random" where the
    report gave no words to start from. `unread` is what the generator's token limit cuts off.
    `evaluations` counts the passes of a prompt through the text encoder, a backward pass as one more (0: not counted).
    """

    text: str
    tokens: tuple[Token, ...]
    alignment_before: float
    alignment_after: float
    alignment_soft: float
    trace: tuple[float, ...]
    unread: str = ""
    alignment_constrained: float = 0.0
    init: Literal["report", "random"] = "report"
    evaluations: int = 0


@dataclass(frozen=True)
class MethodInput:
    """What a method sees of a record."""

    id: str
    image: Image16
    report: str
    filtered_report: str


@dataclass(frozen=True)
class Proposal:
    """What a method makes of a record: a synthetic image (uint8, H x W) and how it came to be.

    `method_evidence` holds scalar measures that only the method can know. `error` is set, and `image`
    is None, where this record failed and the others went on.
    """

    record: str
    seed: int
    image: Image8 | None
    prompt: Prompt | None
    prompt_text: str
    method_evidence: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class Step:
    """Progress of a method over a batch; the last steps carry the proposals."""

    stage: str
    done: int
    total: int
    proposals: tuple[Proposal, ...] = ()
