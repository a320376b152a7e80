"""Where the finding classifier looked: maps of one finding over the images that an actor may see."""

from __future__ import annotations

from updp_core.domain import Actor
from updp_core.errors import ModelUnavailable, UsageError
from updp_core.workbench.desk import Desk
from updp_core.workbench.pairs import image
from updp_core.workbench.roles import PHI_ROLES
from updp_core.workbench.shapes import HeatMap, ImageKind


def heat_map(desk: Desk, record: str, finding: str, candidate_id: int | None, actor: Actor) -> HeatMap:
    """See Workbench.heat_map. The judges only read and are small, so this does not wait for a running generation."""
    from updp_core.evidence.pair import for_judges

    judges = desk.judges()
    if judges is None:
        raise ModelUnavailable("The judges are not available, so there is no heat map.", "See `doctor`.")
    if finding not in judges.finding_names:
        raise UsageError(f"The judges do not know the finding {finding!r}.")
    kinds: list[ImageKind] = ["synthetic"] if candidate_id is not None else []
    if actor.role in PHI_ROLES:
        kinds.insert(0, "original")
    maps: HeatMap = {"finding": finding, "original": None, "synthetic": None}
    for kind in kinds:
        seen = for_judges([image(desk, record, kind, candidate_id, actor)])
        probability = float(judges.findings(seen)[0, list(judges.finding_names).index(finding)])
        maps[kind] = {"probability": round(probability, 3), "fields": judges.heat(seen, finding)[0]}
    return maps
