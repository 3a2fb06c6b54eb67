"""Matchers in Alertmanager's own syntax: `alertname=~"Watchdog|InfoInhibitor", severity!="none"`.

Source: Alertmanager's documentation, "Matcher" (UTF-8 names in double quotes, braces around the list if one likes).
A label that is not there counts as empty; a regular expression must match the whole value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.common.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

LONGEST_REGULAR_EXPRESSION = 1000
LONGEST_LIST = 10_000
_REGULAR_EXPRESSION_MEMORY = 1024 * 1024  # bytes that re2 may take for one

_NAME = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^\s{}!=~,"\'`\\]+))\s*')
_OPERATOR = re.compile(r"=~|!~|!=|=")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}

_WORDS = re.compile(r"[\w/:@ -]*(?:\|[\w/:@ -]*)*", re.ASCII)
_START = re.compile(r"([\w/:@ -]+)\.\*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label; `text` is how it was written."""

    label: str
    accepts: Callable[[str], bool]
    text: str

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether `labels` meet the condition."""
        return self.accepts(labels.get(self.label, ""))


def parse_matchers(text: str) -> Sequence[Matcher]:
    """Read a list of matchers, separated by commas.

    Raises:
        ValueError: with a sentence that says what is wrong, and where.
    """
    if len(text) > LONGEST_LIST:
        raise ValueError(f"{excerpt(text)} is longer than {LONGEST_LIST} characters")
    inner = text.strip()
    if inner.startswith("{") != inner.endswith("}"):
        raise ValueError(f"{excerpt(text)} has one brace where two belong")
    if inner.startswith("{"):
        inner = inner[1:-1]
    return list(_parsed(inner))


def _parsed(text: str) -> Iterator[Matcher]:
    position = 0
    while text[position:].strip():
        label, position = _word(text, position, "a label's name")
        operator = _OPERATOR.match(text, position)
        if operator is None:
            raise ValueError(f"{excerpt(text[position:])} follows {label!r} where one of = != =~ !~ belongs")
        value, end = _word(text, operator.end(), f"the value of {label!r}")
        yield Matcher(label, _condition(operator[0], value), f'{label}{operator[0]}"{value}"')
        position = end
        if position < len(text):
            if text[position] != ",":
                raise ValueError(f"{excerpt(text[position:])} follows {label!r}'s value where a comma belongs")
            position += 1


def _word(text: str, position: int, what: str) -> tuple[str, int]:
    found = _NAME.match(text, position)
    if found is None:
        raise ValueError(f"{excerpt(text[position:])} stands where {what} belongs; put it in double quotes")
    quoted, plain = found.groups()
    return (plain if quoted is None else _ESCAPE.sub(_unescaped, quoted)), found.end()


def _unescaped(escape: re.Match[str]) -> str:
    if escape[1] not in _ESCAPED:
        raise ValueError(f'{escape[0]!r} is no escape: write \\\\ for a backslash, \\" for a quote, \\n for a new line')
    return _ESCAPED[escape[1]]


def _condition(operator: str, value: str) -> Callable[[str], bool]:
    if operator == "=":
        return lambda text: text == value
    if operator == "!=":
        return lambda text: text != value
    matches = _whole(value)
    return matches if operator == "=~" else lambda text: not matches(text)


def _whole(expression: str) -> Callable[[str], bool]:
    """Return what tells whether a text as a whole matches `expression`, in time linear to the text.

    Words side by side and the start of a text, the usual ones, need no engine: re2 is loaded for the others only.
    """
    if len(expression) > LONGEST_REGULAR_EXPRESSION:
        raise ValueError(
            f"the regular expression {excerpt(expression)} is longer than {LONGEST_REGULAR_EXPRESSION} characters"
        )
    if _WORDS.fullmatch(expression):
        words = frozenset(expression.split("|"))
        return words.__contains__
    if start := _START.fullmatch(expression):
        beginning = start[1]
        return lambda text: text.startswith(beginning) and "\n" not in text
    return _by_re2(expression)


def _by_re2(expression: str) -> Callable[[str], bool]:
    import re2  # noqa: PLC0415 - no cold start pays for it where no rule needs it

    options: Any = re2.Options()
    options.max_mem = _REGULAR_EXPRESSION_MEMORY
    options.log_errors = False
    try:
        compiled: Any = re2.compile(expression, options)
    except re2.error as error:
        said = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else error
        raise ValueError(f"the regular expression {excerpt(expression)} cannot be read: {said}") from None
    return lambda text: compiled.fullmatch(text) is not None
