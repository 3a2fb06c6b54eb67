"""SLUICE_RULES: the file that people write their rules in. Loaded only where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from core.common.text import DNS_SUBDOMAIN, describe_invalid, why_unread
from core.errors import ConfigurationError
from core.signals.rules import BUILT_IN_RULES, Matcher, NamedTarget, Rule, Rules, parse_matchers

MOST_RULES = 1000

ACTIONS = {"ignore", "target", "cluster", "severity", "min_occurrences", "cooldown", "stop"}
"""What a rule may do, by its field here; minOccurrences is written in the file's own way."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Target(_Strict):
    kind: str = Field(min_length=1, max_length=253)
    name: str = Field(min_length=1, max_length=253)
    namespace: str = Field("{namespace}", max_length=253)


class _Rule(_Strict):
    name: str = Field(min_length=1, max_length=100, pattern=rf"^{DNS_SUBDOMAIN}$")
    match: str | list[str]
    ignore: str = Field("", max_length=500)
    target: _Target | None = None
    cluster: str | None = Field(None, max_length=253)
    severity: str = Field("", max_length=50)
    min_occurrences: int = Field(0, alias="minOccurrences", ge=2, le=1_000_000)
    cooldown: int | None = Field(None, ge=0, le=604_800)
    stop: bool = False

    _matchers: Sequence[Matcher] = PrivateAttr(default=())

    @model_validator(mode="after")
    def _readable(self) -> _Rule:
        lists = [self.match] if isinstance(self.match, str) else self.match
        try:
            matchers = [matcher for text in lists for matcher in parse_matchers(text)]
        except ValueError as error:
            raise ValueError(f"match: {error}") from None
        if not matchers:
            raise ValueError('match is empty; a rule for everything says so: alertname=~".*"')
        object.__setattr__(self, "_matchers", tuple(matchers))
        if not self.model_fields_set & ACTIONS:
            raise ValueError(
                "it does nothing; give it ignore, target, cluster, severity, minOccurrences, cooldown or stop"
            )
        if "ignore" in self.model_fields_set and not self.ignore:
            raise ValueError("ignore is empty; say why, for the people who look for the alert")
        return self

    def rule(self) -> Rule:
        """Return the rule as it is tried on signals."""
        target = NamedTarget(self.target.kind, self.target.name, self.target.namespace) if self.target else None
        return Rule(
            name=self.name,
            matchers=self._matchers,
            ignore=self.ignore,
            target=target,
            cluster=self.cluster,
            severity=self.severity,
            min_occurrences=self.min_occurrences,
            cooldown=self.cooldown,
            stop=self.stop,
        )


class _File(_Strict):
    built_in: bool | dict[str, bool] = Field(default=True, alias="builtIn")
    rules: list[_Rule] = Field(default_factory=list, max_length=MOST_RULES)

    @model_validator(mode="after")
    def _known(self) -> _File:
        if isinstance(self.built_in, dict):
            known = {rule.name for rule in BUILT_IN_RULES}
            if unknown := sorted(self.built_in.keys() - known):
                raise ValueError(f"builtIn names {unknown[0]!r}; there are {', '.join(sorted(known))}")
        names = [rule.name for rule in self.rules]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two rules are named {twice[0]!r}; each needs a name of its own")
        return self


def load_rules(path: str, *, where: str = "") -> Rules:
    """Return the rules of a YAML file, those that are built in before them.

    `where` is what people call the file; SLUICE_RULES without it.

    Raises:
        ConfigurationError: the file cannot be read, or a rule in it cannot work; it names rule, field and value.
    """
    where = where or f"SLUICE_RULES={path}"
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{where} cannot be read: {why_unread(error)}; name a YAML file of rules") from None
    return read_rules(text, where=where)


def read_rules(text: str, *, where: str) -> Rules:
    """Return the rules in a YAML document; `where` says to people which one it is.

    Raises:
        ConfigurationError: as load_rules.
    """
    try:
        document = yaml.safe_load(text)
        held = _File.model_validate({} if document is None else document)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{where} is no YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        raise ConfigurationError(f"{where}: {_problem(document, error)}") from None
    switches = held.built_in if isinstance(held.built_in, dict) else {}
    built_in = [rule for rule in BUILT_IN_RULES if held.built_in is not False and switches.get(rule.name, True)]
    return Rules([*built_in, *(each.rule() for each in held.rules)])


def _problem(document: object, error: ValidationError) -> str:
    """Say what is wrong, with the name of the rule beside its number."""
    first = error.errors(include_url=False)[0]
    path = first["loc"]
    sentence = describe_invalid(error, root="")[1].removeprefix(".")
    if first["type"] == "value_error":  # of a check of ours, which says it all
        sentence = str(first["ctx"]["error"])
    if len(path) >= 2 and path[0] == "rules" and isinstance(document, dict) and isinstance(path[1], int):
        rule = document["rules"][path[1]]
        name = rule.get("name") if isinstance(rule, dict) else None
        return f"rule {path[1] + 1}{f' ({name})' if isinstance(name, str) else ''}: {sentence}"
    return sentence
