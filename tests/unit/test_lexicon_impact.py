"""What a lexicon edit voids is exactly what a check of every prompt and report finds, however it is looked up."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.workbench_kit import OFFICER, READER, QuickMethod, add, hush, last, study, workbench
from updp_core.atomic import sha256
from updp_core.domain import MethodInput, Span
from updp_core.errors import UpdpError
from updp_core.lexicon import Lexicon
from updp_core.lexicon.folding import fold, words
from updp_core.prompt.constraint import hits_in
from updp_core.report import residual
from updp_core.store import word_index
from updp_core.store.standing import DISAGREES
from updp_core.workbench import Workbench

REPORTS = (
    "FINDINGS: The heart is enlarged. Small left pleural effusion. IMPRESSION: Cardiomegaly.",
    "FINDINGS: A clear Mortimer sign is seen. Springfield catheter in place. IMPRESSION: Normal.",
    "FINDINGS: Quill-shaped opacity, 3 mm; T4-T5 level. MORTIMER QUILL LINE. IMPRESSION: Nodule.",
    "FINDINGS: Pleural   effusion\nleft-sided. The ef\u00adfusion is un\u0301changed. Sm\u00e4ll nodule.",
    "FINDINGS: \ufb01brosis, na\u00efve T4b nodule (heart/lungs). Patient: Supine. IMPRESSION: Stable.",
    "FINDINGS: Dr. Mortimer Quill was told. Ward: Springfield\nLungs are clear. IMPRESSION: Clear.",
    "FINDINGS: ** see note ** <<effusion>> mortimer quill lower-lobe opacity; na\u00edve. IMPRESSION: Heart.",
    "",
)
PROMPTS = (("pleural", "effusion"), ("periosteal",), ("t4", "-", "t5"), ("na\u00efve", "heart"), (), ("lower", "lobe"))
TERMS = (
    "effusion",
    "pleural effusion",
    "effusion left",
    "nodule",
    "heart",
    "mortimer",
    "mortimer sign",
    "quill",
    "springfield",
    "quill-shaped",
    "t4",
    "t5",
    "t4-t5",
    "t",
    "3",
    "3 mm",
    "na\u00efve",
    "naive",
    "fibrosis",
    "un\u0301changed",
    "**",
    "<<",
    "**>",
    "periosteal",
    "lower lobe",
    "lower-lobe",
    "lobe",
    "small",
    "sm\u00e4ll",
    "clear",
    "supine",
    "lungs",
    "is",
    "chest",
    "radiograph",
    "seen",
    "left",
    "sided",
    "line",
    "ward",
    "name",
    "x",
    "xc3a4",
)
EDIT = st.tuples(
    st.sampled_from(["add", "remove"]),
    st.sampled_from(["blacklist", "whitelist"]),
    st.lists(st.sampled_from(TERMS), min_size=1, max_size=3, unique=True),
)


class Worded(QuickMethod):
    """As QuickMethod, with other words in every prompt."""

    def propose(self, records, *, seeds):  # type: ignore[no-untyped-def]
        for record, seed in zip(records, seeds, strict=True):
            self.words = PROMPTS[int(sha256(record.report)[:4], 16) % len(PROMPTS)]
            yield from super().propose(
                [MethodInput(record.id, record.image, record.report, record.filtered_report)], seeds=[seed]
            )


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace with every report under two report policies; some pairs approved, one released and replaced."""
    patch = pytest.MonkeyPatch()
    hush(patch)
    home = tmp_path_factory.mktemp("impact") / "ws"
    bench = workbench(home, Worded())
    small = {
        "blacklist": {"names": ["zyx"]},
        "whitelist": {"findings": ["effusion", "nodule", "mortimer sign", "t4-t5"]},
    }
    with bench.desk.store.read() as tx:
        _, shipped = bench.desk.lexicon(tx)
    keep = {c: [t for t in terms if t not in small["whitelist"]["findings"]] for c, terms in shipped.whitelist.items()}
    bench.lexicon_edit(add=small, remove={"whitelist": {c: t[::7] for c, t in keep.items()}}, comment="", actor=OFFICER)
    for number, policy in enumerate(("placeholder", "surrogate")):
        bench.set_policy({"report_policy": policy}, actor=OFFICER)
        add(bench, [study(10 * number + n, report=text) for n, text in enumerate(REPORTS)])
        last(bench.generate(actor=OFFICER))
    records = [card["record"] for card in bench.page(actor=READER)["records"]]
    for record in records[::2]:
        bench.decide(record, "approve", actor=READER, comment="seen")
    last(bench.release(home.parent / "out", actor=OFFICER))
    last(bench.regenerate(records[0], seeds=[5], actor=READER))
    bench.close()
    yield home
    patch.undo()


