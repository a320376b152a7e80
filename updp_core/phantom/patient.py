"""Patients and visits of the phantom: explicit anatomy, findings and nuisance, all drawn from seeds.

Lengths are in cm, angles in degrees. The patient's right is on the image's left (x < 0); y grows
towards the feet; z grows towards the front. The origin lies in the mid-chest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

import numpy as np

from updp_core.findings.terms import FINDINGS
from updp_core.phantom import clinic

Side = Literal["right", "left", "bilateral", ""]
Zone = Literal["upper", "mid", "lower", ""]
Severity = Literal["mild", "moderate", "severe"]
PopulationName = Literal["enriched", "clinical"]
SEVERITIES: tuple[Severity, ...] = ("mild", "moderate", "severe")

# name: (mean of men, mean of women, standard deviation, shift per unit of habitus, shift per 10 years over 50)
ANATOMY: Mapping[str, tuple[float, float, float, float, float]] = MappingProxyType({
    "chest_half_width": (13.6, 12.4, 0.55, 0.25, 0.0),
    "lung_height": (28.6, 26.0, 1.1, -0.7, 0.1),
    "chest_depth": (8.6, 7.8, 0.5, 0.5, 0.15),
    "apex_x": (5.3, 4.9, 0.35, 0.0, 0.0),
    "upper_taper": (0.62, 0.60, 0.05, 0.0, 0.0),
    "lower_taper": (0.6, 0.5, 0.4, 0.0, 0.0),
    "dome_height": (5.6, 5.3, 0.6, 0.3, -0.1),
    "dome_gap": (1.1, 1.0, 0.5, 0.0, 0.0),
    "dome_peak_x": (6.6, 6.1, 0.6, 0.0, 0.0),
    "heart_ratio": (0.462, 0.462, 0.022, 0.015, 0.008),
    "heart_tilt": (40.0, 40.0, 6.0, -5.0, -1.0),
    "heart_roundness": (0.72, 0.72, 0.05, 0.03, 0.0),
    "heart_shift": (0.0, 0.0, 0.35, 0.0, 0.0),
    "aortic_knob": (1.75, 1.6, 0.18, 0.0, 0.12),
    "aortic_unfolding": (0.3, 0.2, 0.25, 0.0, 0.22),
    "svc_offset": (2.5, 2.3, 0.25, 0.05, 0.05),
    "pulmonary_trunk": (1.55, 1.45, 0.2, 0.0, 0.0),
    "hilum_y": (0.9, 0.9, 0.5, 0.0, 0.0),
    "hilum_x": (4.0, 3.7, 0.3, 0.0, 0.0),
    "vessel_calibre": (1.0, 0.95, 0.1, 0.03, 0.02),
    "carina_y": (-4.6, -4.4, 0.5, 0.0, 0.0),
    "carina_angle": (68.0, 68.0, 8.0, 4.0, 0.0),
    "trachea_radius": (0.95, 0.8, 0.09, 0.0, 0.0),
    "trachea_shift": (-0.25, -0.25, 0.25, 0.0, -0.05),
    "vertebra_width": (1.75, 1.55, 0.12, 0.0, 0.02),
    "vertebra_spacing": (2.45, 2.24, 0.09, 0.0, -0.02),
    "spine_bend": (0.0, 0.0, 0.3, 0.0, 0.0),
    "bone_density": (1.0, 0.9, 0.1, 0.0, -0.04),
    "rib_slope": (1.0, 1.0, 0.14, -0.1, 0.03),
    "rib_bow": (1.0, 1.0, 0.25, 0.0, 0.0),
    "rib_width": (0.76, 0.66, 0.05, 0.0, 0.0),
    "rib_cortex": (0.105, 0.095, 0.012, 0.0, -0.003),
    "rib_reach": (0.83, 0.83, 0.03, 0.0, 0.01),
    "rib_unevenness": (0.16, 0.16, 0.05, 0.0, 0.0),
    "clavicle_tilt": (3.3, 3.0, 0.8, 0.0, -0.1),
    "clavicle_bow": (0.9, 0.8, 0.3, 0.0, 0.0),
    "clavicle_radius": (0.58, 0.48, 0.05, 0.0, 0.0),
    "clavicle_length": (14.6, 13.2, 0.6, 0.0, 0.0),
    "scapula_x": (0.0, 0.0, 0.7, 0.2, 0.0),
    "scapula_y": (0.0, 0.0, 0.6, 0.0, 0.0),
    "scapula_turn": (8.0, 8.0, 5.0, 0.0, 0.0),
    "shoulder_width": (19.6, 17.8, 0.7, 0.6, 0.0),
    "shoulder_slope": (1.0, 1.05, 0.15, -0.1, 0.0),
    "neck_half_width": (6.0, 5.1, 0.4, 0.45, 0.0),
    "wall_fat": (1.9, 2.0, 0.35, 1.0, 0.0),
    "breast_volume": (0.35, 2.2, 0.45, 0.5, 0.0),
    "breast_x": (8.0, 7.6, 0.5, 0.2, 0.0),
    "breast_drop": (0.0, 0.6, 0.8, 0.4, 0.35),
    "gas_bubble": (2.0, 1.9, 0.6, 0.0, 0.0),
    "lung_density": (0.043, 0.045, 0.004, 0.002, -0.001),
})  # fmt: skip
LIMITS: Mapping[str, tuple[float, float]] = MappingProxyType({
    "heart_ratio": (0.40, 0.495), "breast_volume": (0.1, 4.2), "wall_fat": (0.9, 5.0), "rib_cortex": (0.06, 0.14),
    "gas_bubble": (0.6, 3.2), "dome_gap": (0.0, 2.4), "aortic_unfolding": (0.0, 1.4), "rib_reach": (0.76, 0.9),
    "aortic_knob": (1.3, 2.5), "lower_taper": (0.0, 1.4), "rib_unevenness": (0.04, 0.3), "bone_density": (0.6, 1.3),
})  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One finding: `size` in 0..1 grows with `severity`; `seed` fixes its shape and place."""

    name: str
    side: Side
    zone: Zone
    severity: Severity
    chronic: bool
    size: float
    seed: int


