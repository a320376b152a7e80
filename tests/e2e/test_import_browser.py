"""The importer's day in a browser: look first, columns by menus, a folder with its structure, a page that lasts."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.keyboard import until
from tests.e2e.served import serve
from tests.unit.intake_sources import chest, data_set, save_dicom, save_picture

pytestmark = pytest.mark.browser
HEAD = ("Bild", "Nummer", "Blick", "Befund")
MENUS = {"file": "Bild", "patient_id": "Nummer", "view": "Blick", "report_text": "Befund"}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, models: dict[str, str]) -> Any:
    place = tmp_path_factory.mktemp("intake")
    with serve(place / "home", place / "nothing", **models) as served:
        yield served


def opened(browser: Any, address: str, **size: int) -> Any:
    page = browser.new_page(viewport={"width": 1440, "height": 900, **size}, accept_downloads=True)
    page.set_default_timeout(120_000)
    page.goto(address)
    page.locator("#role input").wait_for()
    page.locator("#role input").click()
    page.get_by_role("option", name="Privacy officer").click()
    page.get_by_role("tab", name="Import & run").click()
    page.locator("#import-go").wait_for()
    return page


def choose(page: Any, menu: str, option: str) -> None:
    """By keys, as somebody with a long table would; again where the menu's options come only now."""
    field = page.locator(f"{menu} input")

    def chosen() -> bool:
        field.fill(option)
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        return bool(field.input_value() == option)

    until(chosen, f"{option} in {menu}")


def test_a_folder_with_a_foreign_table_comes_in_by_menus_and_what_is_left_out_is_tried_again(
    browser: Any, address: str, tmp_path: Path
) -> None:
    source = tmp_path / "studies"
    for n in range(2):
        save_picture(source / "pictures" / f"{n}.png", chest(seed=n))
    save_picture(source / "other" / "2.png", chest(seed=2))
    with open(source / "liste.csv", "w", newline="", encoding="utf-8") as out:
        rows = [(f"{n}", f"p{n}", "PA" if n < 2 else "", "FINDINGS: The lungs are clear.") for n in range(3)]
        csv.writer(out).writerows([HEAD, *rows])
    page = opened(browser, address)
    page.locator("#import-folder input[type=file]").set_input_files(source)
    page.locator("#import-look", has_text="Say below which column holds").wait_for()
    for name, column in MENUS.items():
        choose(page, f"#column-{name}", column)
    page.locator("#import-see").click()
    page.locator("#import-look", has_text="Nothing is imported yet.").wait_for()
    assert page.locator("#import-look tbody tr").count() == 3
    page.locator("#import-go").click()
    page.locator("#import-outcome", has_text="2 imported · 1 not taken").wait_for()
    detail = page.locator("#import-detail")
    page.locator("#import-detail", has_text="2 images imported").wait_for()
    assert "the view is not stated" in detail.inner_text() and "uploaded files" in detail.inner_text()
    with page.expect_download() as coming:
        page.locator("#import-csv").click()
    saved = list(csv.reader(Path(coming.value.path()).read_text(encoding="utf-8").splitlines()))
    assert saved[0] == ["source", "reason"] and len(saved) == 2 and coming.value.suggested_filename.endswith(".csv")
    choose(page, "#anew-view", "AP")
    page.locator("#import-again").click()
    page.locator("#import-outcome", has_text="1 imported").wait_for()
    page.locator("#import-detail", has_text="The importer said: view AP").wait_for()
    page.close()
    page = opened(browser, address)
    page.locator("#imports [data-import]").last.click()
    page.locator("#import-detail", has_text="2 images imported").wait_for()
    page.close()


def test_nothing_imported_is_never_green_and_the_error_names_what_is_wrong(
    browser: Any, address: str, tmp_path: Path
) -> None:
    save_dicom(tmp_path / "hand" / "a.dcm", data_set(chest(seed=9), BodyPartExamined="HAND"))
    page = opened(browser, address)
    page.locator("#import-path textarea, #import-path input").first.fill(str(tmp_path / "hand"))
    page.locator("#import-go").click()
    outcome = page.locator("#import-outcome .notice")
    page.locator("#import-outcome", has_text="Nothing was imported").wait_for()
    assert "ok" not in (outcome.get_attribute("class") or "").split()
    page.locator("#import-detail", has_text="the header's body part is arm").wait_for()
    picture = save_picture(tmp_path / "one.png")
    page.locator("#import-files input[type=file]").set_input_files(picture)
    page.locator("#say", has_text=re.compile("nothing says their view, patient and report")).wait_for()
    with page.expect_download() as coming:
        page.locator("#import-template").click()
    assert Path(coming.value.path()).read_text(encoding="utf-8").startswith("file,patient_id,study_id,view,report_text")
    page.close()
