"""The project's pages, and the code in them that people paste."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]
FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_ENDS = re.compile(r"\s(?:&&|\|\||\||;|&)(?:\s|$)")


def fences(page: Path, language: str) -> Iterator[str]:
    """The code of the fences that name a language, or, for "", none."""
    for _, named, code in _FENCE.findall(page.read_text()):
        if named == language:
            yield dedent(code)


def shell_lines(page: Path) -> Iterator[list[str]]:
    """The words of each command in the fences without a language: lines joined, pipes apart, comments left out."""
    for code in fences(page, ""):
        for line in code.replace("\\\n", " ").splitlines():
            for command in _ENDS.split(line):
                try:
                    words = shlex.split(command, comments=True)
                except ValueError:
                    continue  # a drawing, or a line of prose
                if words:
                    yield words