@dataclass(frozen=True)
class Patient:
    """Identity: about 50 anatomical parameters, the seed of the vessel trees, and chronic findings; `population` says
    how common findings are."""

    seed: int
    age: int
    sex: Literal["M", "F"]
    habitus: float
    anatomy: Mapping[str, float]
    tree_seed: int
    chronic: tuple[Finding, ...]
    population: PopulationName = "enriched"


@dataclass(frozen=True)
class Visit:
    """One examination of a patient: findings present, and nuisance that has nothing to do with identity.

    `inspiration` is -1..1; `rotation` and `roll` are degrees; `shift` is cm in the detector plane; `field`
    the detector's side in cm; `exposure`, `contrast` and `scatter` are factors around 1.
    """

    patient: Patient
    seed: int
    view: Literal["PA", "AP"]
    findings: tuple[Finding, ...]
    inspiration: float = 0.0
    rotation: float = 0.0
    roll: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    field: float = 41.0
    exposure: float = 1.0
    contrast: float = 1.0
    scatter: float = 1.0
    noise: float = 1.0
    arms: float = 0.5
    grid_lines: bool = False
    collimation: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    marker: Literal["L", "R"] = "L"
    follow_up: bool = False
    burned_in: bool = False

    @property
    def labels(self) -> dict[str, bool]:
        """Which of FINDINGS are present."""
        present = {f.name for f in self.findings}
        return {name: name in present for name in FINDINGS}

    def get(self, name: str) -> Finding | None:
        """The finding of this name, or None."""
        return next((f for f in self.findings if f.name == name), None)

    def without(self, name: str) -> Visit:
        """The same visit with one finding removed: the counterfactual that masks and tests compare with."""
        return replace(self, findings=tuple(f for f in self.findings if f.name != name))


@dataclass(frozen=True)
class Population:
    """Who is examined: chances of each chronic finding in a patient and of each acute one in a visit.

    A share `healthy` of the patients has nothing chronic, all but a share `eventful` of the visits nothing acute; with
    `at_least_one` all others have something.
    """

    chronic: Mapping[str, float]
    acute: Mapping[str, float]
    healthy: float = 0.0
    eventful: float = 1.0
    at_least_one: bool = False


