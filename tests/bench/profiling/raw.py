"""py-spy's raw format: one line for each stack that was seen, outermost frame first, and how often."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = f"{Path(__file__).parents[3]}/"
_INSTALLED = re.compile(r".*/(?:site|dist)-packages/")
_STANDARD = re.compile(r".*/python\d\.\d+/")
_FRAME = re.compile(r"(?P<function>.*) \((?P<file>.*)\)\Z")
STANDARD_LIBRARY, INSTALLED, OURS = "standard library", "installed", "ours"


@dataclass(frozen=True)
class Frame:
    """A function and its file, relative to where it is imported from; `origin` is who wrote it."""

    function: str
    file: str = ""
    origin: str = STANDARD_LIBRARY

    @property
    def name(self) -> str:
        """For people, such as `core.kube.connection.call`."""
        if self.file.startswith("<"):  # as dataclasses write their methods
            return f"generated {self.function}"
        module = self.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        return f"{module}.{self.function}" if module else self.function


@dataclass(frozen=True)
class Stack:
    """Frames, outermost first, and the samples that found them."""

    frames: tuple[Frame, ...]
    samples: int


def parse_raw(text: str) -> Iterator[Stack]:
    """Yield the stacks that py-spy wrote with full file names and without line numbers."""
    for line in text.splitlines():
        frames, _, samples = line.rpartition(" ")
        if frames:
            yield Stack(tuple(_frame(one) for one in frames.split(";")), int(samples))


def _frame(text: str) -> Frame:
    found = _FRAME.match(text)
    if found is None:  # a process or a thread
        return Frame(text)
    function, file = found["function"], found["file"]
    if _INSTALLED.match(file):  # a virtual environment may be inside our folder
        return Frame(function, _INSTALLED.sub("", file), INSTALLED)
    if file.startswith(_ROOT):
        return Frame(function, file.removeprefix(_ROOT), OURS)
    return Frame(function, _STANDARD.sub("", file))
