"""What the API server asks of a Lease beyond any object (k8s.io/api/coordination/v1)."""

import re
from datetime import UTC, datetime
from typing import Any

from core.local.embedded.openapi import JsonObject
from core.local.embedded.schemas import Schema
from core.local.embedded.statuses import Cause, bad_request

_TEXTS = ("holderIdentity", "strategy", "preferredHolder")
_NUMBERS = ("leaseDurationSeconds", "leaseTransitions")
_TIMES = ("acquireTime", "renewTime")
# Six digits, no more and no fewer: Go's layout 2006-01-02T15:04:05.000000Z07:00.
_MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)")

SCHEMA = Schema(
    {
        "properties": {
            "spec": {
                "properties": {
                    name: {"description": "checked when the body is read"} for name in (*_TEXTS, *_NUMBERS, *_TIMES)
                }
            }
        }
    }
)


def decode(lease: JsonObject) -> JsonObject:
    """Return the Lease with times in UTC; 400 for a value of the wrong type."""
    spec = lease.get("spec")
    if not isinstance(spec, dict | None):
        raise _refusal(f"{_unmarshal(spec)} Go struct field Lease.spec of type v1.LeaseSpec")
    read = {name: _read(name, value) for name, value in (spec or {}).items() if value is not None}
    return lease | {"spec": read}


def _read(name: str, value: Any) -> Any:
    if name in _NUMBERS and (not isinstance(value, int) or isinstance(value, bool)):
        raise _refusal(f"{_unmarshal(value)} Go struct field LeaseSpec.spec.{name} of type int32")
    if name in (*_TEXTS, *_TIMES) and not isinstance(value, str):
        raise _refusal(f"{_unmarshal(value)} Go struct field LeaseSpec.spec.{name} of type string")
    return _micro_time(value) if name in _TIMES else value


def _unmarshal(value: Any) -> str:
    found = {dict: "object", list: "array", str: "string", bool: "bool"}.get(type(value), "number")
    return f"json: cannot unmarshal {found} into"


def _micro_time(text: str) -> str:
    if not _MICRO_TIME.fullmatch(text):
        raise _refusal(f'parsing time "{text}" as "2006-01-02T15:04:05.000000Z07:00": cannot parse')
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _refusal(why: str) -> Exception:
    return bad_request(f'Lease in version "v1" cannot be handled as a Lease: {why}')


def check(lease: JsonObject, _old: JsonObject | None) -> list[Cause]:
    """Return what is wrong with a Lease's numbers."""
    spec = lease.get("spec") or {}
    causes = []
    if spec.get("leaseDurationSeconds", 1) <= 0:
        causes.append(_too_small("leaseDurationSeconds", spec, "must be greater than 0"))
    if spec.get("leaseTransitions", 0) < 0:
        causes.append(_too_small("leaseTransitions", spec, "must be greater than or equal to 0"))
    return causes


def _too_small(name: str, spec: JsonObject, rule: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {spec[name]}: {rule}", f"spec.{name}")
