"""What was measured of the starter models, and whether it speaks of the models that this workspace uses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from updp_core.backends import files, presets
from updp_core.config import STARTER
from updp_core.evaluation import cards
from updp_core.workbench.desk import Desk


def evaluation(desk: Desk) -> dict[str, Any]:
    """See Workbench.evaluation."""
    result = cards.read()
    if result is None:
        return {"rows": [], "how": "", "date": "", "seed": None, "missed": [], "models": []}
    preset = presets.resolve(desk.settings)
    # The judges are the starter models' own whatever the preset.
    used = {"encoder": preset.encoder, "generator": preset.generator, "judges": str(STARTER / "judges")}
    models = []
    for part, source in used.items():
        folder = files.local_folder(source)
        ours = folder is not None and Path(folder).resolve() == (STARTER / part).resolve()
        digest = files.digest(STARTER / part) if ours else ""
        known = str(result.get("models", {}).get(part, ""))
        models.append({"part": part, "measured": known, "used": digest, "same": bool(known) and digest == known})
    return {
        "rows": cards.rows(result),
        "how": cards.how(result),
        "date": result["date"],
        "seed": result["seed"],
        "missed": result["missed"],
        "models": models,
    }
