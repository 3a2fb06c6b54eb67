"""What the API server asks of a Lease beyond any object (k8s.io/api/coordination/v1)."""

import re
from datetime import UTC, datetime
from typing import Any

from core.local.embedded.decoding import DecodeError, unmarshal_error
from core.local.embedded.openapi import JsonObject
from core.local.embedded.schemas import Schema
from core.local.embedded.statuses import Cause

_TEXTS = ("holderIdentity", "strategy", "preferredHolder")
_NUMBERS = ("leaseDurationSeconds", "leaseTransitions")
_TIMES = ("acquireTime", "renewTime")
_FIELDS = (*_TEXTS, *_NUMBERS, *_TIMES)
# Six digits, no more and no fewer: Go's layout 2006-01-02T15:04:05.000000Z07:00.
_MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)")

SCHEMA = Schema({"properties": {"spec": {"properties": {name: {"title": name} for name in _FIELDS}}}})


def decode(lease: JsonObject) -> JsonObject:
    """Return the Lease with times in UTC; DecodeError for a value of the wrong type."""
    spec = lease.get("spec")
    if spec is None:
        return lease | {"spec": {}}
    if not isinstance(spec, dict):
        raise unmarshal_error(spec, "struct field Lease.spec of type v1.LeaseSpec")
    return lease | {"spec": {name: _read(name, value) for name, value in spec.items() if value is not None}}


def _read(name: str, value: Any) -> Any:
    wanted = int if name in _NUMBERS else str
    if name in _FIELDS and (not isinstance(value, wanted) or isinstance(value, bool)):
        go_type = "int32" if wanted is int else "string"
        raise unmarshal_error(value, f"struct field LeaseSpec.spec.{name} of type {go_type}")
    return _micro_time(value) if name in _TIMES else value


def _micro_time(text: str) -> str:
    if not _MICRO_TIME.fullmatch(text):
        raise DecodeError(f'parsing time "{text}" as "2006-01-02T15:04:05.000000Z07:00": cannot parse')
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


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
