"""What the pages say of the code is so, their links lead somewhere, and their code can be pasted."""

from __future__ import annotations

import re
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
import yaml
from prometheus_client import CollectorRegistry
from typer.main import get_command

from core.local.commands import app
from core.metrics import Metrics
from core.settings import Settings
from core.signals.rules import BUILT_IN_RULES
from core.signals.rules_file import ACTIONS
from tests.support.pages import FENCED, PAGES, fences, shell_lines

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[2]
SETTINGS = (ROOT / "docs" / "settings.md").read_text()
RULES = (ROOT / "docs" / "rules.md").read_text()
COMPUTED = {"namespace": "`POD_NAMESPACE`, the service account's, else `sluice-system`"}
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def row(name: str) -> str:
    field = Settings.fields[name]
    default = COMPUTED.get(name) or (f"`{field.default}`" if field.default != "" else "empty")
    return f"| `SLUICE_{name.upper()}` | {default} | {field.description} |"


def prose(page: Path) -> str:
    return FENCED.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """As GitHub makes them: lower case, no punctuation, hyphens for spaces."""
    headings = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(prose(page)))
    return {heading.replace(" ", "-") for heading in headings}


def calls(program: str) -> list[tuple[str, list[str]]]:
    """The page, and the words behind the program's name, of each line that calls it."""
    return [(page.name, words[1:]) for page in PAGES for words in shell_lines(page) if words[0] == program]


@pytest.mark.parametrize("name", Settings.fields)
def test_setting_stands_in_the_documentation_with_its_default_and_meaning(name: str):
    assert row(name) in SETTINGS


def test_documentation_lists_no_setting_that_does_not_exist():
    listed = [line.split("`")[1] for line in SETTINGS.splitlines() if line.startswith("| `SLUICE_")]
    assert listed == [f"SLUICE_{name.upper()}" for name in Settings.fields]


def test_metrics_stand_in_the_documentation_with_their_labels():
    registry = CollectorRegistry()
    Metrics(registry=registry)
    metrics: Iterable[Any] = registry._collector_to_names
    served = {
        metric.describe()[0].name + ("_total" if metric._type == "counter" else ""): metric._labelnames
        for metric in metrics
    }
    assert metrics_of_the_page() == served | {"gateway_asyncio_tasks": ()}  # the worker's, which has the loop


def metrics_of_the_page() -> dict[str, tuple[str, ...]]:
    """Rows of the table: one metric or several, and the labels of each."""
    listed: dict[str, tuple[str, ...]] = {}
    for line in (ROOT / "docs" / "observability.md").read_text().splitlines():
        if line.startswith("| `gateway_"):
            _, named, labels, *_ = line.split("|")
            names = re.findall(r"`(\w+)`", named)
            parts = labels.split(",") if len(names) > 1 else [labels]
            listed |= {
                name: tuple(re.findall(r"`(\w+)`", part)) for name, part in zip_longest(names, parts, fillvalue="")
            }
    return listed


def test_actions_of_rules_stand_in_the_documentation():
    actions = re.findall(r"^\| `(\w+): ", RULES.split("## What becomes of them")[1], re.MULTILINE)
    assert set(actions) == {action.replace("min_occurrences", "minOccurrences") for action in ACTIONS}


def test_built_in_rules_stand_in_the_documentation():
    listed = re.findall(r"^\| `([\w-]+)` \|", RULES.split("## Built in")[1], re.MULTILINE)
    assert listed == [rule.name for rule in BUILT_IN_RULES]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_a_file_and_a_heading_that_exist(page: Path):
    dead = []
    for link in LINK.findall(prose(page)):
        if "://" in link:
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


def test_every_page_can_be_reached_from_the_readme():
    found, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in found or page.suffix != ".md" or not page.is_file():
            continue
        found.add(page)
        links = (link.partition("#")[0] for link in LINK.findall(prose(page)) if "://" not in link)
        waiting += [(page.parent / link).resolve() for link in links if link]
    assert sorted(page.name for page in PAGES if page not in found) == []


def test_architecture_names_every_room_and_no_file_that_is_gone():
    text = (ROOT / "docs" / "architecture.md").read_text()
    named = {path.rstrip("/") for path in re.findall(r"`((?:core|functions|knative|tests|docs)/[\w./-]*)`", text)}
    rooms = {f"core/{path.parent.name}" for path in (ROOT / "core").glob("*/__init__.py")}
    assert rooms - named == set()
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


def test_architecture_names_every_module_at_the_top_of_core():
    text = (ROOT / "docs" / "architecture.md").read_text()
    assert [path.name for path in (ROOT / "core").glob("[!_]*.py") if f"`core/{path.name}`" not in text] == []


def test_readme_is_the_first_ten_minutes():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_yaml_of_a_page_is_yaml(page: Path):
    for fence in fences(page, "yaml"):
        assert list(yaml.safe_load_all(fence)), fence


@pytest.mark.parametrize(("page", "words"), calls("sluice"))
def test_command_of_a_page_exists_with_its_options(page: str, words: list[str]):
    command = get_command(app)
    rest = list(words)
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        assert rest[0] in command.commands
        command = command.commands[rest.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    assert [word for word in rest if word.startswith("-") and word != "-" and word.partition("=")[0] not in known] == []


@pytest.mark.parametrize(("page", "words"), calls("make"))
def test_target_of_a_page_exists(page: str, words: list[str]):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [word for word in words if "=" not in word and word not in targets] == []


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "how-to").glob("[a-z]*.md")), ids=lambda page: page.name)
def test_how_to_is_read_in_minutes(page: Path):
    assert 25 <= len(page.read_text().splitlines()) <= 100
