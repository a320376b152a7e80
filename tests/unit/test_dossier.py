"""The page for a regulator: it says what was measured, decided and done, and of the rest that it was not measured."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from test_release import LEXICON, pair

from updp_core.backends import files
from updp_core.config import STARTER
from updp_core.evaluation import cards
from updp_core.evidence.gates import RULES
from updp_core.release import ReleasePair, verify, write_release
from updp_core.release.dossier import dossier
from updp_core.release.tally import Tally, told
from updp_core.release.verifying import _sha256, sums_text


class Page(HTMLParser):
    """The words of a page, and its elements with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.elements and self.elements[-1][0] != "style":
            self.words.append(data)


def shipped() -> dict[str, str]:
    return {part: files.digest(STARTER / part) for part in ("encoder", "generator")}


def page(*pairs: ReleasePair, header: dict[str, Any] | None = None, signed_by: str | None = None) -> Page:
    tally = Tally()
    for one in pairs:
        tally.add(one, told(one, True))
    description = tally.description(header or {}, include_prompts=True, manifest="a" * 64, signed_by=signed_by)
    return Page(dossier(json.loads(json.dumps(description)), tally.sentences))


def test_the_page_runs_nothing_and_fetches_nothing() -> None:
    found = page(pair(0, models=shipped()), signed_by="b" * 64)
    assert not {tag for tag, _ in found.elements} & {"script", "link", "img", "iframe", "object", "a", "base", "form"}
    names = {name for _, attributes in found.elements for name in attributes}
    assert not {name for name in names if name.startswith("on")} | names & {"src", "href", "action", "style"}
    policy = [a["content"] for tag, a in found.elements if tag == "meta" and "http-equiv" in a]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_what_was_not_measured_is_said_and_no_number_stands_for_it() -> None:
    found = page(pair(0, gates={"residual_phi": "clear"}, evidence={}, decisions=[], models={"encoder": "c" * 64}))
    for rule in (rule for name, rule in RULES.items() if name != "residual_phi"):
        assert re.search(rf"{re.escape(rule.title)} \S+ [\d.]+ \(\w+s\) not measured", found.text), rule.title
    assert "lead to its patient? Not measured." in found.text
    assert "Not measured for the models that made these pairs" in found.text
    assert "Not measured: no pair was read twice." in found.text
    assert not any(row["measure"] in found.text for row in cards.rows(cards.read() or {}))


def test_figures_stand_with_interval_and_date_where_these_very_models_were_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = {**(cards.read() or {}), "models": shipped()}
    monkeypatch.setattr("updp_core.evaluation.cards.read", lambda: result)
    found = page(pair(0, models=shipped()), pair(1, models=shipped()))
    for row in cards.rows(result):
        assert f"{row['measure']} {row['value']} {row['interval']}".strip() in found.text
    assert result["date"] in found.text
    for missed in (row for row in cards.rows(result) if row["missed"]):
        assert f"A bar was missed. {missed['measure']}: {missed['value']}" in found.text
    assert "Not measured for the models" in page(pair(0, models=shipped()), pair(1, models={})).text


def test_gates_counts_overrides_roles_and_agreement_are_those_of_the_pairs() -> None:
    def decided(how: str, role: str, *overrides: str) -> dict[str, Any]:
        return {"verdict": "approve", "role": role, "day": "2031-02-03", "how": how, "overrides": list(overrides)}

    pairs = [
        pair(0, decisions=[decided("single", "radiologist"), decided("single", "privacy-officer", "rarity")]),
        pair(1, decisions=[decided("batch", "radiologist")], gates={"domain": "clear"}, report_policy="surrogate"),
        pair(2, decisions=[decided("batch", "radiologist")], gates={}, report_policy="remove"),
    ]
    agreement = {"pairs": 12, "agree": 11, "kappa": 0.79, "who": "Ada"}
    found = page(*pairs, header={"agreement": agreement, "policy": {"verdicts": 2, "audit_head": "d" * 64}})
    for said in (
        "approve by privacy-officer 1 approve by radiologist 3",
        "one by one, original beside new image 1",
        "after a look at a random sample 2",
        f"stays with the sender: {RULES['rarity'].title} 1",
        f"{RULES['domain'].title} above 97 (warns) 1 1 0 0",
        "11 verdicts agree. Cohen's kappa: 0.79",
        "asks for 2 approvals, by different people, a pair",
        "an invented stand-in, drawn with a secret key, stands in its place 1",
        "it is taken out 1",
        "2 of 3 pairs were approved in a batch only",
        "113100 Basic Application Confidentiality Profile",
        "Z: present and empty Study Date; Study Time; Accession Number",
    ):
        assert said in found.text, said
    assert "Ada" not in found.text


