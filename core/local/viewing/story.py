"""`sluice describe`: one remediation request as a story."""

from __future__ import annotations

import json
from base64 import b64decode
from binascii import Error as NoBase64
from typing import TYPE_CHECKING, Any

import yaml

from core.local.viewing.rows import Row, age, mapping
from core.protocol.remediation_request import SENDER_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

JsonObject = dict[str, Any]

_OWN = "gateway.kubernaut.ai/"
_INDENT = "  "
_PAYLOAD_CHARACTERS = 4_000


def story(row: Row, *, now: datetime, whole: bool = False) -> str:
    """Return the text, section by section; `whole`: the payload uncut."""
    sections = (
        ("", _head(row, now)),
        ("Problem", _problem(row)),
        ("Signals", _signals(row, now)),
        ("Labels", _pairs(mapping(row.obj.get("spec")).get("signalLabels"))),
        ("Annotations", _pairs(mapping(row.obj.get("spec")).get("signalAnnotations"))),
        ("Gateway", _pairs(_own_annotations(row))),
        ("Holds", [holding(row, now=now)]),
        ("Conditions", _conditions(row, now)),
        ("Status", _rest_of_status(row)),
        ("Payload of the first signal", _payload(row, whole=whole)),
    )
    parts = []
    for title, lines in sections:
        indented = [f"{_INDENT if title else ''}{line}" for line in lines]
        if indented:
            parts.append("\n".join([f"{title}:", *indented] if title else indented))
    return "\n".join(parts) + "\n"


def holding(row: Row, *, now: datetime) -> str:
    """Return why the next signal of the problem joins this one, or why it does not."""
    status = mapping(row.obj.get("status"))
    routing = mapping(status.get("routingStatus"))
    ended = f"it ended as {row.view.phase}"
    if deleted := mapping(row.obj.get("metadata")).get("deletionTimestamp"):
        finalizers = ", ".join(mapping(row.obj.get("metadata")).get("finalizers") or []) or "nothing"
        return f"nothing: it is being deleted since {deleted} and waits for {finalizers}; the next signal opens another"
    if row.view.active:
        return (
            f"its problem: the phase {row.view.phase or 'Pending'} is not terminal, so the next signal is counted here"
        )
    until = status.get("nextAllowedExecution") or routing.get("nextAllowedExecution")
    if until and age(str(until), now=now) == "0s":
        return f"its problem until {until} (nextAllowedExecution), although {ended}"
    outcome = status.get("outcome") or mapping(status.get("completionStatus")).get("outcome")
    if outcome == "ManualReviewRequired":
        return f"its problem until a person has looked (outcome {outcome}), although {ended}"
    return f"nothing: {ended}, so the next signal opens another"


def _head(row: Row, now: datetime) -> list[str]:
    created = row.view.creation_timestamp
    return _table(
        {
            "Name": row.view.name,
            "Namespace": row.view.namespace,
            "Phase": row.view.phase or "Pending (not set by a consumer yet)",
            "Created": f"{created} ({age(created, now=now)} ago)",
            "Fingerprint": row.view.fingerprint,
        }
    )


def _problem(row: Row) -> list[str]:
    spec = mapping(row.obj.get("spec"))
    annotations = mapping(mapping(row.obj.get("metadata")).get("annotations"))
    owner = annotations.get(f"{_OWN}owner", "")
    return _table(
        {
            "Target": row.target,
            "Owner": f"{owner} (the problem is this workload's)" if owner else "",
            "Alert": row.alert,
            "Severity": row.severity,
            "Cluster": str(spec.get("clusterID") or ""),
            "Environment": str(spec.get("environment") or ""),
            "Priority": str(spec.get("priority") or ""),
            "Source": " ".join(str(spec.get(name) or "") for name in ("signalType", "signalSource")).strip(),
            "Firing since": str(spec.get("firingTime") or ""),
            "Sent by": str(annotations.get(SENDER_ANNOTATION) or ""),
        }
    )


def _signals(row: Row, now: datetime) -> list[str]:
    count = row.view.occurrences
    joined = "1 signal, which opened it" if count == 1 else f"{count} signals: 1 opened it, {count - 1} joined"
    return [
        joined,
        f"first {row.first_seen} ({age(row.first_seen, now=now)} ago)",
        f"last  {row.last_seen} ({age(row.last_seen, now=now)} ago)",
    ]


def _own_annotations(row: Row) -> dict[str, Any]:
    annotations = mapping(mapping(row.obj.get("metadata")).get("annotations"))
    return {key: value for key, value in annotations.items() if "kubernaut.ai/" in key}


def _conditions(row: Row, now: datetime) -> list[str]:
    conditions = mapping(row.obj.get("status")).get("conditions")
    return list(_told(conditions if isinstance(conditions, list) else [], now))


def _told(conditions: list[Any], now: datetime) -> Iterator[str]:
    for each in map(mapping, conditions):
        since = age(str(each.get("lastTransitionTime", "")), now=now)
        reason = ": ".join(str(each[name]) for name in ("reason", "message") if each.get(name))
        yield f"{each.get('type', '?')}={each.get('status', '?')} since {since}  {reason}".rstrip()


def _rest_of_status(row: Row) -> list[str]:
    shown = ("overallPhase", "deduplication", "conditions")
    rest = {key: value for key, value in mapping(row.obj.get("status")).items() if key not in shown}
    return yaml.safe_dump(rest, sort_keys=False, allow_unicode=True).splitlines() if rest else []


def _payload(row: Row, *, whole: bool) -> list[str]:
    text = decoded_payload(mapping(row.obj.get("spec")).get("originalPayload"))
    if not text:
        return ["none is stored"]
    if whole or len(text) <= _PAYLOAD_CHARACTERS:
        return text.splitlines()
    left = len(text) - _PAYLOAD_CHARACTERS
    return [*text[:_PAYLOAD_CHARACTERS].splitlines(), f"... and {left} characters more: --payload shows all"]


def decoded_payload(stored: object) -> str:
    """Return spec.originalPayload as indented JSON, as text where it is none; SLUICE_PAYLOAD_ENCODING may be either."""
    if not isinstance(stored, str) or not stored:
        return ""
    try:
        text = b64decode(stored, validate=True).decode()
    except (NoBase64, ValueError):
        text = stored
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def _table(values: dict[str, str]) -> list[str]:
    present = {name: value for name, value in values.items() if value}
    width = max(map(len, present), default=0)
    return [f"{name + ':':<{width + 1}}  {value}" for name, value in present.items()]


def _pairs(values: object) -> list[str]:
    return [f"{key}={_one_line(value)}" for key, value in sorted(mapping(values).items())]


def _one_line(value: object) -> str:
    return str(value).replace("\n", "\\n")
