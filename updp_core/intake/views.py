"""What words of a header, a manifest or a file say about view, body part and species.

Deny by default: an image goes on only where something states a chest and a frontal view. All reasons are made of
words of this module, never of the source's own text, which may hold PHI.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from updp_core.errors import IntakeError

MODALITIES = ("CR", "DX", "RG")
"""Of projection radiographs."""
FRONTAL = frozenset({"PA", "AP", "frontal"})
_VIEW_WORDS: dict[str, str] = {
    "PA": r"pa|postero[\s-]?anterior|p\.a\.",
    "AP": r"ap|antero[\s-]?posterior|a\.p\.",
    "frontal": r"frontal|portable|bedside|supine|port(?![\s-]*(?:a|cath|catheter|placement|check)\b)",
    "lateral": r"lat|lateral|laterals|ll|rl|latero[\s-]?lateral|profile|seitl|seitlich",
    "oblique": r"oblique|obl|obli|lao|rao|lpo|rpo|llo|rlo",
    "decubitus": r"decubitus|decub|lld|rld|ldecub|rdecub",
    "lordotic": r"lordotic",
}
_CHEST_WORDS = r"chest(?:pa|ap|lat|[0-9]\w*)?|thorax|lungs?|cxr|thx|t[oó]rax|thoracic(?! *-? *spine)"
_OTHER_PARTS: dict[str, str] = {
    "teeth or jaw": r"tooth|teeth|dental|dentition|jaw|mandible|maxilla|panorex|orthopantomogram|opg|bitewing",
    "spine": r"spine|spinal|[ctl]-?spine|sspine|cervical|lumbar|sacrum|coccyx|vertebrae?|scoliosis series",
    "abdomen": r"abdomen|abdominal|kub|babygram",
    "pelvis or hip": r"pelvis|hips?",
    "head or neck": r"skull|head|neck|face|facial|sinus(?:es)?|orbits?|nasal",
    "arm": r"shoulder|clavicle|scapula|humerus|elbow|forearm|wrist|hand|fingers?|thumb|radius|ulna|arm",
    "leg": r"femur|knee|tibia|fibula|leg|ankle|foot|feet|calcaneus|toes?|patella|thigh|lower leg",
    "extremity": r"extremity|extremities",
    "breast": r"breast|mammo(?:graphy|gram)?",
    "ribs": r"ribs?|sternum",
}
_ANIMAL_WORDS = r"canine|feline|equine|bovine|ovine|porcine|avian|dogs?(?!\s*bite)|veterinar(?:y|ian)"


def _word(pattern: str) -> re.Pattern[str]:
    """Whole words: neither a letter nor a digit on either side (an underscore does separate)."""
    return re.compile(rf"(?<![^\W_])(?:{pattern})(?![^\W_])", re.IGNORECASE)


_VIEWS = {name: _word(pattern) for name, pattern in _VIEW_WORDS.items()}
_PARTS = {name: _word(pattern) for name, pattern in _OTHER_PARTS.items()}
_CHEST = _word(_CHEST_WORDS)
_ANIMAL = _word(_ANIMAL_WORDS)


def views_in(text: str) -> frozenset[str]:
    """Every view that the text names: a subset of PA, AP, frontal, lateral, oblique, decubitus, lordotic."""
    return frozenset(name for name, pattern in _VIEWS.items() if pattern.search(text))


def one_frontal(views: Iterable[str]) -> str | None:
    """ "PA", "AP" or "frontal" where the views are all frontal (both PA and AP give "frontal"); else None."""
    named = frozenset(views)
    if not named or named - FRONTAL:
        return None
    exact = named & {"PA", "AP"}
    return next(iter(exact)) if len(exact) == 1 else "frontal"


def frontal_view(stated: str, where: str = "the view") -> tuple[str, tuple[str, ...]]:
    """(view, flags) of a stated view such as "AP Supine" or "frontal (PA/AP not stated)". Raises IntakeError."""
    if not stated.strip():
        raise IntakeError(f"{where} is not stated: only frontal images (PA, AP or frontal) go on")
    views = views_in(stated)
    if not views:
        raise IntakeError(f"{where} is not one that is known: write PA, AP, frontal or lateral")
    others = sorted(views - FRONTAL)
    if others:
        raise IntakeError(f"{where} is {' and '.join(others)}: only frontal images (PA or AP) go on")
    view = one_frontal(views) or "frontal"
    flags: tuple[str, ...] = ("view: frontal, PA or AP is not stated",) if view == "frontal" else ()
    if re.search(r"\bsupine\b", stated, re.IGNORECASE):
        flags += ("view: the patient lay supine",)
    return view, flags


def names_chest(text: str) -> bool:
    """Whether the text names the chest ("thoracic spine" does not)."""
    return bool(_CHEST.search(text))


def other_parts(text: str) -> list[str]:
    """Body parts other than the chest that the text names, in plain words."""
    return [name for name, pattern in _PARTS.items() if pattern.search(text)]


def animal_word(text: str) -> str:
    """The word by which the text says that the patient is an animal, or ""."""
    match = _ANIMAL.search(text)
    return match.group().lower() if match else ""


def check_chest(body_part: str, descriptions: str, institution: str = "", assumed: bool = False) -> tuple[str, ...]:
    """Flags where header texts say that a human chest is shown; IntakeError, with a plain reason, where they do not.

    `body_part` is Body Part Examined with the coded anatomic region; `descriptions` are all other texts; `assumed` says
    that the importer has stated a chest, which counts where these say nothing. Of `institution` only an animal hospital
    matters ("Chest Clinic" does not make a chest).
    """
    if word := animal_word(f"{body_part} {descriptions} {institution}"):
        raise IntakeError(f"not a human patient: the header says '{word}'")
    if body_part.strip():
        parts = other_parts(body_part)
        if parts or not names_chest(body_part):
            what = " and ".join(parts) or "something other than the chest"
            raise IntakeError(f"not a chest image: the header's body part is {what}")
        parts = other_parts(descriptions)
        if parts and not names_chest(descriptions):
            raise IntakeError(
                f"not clearly a chest image: the body part says chest, the description {' and '.join(parts)}"
            )
        return ()
    parts = other_parts(descriptions)
    if parts:
        raise IntakeError(f"not a chest image: the header's description says {' and '.join(parts)}")
    if not names_chest(descriptions):
        if assumed:
            return ("body part: not stated in the header; that it is a chest was said by the importer",)
        raise IntakeError("nothing in the header says that this is a chest image (no body part, no description)")
    return ("body part: not stated in the header; taken from its description",)
