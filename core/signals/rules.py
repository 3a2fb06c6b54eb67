"""Rules: what people decide about signals, by their labels, before anything is looked up.

A rule is a pure function of a signal's labels. The rules that are built in come first, then those of SLUICE_RULES;
all that match count, in order, and what a later one says of the same thing replaces what an earlier one said. A rule
that ignores a signal ends the list, and so does one with `stop`.

Conditions are written as Alertmanager's matchers: `alertname=~"Watchdog|InfoInhibitor", severity!="none"` (its
documentation, "Matcher": UTF-8 names in double quotes, braces around the list if one likes). A label that is not there
counts as empty; a regular expression must match the whole value.
"""

from __future__ import annotations

import re
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from core.common.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


LONGEST_REGULAR_EXPRESSION = 1000
LONGEST_LIST = 10_000
_REGULAR_EXPRESSION_MEMORY = 1024 * 1024  # bytes that re2 may take for one

_NAME = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^\s{}!=~,"\'`\\]+))\s*')
_OPERATOR = re.compile(r"=~|!~|!=|=")
_ESCAPE = r"(?s)\\(.)"
_ESCAPED = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}

_WORDS = re.compile(r"[\w/:@ -]*(?:\|[\w/:@ -]*)*", re.ASCII)
_START = re.compile(r"([\w/:@ -]+)\.\*", re.ASCII)

IGNORED_BY_RULE = "rule"
"""Reason of what a rule ignores."""

FEW_OCCURRENCES = "few_occurrences"
"""Reason of an Event that has not happened often enough for a rule."""

COOLDOWN_ANNOTATION = "gateway.kubernaut.ai/cooldown"
"""On an RR: seconds after its end during which it takes signals, where a rule says so (SLUICE_COOLDOWN for all)."""

RULES_ANNOTATION = "gateway.kubernaut.ai/rules"
"""On an RR: the rules that its first signal matched."""


_PLACEHOLDER = r"\{([^{}]*)\}"


class Matcher(NamedTuple):
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
    return (plain if quoted is None else re.sub(_ESCAPE, _unescaped, quoted)), found.end()


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


class NamedTarget(NamedTuple):
    """The object that a rule makes the target. `{label}` stands for the value of a label."""

    kind: str
    name: str
    namespace: str = "{namespace}"

    def hints(self, labels: Mapping[str, str]) -> dict[str, str]:
        """Return the labels that name the object, as senders may set them too; none where one of the parts is empty."""

        def filled(text: str) -> str:
            return re.sub(_PLACEHOLDER, lambda found: labels.get(found[1], ""), text)

        kind, name, namespace = filled(self.kind), filled(self.name), filled(self.namespace)
        if not kind or not name:
            return {}
        hints = {"target_kind": kind, "target_name": name}
        return hints | {"target_namespace": namespace} if namespace else hints


class Rule(NamedTuple):
    """One rule: which signals, and what becomes of them. `ignore` says why; empty, it does not ignore.

    `cluster` None leaves a signal's cluster as it is; empty, it is this one. `min_occurrences` counts an Event's
    occurrences. `cooldown` is in seconds, after the end of an RR that such a signal opened; None says nothing of it.
    `stop` ends the list.
    """

    name: str
    matchers: Sequence[Matcher]
    ignore: str = ""
    target: NamedTarget | None = None
    cluster: str | None = None
    severity: str = ""
    min_occurrences: int = 0
    cooldown: int | None = None
    stop: bool = False

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether all matchers accept a signal's labels."""
        return all(matcher.matches(labels) for matcher in self.matchers)

    @property
    def actions(self) -> str:
        """What it does, in words for people."""
        said = {
            "ignore": self.ignore,
            "target": self.target and f"{self.target.kind} {self.target.namespace}/{self.target.name}",
            "cluster": self.cluster if self.cluster is None else self.cluster or "this one",
            "severity": self.severity,
            "minOccurrences": str(self.min_occurrences or ""),
            "cooldown": "" if self.cooldown is None else f"{self.cooldown} s",
            "stop": "here" if self.stop else "",
        }
        return "; ".join(f"{action}: {detail}" for action, detail in said.items() if detail)


