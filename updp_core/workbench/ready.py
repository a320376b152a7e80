"""Pairs that come ready made with the sample studies, so that a first look need not wait for the models.

A file beside the sample holds what the shipped models drew of one study: prompt, image, seed and settings; and how they
filtered its report and measured the pair among the sample's patients. A pair whose models are not those of this
installation is left out, and drawn anew like the rest. Where anything that the filter or a measure rests on is not what
it was (lexicon, policy, judges, a recogniser of the house's own, the studies beside it), both are done here as for any
other pair.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from updp_core.atomic import canonical, sha256, write_file
from updp_core.backends import presets
from updp_core.backends.files import LOCAL, digest, local_folder
from updp_core.config import SAMPLE
from updp_core.domain import Actor, Prompt, Proposal, RefusedToken, Token
from updp_core.findings.levels import privacy_of
from updp_core.intake.pixels import decode_png
from updp_core.report.ner import RECOGNISER
from updp_core.store import Transaction
from updp_core.store.schema import Candidate, Record
from updp_core.store.store import known
from updp_core.workbench import batch, leases
from updp_core.workbench.desk import Desk, Noun
from updp_core.workbench.roles import OPERATORS, verb
from updp_core.workbench.runs import Options
from updp_core.workbench.shapes import Progress

PAIRS = SAMPLE / "pairs"
MARK = "ready_made"
"""The field of the method's own evidence that marks a pair as taken over."""


class Ready(Noun):
    """Take over the pairs that lie beside the sample, and write them."""

    @verb(OPERATORS)
    def take_ready(self, *, actor: Actor, folder: Path = PAIRS) -> Iterator[Progress]:
        """Give each new record of the sample the pair that was drawn of it beforehand. Result: {"taken": n}."""
        return _take(self.desk, actor, folder)

    @verb(OPERATORS)
    def write_ready(self, records: Sequence[str], *, actor: Actor, folder: Path = PAIRS) -> list[str]:
        """Write the current pairs of records of the sample as files to be taken over; the names of their studies."""
        folder.mkdir(parents=True, exist_ok=True)
        names = []
        for record in records:
            with self.desk.store.read() as tx:
                row = known(tx.get(Record, id=record), f"record {record}")
                current = tx.value("SELECT candidate FROM standing WHERE record = :r", r=record)
                made = known(tx.get(Candidate, id=current), "candidate")
            name = Path(row.source).stem
            found = {
                "study": row.sha256,
                "method": made.method,
                "seed": made.seed,
                "settings": _settings(json.loads(made.settings_json)),
                "prompt": json.loads(made.prompt_json or "null"),
                "measured": self._measured(row, made),
                "png": base64.b64encode(self.desk.store.get_image(str(made.image))).decode(),
            }
            write_file(folder / f"{name}.json", (json.dumps(found, indent=1, sort_keys=True) + "\n").encode())
            names.append(name)
        return names

    def _measured(self, row: Record, made: Candidate) -> dict[str, Any]:
        """What was found of a pair, and under which conditions the same would be found again."""
        with self.desk.store.read() as tx:
            return {
                "under": conditions(self.desk, tx),
                "filtered": made.filtered,
                "spans": json.loads(made.spans_json),
                "evidence": {**json.loads(made.evidence_json), "method": {MARK: True}},
            }


def conditions(desk: Desk, tx: Transaction) -> dict[str, Any]:
    """All that the filter of a report and the measures of a pair of the starter's rest on, besides the pair and this
    version of the program."""
    policy = desk.policy(tx)
    studies = sorted(tx.column("SELECT sha256 FROM record"))
    return {
        "lexicon": desk.lexicon(tx)[1].digest,
        "judges": desk.models.judges_digest(),
        "recogniser": digest(RECOGNISER),
        "ner": desk.settings.ner,
        "report_policy": policy["report_policy"],
        "privacy": privacy_of(policy["privacy"]).to_dict(),
        "among": sha256(canonical(studies)),
    }


def _take(desk: Desk, actor: Actor, folder: Path) -> Iterator[Progress]:
    files = {found["study"]: found for path in sorted(folder.glob("*.json")) if (found := _read(path))}
    taken = 0
    with desk.store.read() as tx:
        waiting = {record: study for record in _new(tx) if (study := _source(tx, record)) in files}
        lexicon = desk.lexicon(tx)[1]
        now_is = canonical(conditions(desk, tx))
    if not waiting:
        yield Progress("done", 0, 0, result={"taken": 0})
        return
    preset = presets.resolve(desk.settings)
    folders = {part: local_folder(getattr(preset, part)) for part in ("encoder", "generator")}
    here = {
        part: {"name": f"{LOCAL}{place}", "sha256": digest(Path(place))} for part, place in folders.items() if place
    }
    with leases.worker(desk.store) as worker:
        for record, study in waiting.items():
            found = files[study]
            options, settings = Options(found["method"]), dict(found["settings"])
            drawn_here = all(here.get(part, {}).get("sha256") == settings[part]["sha256"] for part in folders)
            if drawn_here and canonical(batch.requested_of(desk, options)) == canonical(settings["requested"]):
                worker.take_one(record)
                settings |= {**here, "lexicon": lexicon.digest}
                made = proposal(record, found)
                known_of = found.get("measured") or {}
                so = known_of if canonical(known_of.get("under")) == now_is else None
                taken += batch.take_over(desk, worker, record, options, actor, made, settings, so)
                yield Progress("generate", taken, len(waiting), preview=record)
    yield Progress("done", taken, taken, result={"taken": taken})


def proposal(record: str, found: Mapping[str, Any]) -> Proposal:
    """What a file holds, as the method proposed it."""
    image: Any = decode_png(base64.b64decode(found["png"]))
    prompt = _prompt(found["prompt"])
    return Proposal(record, found["seed"], image, prompt, prompt.text if prompt else "", {MARK: True})


def _prompt(value: Mapping[str, Any] | None) -> Prompt | None:
    if value is None:
        return None
    tokens = tuple(
        Token(**{**token, "refused": tuple(RefusedToken(**one) for one in token["refused"])})
        for token in value["tokens"]
    )
    return Prompt(**{**value, "tokens": tokens, "trace": tuple(value["trace"])})


def _settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A candidate's settings without what is its workspace's: lexicon, privacy level, and where the models lie."""
    kept = {name: value for name, value in settings.items() if name not in ("lexicon", "privacy")}
    return {**kept, **{part: {"sha256": kept[part]["sha256"]} for part in ("encoder", "generator")}}


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def _new(tx: Any) -> list[str]:
    return list(tx.column("SELECT record FROM standing WHERE state = 'new' ORDER BY seq"))


def _source(tx: Any, record: str) -> str:
    return str(known(tx.get(Record, id=record), "record").sha256)
