"""What is installed is what was locked: one version of each package, and the digest of every file it may come as."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(?P<version>[^\s;\\]+)", re.MULTILINE)
SETS = ["requirements", "requirements-dev", "requirements-uv"]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def pins(text: str) -> dict[str, set[str]]:
    """Normal name -> versions; a lock for many systems may hold one for each."""
    found: dict[str, set[str]] = {}
    for match in PIN.finditer(text):
        found.setdefault(re.sub(r"[-_.]+", "-", match["name"]).lower(), set()).add(match["version"])
    return found


@pytest.mark.parametrize("name", SETS)
def test_every_line_that_people_write_is_a_pin_and_is_locked_as_it_stands(name: str) -> None:
    written = read(f"{name}.txt")
    lines = [line for line in written.splitlines() if line.strip() and not line.startswith(("#", "-r "))]
    asked, locked = pins(written), pins(read(f"{name}.lock"))
    assert len(asked) == len(lines), "each line is NAME==VERSION"
    assert {n: v for n, v in asked.items() if locked.get(n) != v} == {}, "run `make lock`"


@pytest.mark.parametrize("name", SETS)
def test_every_locked_package_has_digests(name: str) -> None:
    blocks = re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"^ *#.*\n", "", read(f"{name}.lock"), flags=re.MULTILINE))
    assert len(blocks) == sum(len(versions) for versions in pins(read(f"{name}.lock")).values()) > 0
    assert [block.split()[0] for block in blocks if not re.search(r"--hash=sha256:[0-9a-f]{64}", block)] == []


def test_tests_run_with_the_packages_that_the_app_runs_with() -> None:
    app, dev = pins(read("requirements.lock")), pins(read("requirements-dev.lock"))
    assert {name: versions for name, versions in app.items() if dev.get(name) != versions} == {}


def test_nothing_is_installed_without_its_digest() -> None:
    made = read("Makefile")
    installs = [line for line in made.splitlines() if "pip install" in line]
    assert len(installs) == 2 and all("--require-hashes" in line for line in installs)
    assert not re.search(r"-r requirements\S*\.txt", made)
