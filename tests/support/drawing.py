"""Reads a class tree drawn as text."""

import re
from types import ModuleType

_LINE = re.compile(r"^(?P<indent>[│├└─ ]*)(?P<name>[A-Z]\w+)(?:\s{2,}.*|)$")


def drawn_tree(text: str) -> dict[str, str]:
    """Return parent by class name, empty for the root; each level is four columns wide."""
    parents: dict[str, str] = {}
    path: list[str] = []
    for line in text.splitlines():
        found = _LINE.match(line)
        if not found or not (found["indent"] or found["name"].endswith("Error")):
            continue
        depth = len(found["indent"]) // 4
        assert depth <= len(path), f"{line!r} hangs below nothing"
        path[depth:] = [found["name"]]
        parents[found["name"]] = path[depth - 1] if depth else ""
    return parents


def real_tree(root: type[BaseException], *modules: ModuleType) -> dict[str, str]:
    """Return parent by class name for all classes below `root` that `modules` define."""
    homes = {module.__name__ for module in modules}
    found = {root.__name__: ""}
    waiting = [root]
    while waiting:
        parent = waiting.pop()
        for child in parent.__subclasses__():
            if child.__module__ in homes:
                found[child.__name__] = parent.__name__
                waiting.append(child)
    return found