# "enriched" shows every finding often enough to be learned and measured: starter models are trained and findings
# measured on it, and the sample studies are of it. Patients of "clinical" have them as often, as often together and as
# often again as those of a real one: `clinic`.
ENRICHED = Population(
    chronic={
        "cardiomegaly": 0.24, "nodule": 0.15, "emphysema": 0.14, "fibrosis": 0.13, "pleural_thickening": 0.13,
        "hernia": 0.12, "scoliosis": 0.14, "rib_fracture": 0.13, "granuloma": 0.14, "pacemaker": 0.14,
        "sternotomy_wires": 0.15,
    },
    acute={
        "pleural_effusion": 0.30, "consolidation": 0.26, "atelectasis": 0.24, "edema": 0.18, "pneumothorax": 0.17,
        "central_line": 0.24, "endotracheal_tube": 0.19, "chest_tube": 0.16,
    },
    healthy=0.42, eventful=0.42, at_least_one=True,
)  # fmt: skip

# Chances of sides and zones.
SIDES: Mapping[str, tuple[float, float, float]] = MappingProxyType({  # right, left, bilateral
    "pleural_effusion": (0.4, 0.35, 0.25), "consolidation": (0.45, 0.35, 0.2), "atelectasis": (0.35, 0.35, 0.3),
    "edema": (0, 0, 1), "pneumothorax": (0.55, 0.45, 0), "nodule": (0.55, 0.45, 0), "emphysema": (0, 0, 1),
    "fibrosis": (0, 0, 1), "pleural_thickening": (0.4, 0.35, 0.25), "rib_fracture": (0.5, 0.5, 0),
    "granuloma": (0.55, 0.45, 0), "pacemaker": (0.15, 0.85, 0), "central_line": (0.7, 0.3, 0),
    "chest_tube": (0.55, 0.45, 0), "scoliosis": (0.6, 0.4, 0),
})  # fmt: skip
ZONES: Mapping[str, tuple[float, float, float]] = MappingProxyType({  # upper, mid, lower
    "consolidation": (0.28, 0.27, 0.45), "atelectasis": (0, 0.2, 0.8), "nodule": (0.4, 0.35, 0.25),
    "granuloma": (0.4, 0.35, 0.25), "fibrosis": (0.15, 0, 0.85), "rib_fracture": (0.2, 0.5, 0.3),
    "pleural_thickening": (0.45, 0.2, 0.35), "pneumothorax": (1, 0, 0), "pleural_effusion": (0, 0, 1),
    "emphysema": (1, 0, 0),
})  # fmt: skip


def sample_finding(name: str, chronic: bool, rng: np.random.Generator) -> Finding:
    """A finding with a side and a zone of its own kind, and a severity that `size` goes with."""
    sides: tuple[Side, ...] = ("right", "left", "bilateral")
    zones: tuple[Zone, ...] = ("upper", "mid", "lower")
    side: Side = sides[rng.choice(3, p=SIDES[name])] if name in SIDES else ""
    zone: Zone = zones[rng.choice(3, p=ZONES[name])] if name in ZONES else ""
    level = int(rng.choice(3, p=(0.35, 0.4, 0.25)))
    return Finding(
        name,
        side,
        zone,
        SEVERITIES[level],
        chronic,
        float((level + rng.uniform(0.15, 0.85)) / 3),
        int(rng.integers(2**31)),
    )


def _draw(chances: Mapping[str, float], chronic: bool, at_least_one: bool, rng: np.random.Generator) -> list[Finding]:
    names = [name for name, chance in chances.items() if rng.random() < chance]
    if at_least_one and not names:
        names = [str(rng.choice(list(chances)))]
    return [sample_finding(name, chronic, rng) for name in names]


def _as_it_was(patient: int, name: str, since: int) -> Finding:
    """A finding in its form: what is chronic has that of the patient, what comes and goes that of the visit `since`."""
    chronic = name in ENRICHED.chronic
    key = [patient, 7003, FINDINGS.index(name), 0 if chronic else 1 + since + 1_000]
    return sample_finding(name, chronic, np.random.default_rng(key))


