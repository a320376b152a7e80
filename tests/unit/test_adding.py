"""docs/adding.md keeps its word: each example is dropped into a copy of the code, and works."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples"

PLATES = '''"""Licence plates, as ambulance services write them into a request."""

import re

from updp_core.report.words import Piece, Reading

_PLATE = re.compile(r"(?i)ambulance ([A-Z]{2} [A-Z]{2})")


def find(reading: Reading) -> list[Piece]:
    """Plates behind the word ambulance."""
    return [Piece(*m.span(1), "vehicles", "plate", "context") for m in _PLATE.finditer(reading.text)]
'''
ROW = '    Category("vehicles", "[VEHICLE]", "vehicle"),\n'


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The code alone, as a newcomer would change it."""
    for name in ("updp_core", "ui", "lexicons"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def run(copy: Path, code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def put(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, f"{path.name} has no single place for {new!r}"
    path.write_text(text.replace(old, new))


def test_a_method_is_one_file(copy: Path) -> None:
    shutil.copy(EXAMPLES / "median.py", copy / "updp_core" / "methods")
    made = run(
        copy,
        "import numpy as np\n"
        "from updp_core.config import Settings\n"
        "from updp_core.domain import MethodInput\n"
        "from updp_core.lexicon import Lexicon\n"
        "from updp_core.methods import METHODS, derivation_of, make_method\n"
        "method = make_method('median', Settings(), Lexicon(), {'window': 9})\n"
        "item = MethodInput('R1', np.full((64, 80), 30000, np.uint16), '', '')\n"
        "(step,) = method.propose([item], seeds=[1])\n"
        "(made,) = step.proposals\n"
        "print('median' in METHODS, method.settings()['window'], made.image.shape, made.image.max())\n"
        "print(derivation_of('median', method.settings()).source_pixels)\n",
    )
    assert made.splitlines() == ["True 9 (256, 256) 117", "True"]


def test_a_gate_is_one_row(copy: Path) -> None:
    put(
        copy / "updp_core" / "evidence" / "gates.py",
        "RULES: Mapping[str, Rule] = {\n",
        "RULES: Mapping[str, Rule] = {\n"
        '    "brightness": Rule(\n'
        '        "Brightness", ("looks", "mean"), "above", 0.9, "warn", "Mean {value}.", "Too bright.", "No image.",\n'
        '        leaves=Leaves("brightness", 0, 1),\n'
        "    ),\n",
    )
    told = run(
        copy,
        "from updp_core.evidence.gates import gates\n"
        "for evidence in ({}, {'looks': {'mean': 0.95}}, {'looks': {'mean': 0.5}}):\n"
        "    print(gates(evidence)[0].name, gates(evidence)[0].state)\n"
        "from updp_core.evidence.pair import publishable\n"
        "from updp_core.release import allowed\n"
        "print(allowed.evidence(publishable({'looks': {'mean': 0.5}}))['brightness'])\n",
    )
    assert told.splitlines() == ["brightness unknown", "brightness warn", "brightness clear", "0.5"]


def test_a_suite_is_one_file(copy: Path) -> None:
    shutil.copy(EXAMPLES / "obfuscation.py", copy / "updp_core" / "evaluation" / "suites")
    told = run(
        copy,
        "from updp_core.cli.evaluate import app\n"
        "from updp_core.evaluation.suites import SUITES\n"
        "print('obfuscation' in [command.name for command in app.registered_commands])\n"
        "print([figure.name for figure in SUITES['obfuscation'].figures if figure.bar])\n",
    )
    assert told.splitlines() == ["True", "['identity_accuracy.prichexy_net']"]


def test_a_finder_of_a_new_category_takes_one_file_its_place_and_one_row(copy: Path) -> None:
    room = copy / "updp_core" / "report"
    (copy / "data").symlink_to(ROOT / "data")
    (room / "plates.py").write_text(PLATES)
    put(room / "filter.py", "names, ner, patterns, places,", "names, ner, patterns, places, plates,")
    put(room / "filter.py", "recognisers, ner)", "recognisers, ner, plates)")
    put(room / "categories.py", '    Category("deid_markers"', ROW + '    Category("deid_markers"')
    code = (
        "from updp_core.lexicon import load_lexicon\n"
        "from updp_core.report import filter_report\n"
        "print(filter_report('Came by ambulance UP DP, lungs are clear.', load_lexicon()).text)"
    )
    assert run(copy, code) == "Came by ambulance [VEHICLE], lungs are clear."


def test_a_page_is_one_class_and_a_line_of_pages(copy: Path) -> None:
    shutil.copy(EXAMPLES / "hello.py", copy / "ui" / "pages")
    pages = copy / "ui" / "pages" / "__init__.py"
    put(
        pages,
        "from ui.pages.insight import Insight\n",
        "from ui.pages.hello import Hello\nfrom ui.pages.insight import Insight\n",
    )
    put(pages, "Audit, Insight)", "Audit, Insight, Hello)")
    told = run(
        copy,
        "from pathlib import Path\n"
        "from ui.app import build_app\n"
        "from ui.background import Background\n"
        "from ui.door.session import Session\n"
        "from updp_core.config import Settings\n"
        "from updp_core.domain import Actor\n"
        "from updp_core.workbench import Workbench\n"
        "settings = Settings(home=Path('ws'))\n"
        "bench = Workbench.open(settings)\n"
        "app = build_app(Session(bench, signed=False), settings, Background(bench, Path('none')))\n"
        "titles = [c['props'].get('label') for c in app.get_config_file()['components'] if c['type'] == 'tabitem']\n"
        "print(titles[-1])\n",
    )
    assert told == "Hello"


@pytest.mark.parametrize("name", ["adding.md", "architecture.md"])
def test_every_place_that_is_named_is_there(name: str) -> None:
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:updp_core|ui|tests|data|lexicons)/[\w./-]+)`", text))
    named |= {f"docs/{target}" for target in re.findall(r"\]\(([\w./-]+)\)", text)}
    inside = re.findall(r"`((?:backends|evidence|methods|prompt|release|report|store|workbench)/[\w./]+)`", text)
    named |= {f"updp_core/{place}" for place in inside}
    assert named and [place for place in sorted(named) if not (ROOT / place).exists()] == []