def forbidden_by_looking_at_each(bench: Workbench, lexicon: Lexicon) -> dict[int, str]:
    """Candidate -> state of its record, of all that may be approved or has left: no index, no shortcut."""
    with bench.desk.store.read() as tx:
        rows = tx.all(
            "SELECT c.*, r.header_json, s.state, s.candidate AS current FROM candidate c "
            "JOIN record r ON r.id = c.record JOIN standing s ON s.record = c.record WHERE c.error = '' "
            "AND (s.candidate = c.id OR c.id IN (SELECT candidate FROM release_pair))"
        )
    found = {}
    for row in rows:
        stand_ins = [Span(**span) for span in json.loads(row["surrogates_json"])]
        left = residual(row["filtered"], lexicon, json.loads(row["header_json"]), stand_ins)
        if left or hits_in(lexicon, row["prompt_text"]):
            found[row["id"]] = row["state"] if row["current"] == row["id"] else "replaced"
    return found


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(edits=st.lists(EDIT, min_size=1, max_size=4))
def test_an_edit_voids_exactly_what_a_look_at_every_prompt_and_report_finds(
    filled: Path, tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[str, str, list[str]]]
) -> None:
    home = tmp_path_factory.mktemp("copy") / "ws"
    shutil.copytree(filled, home, ignore=shutil.ignore_patterns("images"))
    bench = workbench(home, Worded())
    void: set[int] = set()
    for how, which, terms in edits:
        change = {which: {"names" if which == "blacklist" else "findings": terms}}
        asked = {"add": change} if how == "add" else {"remove": change}
        try:
            foreseen = bench.lexicon_impact(**asked, actor=OFFICER)  # type: ignore[arg-type]
            saved = bench.lexicon_edit(**asked, comment="", actor=OFFICER)  # type: ignore[arg-type]
        except UpdpError:
            continue  # the term is not there, or stands in the other list
        with bench.desk.store.read() as tx:
            version, lexicon = bench.desk.lexicon(tx)
            marked = {
                row["candidate"]
                for row in tx.all("SELECT candidate FROM violation WHERE lexicon_version = :v", v=version)
            }
            assert tx.all(DISAGREES) == [] and tx.miscounted() == []
        # states are read after saving: what was pending or approved is void now
        truth = forbidden_by_looking_at_each(bench, lexicon)
        assert marked == truth.keys(), (how, which, terms)
        fresh = truth.keys() - void
        counted = foreseen["pending"] + foreseen["approved"] + foreseen["other"]
        assert counted == sum(truth[candidate] != "replaced" for candidate in fresh)
        assert len(foreseen["where"]) == len(fresh)
        assert all(row["terms"] and row["in"] for row in foreseen["where"])
        assert saved["impact"] == foreseen
        void = set(truth)
    assert bench.audit_verify(actor=OFFICER)["ok"]
    bench.close()


def test_what_is_chosen_while_an_edit_is_being_looked_at_is_looked_at_too(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from updp_core.workbench import lexicons

    shutil.copytree(filled, tmp_path / "ws")
    bench = workbench(tmp_path / "ws", QuickMethod(words=["granuloma"]))
    records = [card["record"] for card in bench.page(actor=READER)["records"]]
    look = lexicons.foresee

    def slow(*args):  # type: ignore[no-untyped-def]
        seen = look(*args)
        last(bench.regenerate(records[3], seeds=[4], actor=READER))  # under the old version, with the new word
        bench.decide(records[3], "approve", actor=READER, comment="seen")
        return seen

    monkeypatch.setattr(lexicons, "foresee", slow)
    saved = bench.lexicon_edit(add={"blacklist": {"names": ["granuloma"]}}, comment="", actor=OFFICER)
    assert saved["impact"]["approved"] == 1
    assert bench.show(records[3], actor=READER)["state"] == "void"


def test_a_version_saved_while_an_edit_is_being_looked_at_is_not_lost(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from updp_core.workbench import lexicons

    shutil.copytree(filled, tmp_path / "ws")
    bench = workbench(tmp_path / "ws")
    look = lexicons.foresee

    def overtaken(*args):  # type: ignore[no-untyped-def]
        monkeypatch.setattr(lexicons, "foresee", look)
        bench.lexicon_edit(add={"blacklist": {"names": ["first"]}}, comment="", actor=OFFICER)
        return look(*args)

    monkeypatch.setattr(lexicons, "foresee", overtaken)
    bench.lexicon_edit(add={"blacklist": {"names": ["second"]}}, comment="", actor=OFFICER)
    assert {"first", "second"} <= set(bench.lexicon_current(actor=READER)["blacklist"]["names"])


def test_one_short_event_tells_of_all_that_a_turn_of_an_edit_or_a_release_touches(filled: Path, tmp_path: Path) -> None:
    shutil.copytree(filled, tmp_path / "ws")
    bench = workbench(tmp_path / "ws")
    saved = bench.lexicon_edit(add={"blacklist": {"names": ["chest"]}}, comment="", actor=OFFICER)
    touched = sum(saved["impact"][name] for name in ("pending", "approved", "other"))
    [event] = bench.audit(actor=OFFICER, verb="void", limit=1)["events"]
    [(part, told)] = event["detail"]["groups"]["violation"].items()
    assert part.startswith(f"{saved['version']}|") and touched == 16 and told["rows"] == touched + 1, (
        "one candidate has left and was replaced since"
    )
    assert "rows" not in event["detail"]
    [left] = bench.audit(actor=OFFICER, verb="release")["events"]
    assert [group["rows"] for group in left["detail"]["groups"]["release_pair"].values()] == [left["detail"]["pairs"]]


@given(text=st.text(st.sampled_from("aBx4\u00e9e\u0301 -._*\u0130\u00df\ufb01\n"), max_size=12), prompt=st.booleans())
def test_the_index_holds_exactly_the_words_that_terms_are_compared_with(text: str, prompt: bool) -> None:
    texts = word_index.Texts(text if prompt else "", "" if prompt else text, "[]")
    said, near = map(set, word_index.indexed(texts))
    assert not said & near
    for word in {*words(fold(text).text), "a", "x4", "e", "fi", "ss"}:
        lexicon = Lexicon(blacklist={"names": (word,)})
        found = hits_in(lexicon, text) if prompt else lexicon.terms_in(text)
        named = any(hit.term == word for hit in found)
        assert named == (word_index._coded(word) in said), word
