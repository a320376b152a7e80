"""The lexicon desk's handlers on a real workspace: nothing typed is lost, nothing is saved unseen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from tests.ui.desk import acting, shell_on
from tests.unit.workbench_kit import OFFICER, hush, made, workbench
from ui.door.uploads import folder_of
from ui.pages.lexicons import Lexicons
from ui.shell import Screen
from updp_core.domain import Actor
from updp_core.errors import NotAllowed, UsageError
from updp_core.workbench import Workbench

READER, GUEST = "radiologist", "observer"


@dataclass
class Desk:
    bench: Workbench
    lists: Lexicons

    def acting(self, role: str) -> Actor:
        return acting(self.lists.shell, role)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    hush(monkeypatch)
    bench = workbench(tmp_path / "ws")
    made(bench, 3)
    with gr.Blocks():
        lists = Lexicons(shell_on(bench))
    yield Desk(bench, lists)
    bench.close()


OFFICE = "privacy-officer"


def names(desk: Desk) -> list[str]:
    return desk.bench.lexicon_current(actor=OFFICER)["blacklist"]["names"]


def typed(desk: Desk, text: str, role: str = OFFICE, loaded: int = 1, category: str = "names") -> dict[Any, Any]:
    return desk.lists.typed(desk.acting(role), "blacklist", category, text, "a reason", loaded)


def shown(desk: Desk, category: str = "names", role: str = OFFICE) -> list[str]:
    update = desk.lists.choose(desk.acting(role), "blacklist", category)[desk.lists.terms]
    return str(update["value"]).splitlines()


def test_the_lexicon_desk_finds_what_a_text_adds_and_takes_away(desk: Desk) -> None:
    before = names(desk)
    text = "\n".join([*before[1:], "# a remark", "", "Zorblatt  # new here"])
    added, removed = desk.lists.edit("blacklist", "names", text, 1, OFFICER)
    assert added == {"blacklist": {"names": ["Zorblatt"]}}
    assert removed == {"blacklist": {"names": [before[0]]}}


def test_a_new_version_needs_a_reason_and_a_privacy_officer(desk: Desk) -> None:
    text = "\n".join([*names(desk), "zorblatt"])
    with pytest.raises(UsageError, match="why"):
        desk.lists.save(desk.acting(OFFICE), "blacklist", "names", text, " ", 1)
    with pytest.raises(NotAllowed):
        desk.lists.save(desk.acting(READER), "blacklist", "names", text, "a name", 1)
    desk.lists.save(desk.acting(OFFICE), "blacklist", "names", text, "a name", 1)
    assert desk.bench.lexicon_current(actor=OFFICER)["version"] == 2


def test_unsaved_changes_of_several_categories_survive_leaving_and_are_saved_as_one_version(desk: Desk) -> None:
    typed(desk, "\n".join(["zorblatt", *names(desk)]))
    places = shown(desk, "locations")
    typed(desk, "\n".join(places[1:]), category="locations")
    page = desk.lists.look(desk.acting(OFFICE), Screen(), "blacklist")
    assert "2 unsaved changes" in page[desk.lists.draft] and "zorblatt" in page[desk.lists.draft]
    assert page[desk.lists.comment] == "a reason"
    assert page[desk.lists.terms]["value"] and page[desk.lists.terms]["interactive"]
    assert shown(desk)[0] == "zorblatt" and places[0] not in shown(desk, "locations")
    desk.lists.save(desk.acting(OFFICE), "blacklist", "locations", "\n".join(places[1:]), "a reason", 1)
    now = desk.bench.lexicon_current(actor=OFFICER)
    assert now["version"] == 2 and "zorblatt" in now["blacklist"]["names"]
    assert places[0] not in now["blacklist"]["locations"]
    assert "No unsaved changes" in desk.lists.look(desk.acting(OFFICE), Screen(), "blacklist")[desk.lists.draft]


def test_a_change_is_taken_back_alone_or_all_are_discarded(desk: Desk) -> None:
    typed(desk, "\n".join(["zorblatt", "quorn", *names(desk)]))
    one = ("blacklist", "names", "zorblatt")
    desk.lists.drop(desk.acting(OFFICE), *one, "blacklist", "names")
    assert shown(desk)[0] == "quorn"
    desk.lists.discard(desk.acting(OFFICE), "blacklist", "names")
    assert shown(desk) == names(desk)


def test_what_somebody_else_saves_meanwhile_is_not_taken_back_by_an_old_text(desk: Desk) -> None:
    text = "\n".join(["zorblatt", *names(desk)])
    change = {"blacklist": {"names": ["quorn"]}}
    desk.bench.lexicon_edit(add=change, comment="another officer", actor=OFFICER, expected_version=1)
    kept = typed(desk, text, loaded=1)[desk.lists.draft]
    assert "1 unsaved change" in kept and "version 2 is in force now" in kept
    desk.lists.save(desk.acting(OFFICE), "blacklist", "names", text, "mine", 1)
    assert {"zorblatt", "quorn"} <= set(names(desk))


def test_saving_waits_until_the_impact_of_these_very_changes_has_been_shown(desk: Desk) -> None:
    text = "\n".join(["effusion", *names(desk)])
    assert desk.lists.look(desk.acting(OFFICE), Screen(), "blacklist")[desk.lists.keep]["interactive"] is False
    looked = desk.lists.foresee(desk.acting(OFFICE), "blacklist", "names", text, "", 1)
    assert looked[desk.lists.keep]["interactive"] is True and "Pairs that contain it" in looked[desk.lists.impact]
    assert "effusion" in desk.lists.spell(desk.acting(OFFICE))[desk.lists.pieces]
    assert desk.lists.keep not in typed(desk, text), "an answer to typing that comes late takes nothing away"
    assert typed(desk, text + "\nheart")[desk.lists.keep]["interactive"] is False
    one = ("blacklist", "names", "effusion")
    dropped = desk.lists.drop(desk.acting(OFFICE), *one, "blacklist", "names")
    assert dropped[desk.lists.keep]["interactive"] is False and dropped[desk.lists.impact] == ""


def test_the_way_back_to_a_version_is_laid_out_before_it_is_saved(desk: Desk) -> None:
    text = "\n".join(["zorblatt", *names(desk)])
    desk.lists.save(desk.acting(OFFICE), "blacklist", "names", text, "a name", 1)
    page = desk.lists.back(desk.acting(OFFICE), 1, "blacklist", "names")
    assert page[desk.lists.comment] == "Back to version 1" and "zorblatt" in names(desk)
    typed_text = "\n".join(shown(desk))
    desk.lists.save(desk.acting(OFFICE), "blacklist", "names", typed_text, "Back to version 1", 2)
    first, third = (desk.bench.lexicon_show(v, actor=OFFICER)["digest"] for v in (1, 3))
    assert first == third


def test_a_category_that_is_typed_begins_a_new_one(desk: Desk) -> None:
    update = desk.lists.choose(desk.acting(OFFICE), "blacklist", "Pet names")
    assert update[desk.lists.category]["value"] == "pet_names" and update[desk.lists.terms]["value"] == ""
    desk.lists.save(desk.acting(OFFICE), "blacklist", "pet_names", "zorblatt", "new", 1)
    assert desk.bench.lexicon_current(actor=OFFICER)["blacklist"]["pet_names"] == ["zorblatt"]


def test_an_observer_sees_no_term_and_keeps_no_draft(desk: Desk) -> None:
    desk.lists.save(desk.acting(OFFICE), "blacklist", "names", "zorblatt", "because of zorblatt", 1)
    for page in (
        desk.lists.look(desk.acting(GUEST), Screen(), "blacklist"),
        desk.lists.on_role(desk.acting(GUEST), Screen(), "blacklist"),
    ):
        assert page[desk.lists.terms] == {"value": "", "interactive": False, "__type__": "update"}
        assert "Not shown to your role" in page[desk.lists.state] and "zorblatt" not in repr(page)
        assert "v2" in page[desk.lists.log] and "<button" not in page[desk.lists.log]
    assert typed(desk, "zorblatt", role=GUEST) == {}


def sent(desk: Desk, name: str) -> Path:
    """Where a file lies that the officer has uploaded."""
    folder = folder_of(desk.acting(OFFICE).name) / "1"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name


@pytest.fixture(autouse=True)
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))


def test_an_uploaded_list_is_merged_and_the_file_is_gone(desk: Desk, tmp_path: Path) -> None:
    file = sent(desk, "terms.txt")
    file.write_text("\ufeffzalpha\n# note\nzbeta\n", encoding="utf-8")
    text = "\n".join(["zalpha", *names(desk)])
    desk.lists.upload(desk.acting(OFFICE), str(file), "blacklist", "names", text, "", 1)
    assert shown(desk)[:2] == ["zalpha", "zbeta"]
    assert not file.exists()


def test_an_export_of_both_lists_can_be_read_again(desk: Desk, tmp_path: Path) -> None:
    desk.lists.save(desk.acting(OFFICE), "blacklist", "names", "\n".join(["zorblatt", *names(desk)]), "a", 1)
    whole = desk.lists.export(desk.acting(OFFICE))[desk.lists.all]
    desk.bench.lexicon_revert(1, comment="", actor=OFFICER)
    file = sent(desk, "all.txt")
    file.write_text(whole, encoding="utf-8")
    desk.lists.upload(desk.acting(OFFICE), str(file), "whitelist", "", "", "", 3)
    assert desk.bench.lexicon_draft(actor=desk.acting(OFFICE))["add"] == {"blacklist": {"names": ["zorblatt"]}}