def test_the_share_of_true_patients_found_first_stands_beside_chance_with_wilsons_interval() -> None:
    ranked = [
        pair(2 * n, evidence={"identity": {"rank": 1 if n < 2 else 5, "patients": 40, "similarity": 0.6543}})
        for n in range(10)
    ]
    text = page(*ranked, pair(99, evidence={"identity": {"rank": None, "patients": 40}})).text
    # Wilson's interval of a share of 0.2, where the variance between 10 patients (by n - 1) makes them count as 9
    assert "In 2 of 10 pairs (20 %, 95 % interval 5.3 % to 53 %)" in text and "By chance alone: 2.5 %" in text
    assert "Of the other 1 pairs it was not measured" in text and "0.65" not in text


def test_every_word_is_escaped_and_what_is_not_on_the_allow_list_does_not_leave() -> None:
    evil = "<script>alert(1)</script>"
    careless = pair(
        0,
        settings={"preset": evil, "method": evil},
        models={"encoder": evil, evil: "e" * 64},
        gates={evil: "clear", "domain": evil},
        report_policy=evil,
        decisions=[{"verdict": evil, "role": "radiologist", "overrides": [evil]}],
    )
    assert "alert" not in page(careless, header={"preset": evil, "agreement": {"pairs": evil}}).text
    tally = Tally()
    tally.add(pair(0), told(pair(0), True))
    html = dossier(tally.description({}, include_prompts=True), {evil: 1})
    assert evil not in html and "&lt;script&gt;" in html


def test_what_is_read_off_a_written_object_is_what_objects_hold(tmp_path: Path) -> None:
    import pydicom

    from updp_core.release.dossier import header_actions

    write_release(tmp_path / "r", [pair(0)], lexicon=LEXICON, read_image_text=lambda image: [])
    [path] = (tmp_path / "r" / "dicom").iterdir()
    dataset = pydicom.dcmread(path)
    empty = {element.name for element in dataset if element.is_empty}
    assert set(header_actions()["Z"]) == empty
    assert set(header_actions()["U"]) == {"SOP Instance UID", "Study Instance UID", "Series Instance UID"}


def test_a_release_of_an_older_format_needs_no_dossier_and_a_new_one_does(tmp_path: Path) -> None:
    out = tmp_path / "r"
    write_release(out, [pair(0)], lexicon=LEXICON, read_image_text=lambda image: [])
    (out / "dossier.html").unlink()
    covered = [path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()]
    covered.remove("SHA256SUMS")

    def sums_anew() -> None:
        (out / "SHA256SUMS").write_bytes(sums_text({name: _sha256(out / name) for name in covered}))

    sums_anew()
    assert [problem.path for problem in verify(out)] == ["dossier.html"]
    description = (out / "release.json").read_text().replace("updp-release/3", "updp-release/2")
    (out / "release.json").write_text(description)
    sums_anew()
    assert verify(out) == []
    shutil.copy(out / "README.txt", out / "dossier.html")
    covered.append("dossier.html")
    sums_anew()
    assert [problem.path for problem in verify(out)] == ["dossier.html"], "an older format holds none"