class Decision(NamedTuple):
    """What the rules say of one signal; `rules` are the names of those that matched.

    `ignored` is a sentence that says why, empty where it is not ignored. `hints` name a target as labels do. None and
    nothing leave a signal as it is.
    """

    rules: Sequence[str] = ()
    ignored: str = ""
    hints: Mapping[str, str] = MappingProxyType({})
    cluster: str | None = None
    severity: str = ""
    min_occurrences: int = 0
    cooldown: int | None = None

    @property
    def provenance(self) -> dict[str, str]:
        """Annotations of the RR."""
        if not self.rules:
            return {}
        cooldown = {} if self.cooldown is None else {COOLDOWN_ANNOTATION: str(self.cooldown)}
        return {RULES_ANNOTATION: ",".join(self.rules), **cooldown}


UNDECIDED = Decision()


class Rules:
    """An ordered list of rules; `matched` is told the name of each that matches a signal."""

    def __init__(self, rules: Sequence[Rule], *, matched: Callable[[str], None] = lambda _: None) -> None:
        self.rules = rules
        self._matched = matched

    def told_to(self, matched: Callable[[str], None]) -> Rules:
        """Return the same rules, whose matches are told to `matched`."""
        return Rules(self.rules, matched=matched)

    def decide(self, labels: Mapping[str, str]) -> Decision:
        """Return what the rules say of a signal with `labels`."""
        matching: list[str] = []
        said: dict[str, Any] = {}
        for rule in self.rules:
            if not rule.matches(labels):
                continue
            matching.append(rule.name)
            self._matched(rule.name)
            if rule.ignore:
                said = {"ignored": f"rule {rule.name}: {rule.ignore}"}
                break
            said |= _said(rule, labels)
            if rule.stop:
                break
        return Decision(rules=matching, **said) if matching else UNDECIDED


def _said(rule: Rule, labels: Mapping[str, str]) -> dict[str, Any]:
    hints = rule.target.hints(labels) if rule.target else {}
    said = {
        "hints": hints,
        "severity": rule.severity,
        "min_occurrences": rule.min_occurrences,
    }
    known: dict[str, Any] = {key: value for key, value in said.items() if value}
    unless_none = {"cluster": rule.cluster, "cooldown": rule.cooldown}
    return known | {key: value for key, value in unless_none.items() if value is not None}


BUILT_IN_RULES = (
    Rule(
        name="always-firing",
        matchers=parse_matchers('alertname=~"Watchdog|InfoInhibitor|DeadMansSwitch|DeadMansSnitch|DeadManSwitch"'),
        ignore="it always fires, to show that alerts arrive, or only holds others back",
    ),
    Rule(
        name="own-delivery",
        matchers=parse_matchers('alertname=~"AlertmanagerFailedToSendAlerts|AlertmanagerClusterFailedToSendAlerts"'),
        ignore="it tells that notifications fail, Sluice's perhaps: to work on Alertmanager mends none",
    ),
    Rule(
        name="own-alerts",
        matchers=parse_matchers('alertname=~"Sluice.*"'),
        ignore="it is about Sluice, which must not work on itself",
    ),
    Rule(
        name="failed-query",
        matchers=parse_matchers('alertname="DatasourceError"'),
        ignore="Grafana could not ask its data source: it knows nothing of the object that the rule's labels name",
    ),
    # A probe may fail while a container starts, or once: the kubelet restarts what stays so.
    Rule(
        name="failing-probes",
        matchers=parse_matchers('type="Warning", reason="Unhealthy"'),
        min_occurrences=3,
    ),
)
"""In force unless SLUICE_RULES switches them off."""


@cache
def default_rules() -> Rules:
    """Return the rules where SLUICE_RULES names no file."""
    return Rules(BUILT_IN_RULES)


def rules_in(path: str) -> Rules:
    """Return the rules that SLUICE_RULES asks for: those of its file, or where it names none those that are built in.

    Raises:
        ConfigurationError: the file cannot be read, or a rule in it cannot work.
    """
    if not path:
        return default_rules()
    from core.signals.rules_file import load_rules  # noqa: PLC0415 - no cold start pays for it where there is no file

    return load_rules(path)