def sample_patient(seed: int, population: PopulationName = "enriched") -> Patient:
    """The patient of this seed: anatomy, age, sex, habitus, vessel tree and chronic findings never change.

    Whether a report asserts a chronic finding at each visit is up to the population: "clinical" patients keep its form
    only."""
    rng = np.random.default_rng([seed, 7001])
    sex: Literal["M", "F"] = "M" if rng.random() < 0.52 else "F"
    age = int(np.clip(rng.normal(56, 18), 18, 94))
    habitus = float(np.clip(rng.normal(0, 0.8), -1.6, 2.0))
    anatomy = {}
    for name, (men, women, deviation, per_habitus, per_decade) in ANATOMY.items():
        mean = men if sex == "M" else women
        value = mean + deviation * rng.normal() + per_habitus * habitus + per_decade * (age - 50) / 10
        low, high = LIMITS.get(name, (mean - 4 * deviation - 2 * abs(per_habitus), mean + 4 * deviation + 9.0))
        anatomy[name] = float(np.clip(value, low, high))
    chronic: list[Finding] = []
    if population == "enriched" and rng.random() > ENRICHED.healthy:
        chronic = _draw(ENRICHED.chronic, True, ENRICHED.at_least_one, rng)
    tree_seed = int(rng.integers(2**31))
    return Patient(seed, age, sex, habitus, MappingProxyType(anatomy), tree_seed, tuple(chronic), population)


def sample_visit(patient: Patient, seed: int) -> Visit:
    """Visit number `seed`: the patient's chronic findings, acute ones that come and go, and nuisance."""
    rng = np.random.default_rng([patient.seed, seed, 7002])
    lasting, acute = patient.chronic, list[Finding]()
    if patient.population == "clinical":
        here = clinic.present(patient.seed, seed)
        found = [_as_it_was(patient.seed, name, since) for name, since in here.items()]
        lasting, acute = tuple(f for f in found if f.chronic), [f for f in found if not f.chronic]
    elif rng.random() < ENRICHED.eventful:
        acute = _draw(ENRICHED.acute, False, ENRICHED.at_least_one, rng)
    names = {f.name for f in acute}
    if "chest_tube" in names and not names & {"pneumothorax", "pleural_effusion"}:
        tube = next(f for f in acute if f.name == "chest_tube")
        reason = sample_finding(str(rng.choice(["pneumothorax", "pleural_effusion"])), False, rng)
        acute.append(replace(reason, side=tube.side))
    pneumothorax = next((f for f in acute if f.name == "pneumothorax"), None)
    # One pleural space holds one thing that a frontal film shows well: fluid and air get opposite sides.
    acute = [
        replace(f, side="left" if pneumothorax.side == "right" else "right")
        if pneumothorax and f.name == "pleural_effusion"
        else f
        for f in acute
    ]
    if pneumothorax:
        acute = [replace(f, side=pneumothorax.side) if f.name == "chest_tube" else f for f in acute]
    findings = tuple(sorted((*lasting, *acute), key=lambda f: FINDINGS.index(f.name)))
    sick = bool(names & {"endotracheal_tube", "central_line", "chest_tube", "edema"})
    view: Literal["PA", "AP"] = "AP" if rng.random() < (0.85 if sick else 0.15) else "PA"
    portable = view == "AP"
    collimated = rng.random() < 0.3
    # The technologist fits a hyperinflated chest into the field.
    long = any(f.name == "emphysema" for f in findings)
    fit = (patient.anatomy["chest_half_width"] / 13.6) ** 0.6 * (1.05 if long else 1)
    return Visit(
        patient,
        seed,
        view,
        findings,
        inspiration=float(np.clip(rng.normal(-0.3 if portable else 0.1, 0.35), -1, 0.9)),
        rotation=float(np.clip(rng.normal(0, 3.2 if portable else 1.6), -8, 8)),
        roll=float(np.clip(rng.normal(0, 2.0 if portable else 1.0), -5, 5)),
        shift=(float(rng.normal(0, 0.8)), float(rng.normal(0.3, 0.7)) - 0.8 * long),
        field=float(rng.normal(38.2 if portable else 36.8, 1.1) * fit),
        exposure=float(np.exp(rng.normal(0, 0.18))),
        contrast=float(np.clip(rng.normal(0.92 if portable else 1.0, 0.09), 0.7, 1.25)),
        scatter=float(np.clip(rng.normal(1.2 if portable else 0.9, 0.15), 0.5, 1.7)),
        noise=float(np.exp(rng.normal(0.25 if portable else 0.0, 0.3))),
        arms=float(rng.uniform(0, 0.4) if portable else rng.uniform(0.3, 1.0)),
        grid_lines=bool(portable and rng.random() < 0.12),
        collimation=tuple(float(v) for v in (rng.uniform(0, 2.2, 4) * (rng.random(4) < 0.5) * collimated)),  # type: ignore[arg-type]
        marker="L" if rng.random() < 0.6 else "R",
        follow_up=bool(rng.random() < 0.5),
        burned_in=bool(rng.random() < 0.2),
    )
