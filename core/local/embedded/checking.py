"""All checks of an object that is about to be written."""

from typing import Any

from core.local.embedded.kinds import Kind
from core.local.embedded.names import annotation_causes, finalizer_causes, label_causes, name_causes
from core.local.embedded.statuses import Cause, invalid
from core.local.embedded.violations import UNCHECKED, blocks_rules, quoted

JsonObject = dict[str, Any]

_IMMUTABLE = ("uid", "deletionTimestamp", "deletionGracePeriodSeconds")


def check(kind: Kind, new: JsonObject, old: JsonObject | None, *, subresource: str = "") -> None:
    """Raise ApiError 422, with every cause, for an object that breaks a rule of its kind."""
    causes = _metadata_causes(new["metadata"], kind)
    if old is not None:
        causes += 2 * _update_causes(new["metadata"], old["metadata"])  # the API server, too, checks them twice
    causes += kind.schema.violations(new, old, subresource=subresource)
    causes += kind.check(new, old)
    if blocks_rules(causes) and kind.schema.rules:
        causes.append(UNCHECKED)
    else:
        causes += kind.schema.broken_rules(new, old)
    if causes:
        raise invalid(kind.type, new["metadata"].get("name", ""), causes)


def _metadata_causes(metadata: JsonObject, kind: Kind) -> list[Cause]:
    name, prefix = metadata.get("name", ""), metadata.get("generateName", "")
    causes = name_causes(prefix.rstrip("-."), shown=prefix, field="metadata.generateName") if prefix else []
    causes += name_causes(name, dns_label=kind.dns_label_names)
    causes += _labels_and_annotations(metadata)
    return causes + finalizer_causes(metadata.get("finalizers") or [])


def _update_causes(new: JsonObject, old: JsonObject) -> list[Cause]:
    causes = [
        Cause("FieldValueInvalid", f"Invalid value: {quoted(new[field])}: field is immutable", f"metadata.{field}")
        for field in _IMMUTABLE
        if new.get(field) != old.get(field)
    ]
    added = sorted({*(new.get("finalizers") or ())} - {*(old.get("finalizers") or ())})
    if added and "deletionTimestamp" in old:
        found = ", ".join(map(quoted, added))
        why = f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{found}}}"
        causes.append(Cause("FieldValueForbidden", f"Forbidden: {why}", "metadata.finalizers"))
    return causes + _labels_and_annotations(new)


def _labels_and_annotations(metadata: JsonObject) -> list[Cause]:
    return label_causes(metadata.get("labels") or {}) + annotation_causes(metadata.get("annotations") or {})
