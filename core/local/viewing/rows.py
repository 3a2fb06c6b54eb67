"""Remediation requests as rows: read, filtered, sorted, and shown in each form that -o knows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import yaml
from rich.table import Table
from rich.text import Text

from core.common.text import parse_rfc3339
from core.local.ages import short_age
from core.protocol.remediation_request import RemediationRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

JsonObject = dict[str, Any]

_COLUMNS = ("NAME", "PHASE", "TARGET", "ALERT", "SEVERITY", "COUNT", "FIRST SEEN", "LAST SEEN", "AGE")
_STYLES = {"Completed": "green", "Failed": "red", "TimedOut": "red", "Blocked": "yellow", "AwaitingApproval": "yellow"}


class Output(StrEnum):
    """The forms of -o."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one line shows. Times are RFC 3339; `target` is `Kind/name`, with the namespace before it."""

    obj: JsonObject
    view: RemediationRequest
    target: str
    alert: str
    severity: str
    first_seen: str
    last_seen: str

    @classmethod
    def from_object(cls, obj: JsonObject) -> Row:
        """Read the API server's object; what is missing or of a wrong type is empty."""
        view = RemediationRequest.from_object(obj)
        spec = mapping(obj.get("spec"))
        known = view.deduplication
        return cls(
            obj=obj,
            view=view,
            target=target_of(mapping(spec.get("targetResource"))),
            alert=str(spec.get("signalName", "")),
            severity=str(spec.get("severity", "")),
            # Until a second signal comes only the definition's default counts, and no time is written.
            first_seen=(known and known.first_seen_at) or view.creation_timestamp,
            last_seen=(known and known.last_seen_at) or view.creation_timestamp,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which rows to show. Empty parts let all through; texts match any part, upper or lower case."""

    phases: Sequence[str] = ()
    active: bool = False
    target: str = ""
    alert: str = ""

    def lets_through(self, row: Row) -> bool:
        """Tell whether all parts match."""
        phase = (row.view.phase or "Pending").lower()
        return (
            (not self.phases or phase in [each.lower() for each in self.phases])
            and (not self.active or row.view.active)
            and self.target.lower() in row.target.lower()
            and self.alert.lower() in row.alert.lower()
        )


def mapping(value: object) -> dict[str, Any]:
    """Return a JSON object as it is, an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def target_of(resource: dict[str, Any]) -> str:
    """Return how a target is written: `shop/Pod/web-1`."""
    parts = (resource.get("namespace"), resource.get("kind"), resource.get("name"))
    return "/".join(str(part) for part in parts if part) or "-"


def youngest_last(rows: Iterable[Row]) -> list[Row]:
    """Return the rows in the order of their last signal."""
    return sorted(rows, key=lambda row: (row.last_seen, row.view.name))


def table(rows: Iterable[Row], *, now: datetime, namespaces: bool = False) -> Table:
    """Return kubectl's kind of table."""
    shown = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for column in ("NAMESPACE", *_COLUMNS) if namespaces else _COLUMNS:
        shown.add_column(column, no_wrap=True, justify="right" if column == "COUNT" else "left")
    for row in rows:
        phase = row.view.phase or "Pending"
        cells: list[str | Text] = [
            row.view.name,
            Text(phase, style=_STYLES.get(phase, "" if row.view.active else "dim")),
            row.target,
            row.alert,
            row.severity,
            str(row.view.occurrences),
            *(f"{age(moment, now=now)} ago" for moment in (row.first_seen, row.last_seen)),
            age(row.view.creation_timestamp, now=now),
        ]
        lead = [row.view.namespace] if namespaces else []
        shown.add_row(*map(Text, lead), *(Text(each) if isinstance(each, str) else each for each in cells))
    return shown


def age(moment: str, *, now: datetime) -> str:
    """Return the time since a moment as kubectl writes it: 42s, 7m5s, 3h, 12d."""
    try:
        return short_age(max(0.0, (now.astimezone(UTC) - parse_rfc3339(moment)).total_seconds()))
    except ValueError:
        return "?"


def written(rows: Sequence[Row], output: Output, *, one: bool = False) -> str:
    """Return the rows as JSON, YAML or names; `one`: the object itself rather than a List."""
    if output is Output.NAME:
        return "".join(f"{_kind_of(row)}/{row.view.name}\n" for row in rows)
    items = [row.obj for row in rows]
    whole: Any = items[0] if one else {"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items}
    if output is Output.JSON:
        return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"
    return yaml.safe_dump(whole, sort_keys=False, allow_unicode=True)


def _kind_of(row: Row) -> str:
    """Return how kubectl names the kind, with its group: another gateway's may have the same name."""
    group = str(row.obj.get("apiVersion", "")).rpartition("/")[0]
    return f"remediationrequest.{group}" if group else "remediationrequest"
