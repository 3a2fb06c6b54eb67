"""Reads serverless.yaml as the Serverless Framework does, as far as this manifest asks for it: variables
`${env:NAME, 'default'}` and `${opt:NAME, 'default'}`, and patterns of the package, of which the last match counts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_VARIABLE = re.compile(r"\$\{(?P<source>\w+):(?P<name>\w+)(?:, *'(?P<default>[^']*)')?\}")
_GLOB = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}


class UnresolvedError(Exception):
    """A variable that has no value and no default, or is of an unknown kind."""


def read_manifest(path: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """The manifest with its variables resolved. Raises UnresolvedError with the variable's text."""
    service: dict[str, Any] = _resolved(yaml.safe_load(path.read_text()), environment)
    return service


def chosen(patterns: Iterable[str], paths: Iterable[str]) -> Iterator[str]:
    """Those of `paths` that the patterns put into the package."""
    rules = [(not each.startswith("!"), re.compile(_regex(each.removeprefix("!")))) for each in patterns]
    for path in paths:
        taken = [take for take, regex in rules if regex.fullmatch(path)]
        if taken and taken[-1]:
            yield path


def _resolved(value: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _resolved(each, environment) for name, each in value.items()}
    if isinstance(value, list):
        return [_resolved(each, environment) for each in value]
    if not isinstance(value, str):
        return value
    resolved = _VARIABLE.sub(lambda match: _value(match, environment), value)
    if "${" in resolved:
        raise UnresolvedError(resolved)
    return resolved


def _value(match: re.Match[str], environment: Mapping[str, str]) -> str:
    given = environment.get(match["name"]) if match["source"] == "env" else None
    found = match["default"] if given is None else given
    if found is None or match["source"] not in {"env", "opt"}:
        raise UnresolvedError(match[0])
    return found


def _regex(glob: str) -> str:
    parts = re.split(r"(\*\*/|\*\*|\*)", glob)
    return "".join(_GLOB.get(part, re.escape(part)) for part in parts)
