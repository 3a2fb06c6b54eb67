"""Whether an object may be stored: names, labels, finalizers, and what its kind and schema ask for."""

import re
from collections.abc import Mapping
from random import Random
from typing import Any

from core.local.embedded.kinds import Kind
from core.local.embedded.schemas import UNCHECKED, blocks_rules, quoted
from core.local.embedded.statuses import Cause, invalid

JsonObject = dict[str, Any]
_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"

_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    f"start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)
_LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    f"with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
)
_QUALIFIED_RULE = (
    "consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    f"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_QUALIFIED}')"
)
_KEY_RULE = (
    f"a valid label key must {_QUALIFIED_RULE} with an optional DNS subdomain prefix and '/' "
    "(e.g. 'example.com/MyName')"
)
_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
    f"validation is '{_VALUE}')"
)
_MAX_SUBDOMAIN = 253
_MAX_LABEL = 63
_MAX_ANNOTATIONS = 256 * 1024  # bytes, keys and values together
_GENERATED_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # no vowels: no words
_GENERATED_LENGTH = 5


def generated(base: str, random: Random) -> str:
    """Return a name for `generateName`."""
    suffix = "".join(random.choices(_GENERATED_ALPHABET, k=_GENERATED_LENGTH))
    return base[: _MAX_LABEL - _GENERATED_LENGTH] + suffix


def name_causes(name: str, *, shown: str = "", field: str = "metadata.name", dns_label: bool = False) -> list[Cause]:
    """Return what is wrong with an object's name, or with the beginning of one."""
    if not name and not shown:
        return [Cause("FieldValueRequired", "Required value: name or generateName is required", field)]
    longest = _MAX_LABEL if dns_label else _MAX_SUBDOMAIN
    pattern, rule = (_LABEL, _LABEL_RULE) if dns_label else (_SUBDOMAIN, _SUBDOMAIN_RULE)
    broken = [f"must be no more than {longest} characters"] if len(name) > longest else []
    if not re.fullmatch(pattern, name):
        broken.append(rule)
    return [_invalid(field, shown or name, why) for why in broken]


def label_causes(labels: Mapping[str, str]) -> list[Cause]:
    """Return what is wrong with a map of labels."""
    field = "metadata.labels"
    return [
        _invalid(field, wrong, why)
        for key, value in labels.items()
        for wrong, faults in ((key, _key_faults(key)), (value, _value_faults(value)))
        for why in faults
    ]


def annotation_causes(annotations: Mapping[str, str]) -> list[Cause]:
    """Return what is wrong with a map of annotations."""
    field = "metadata.annotations"
    causes = [_invalid(field, key, why) for key in annotations for why in _key_faults(key.lower())]
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > _MAX_ANNOTATIONS:
        causes.append(Cause("FieldValueTooLong", f"Too long: may not be more than {_MAX_ANNOTATIONS} bytes", field))
    return causes


def finalizer_causes(finalizers: list[str]) -> list[Cause]:
    """Return what is wrong with a list of finalizers."""
    return [_invalid("metadata.finalizers", name, why) for name in finalizers for why in _key_faults(name)]


def _key_faults(key: str) -> list[str]:
    if key.count("/") > 1:
        return [_KEY_RULE]
    prefix, slash, name = key.rpartition("/")
    faults = _prefix_faults(prefix) if slash else []
    if not name:
        faults.append("name part must be non-empty")
    elif len(name) > _MAX_LABEL:
        faults.append(f"name part must be no more than {_MAX_LABEL} bytes")
    return faults if re.fullmatch(_QUALIFIED, name) else [*faults, f"name part must {_QUALIFIED_RULE}"]


def _prefix_faults(prefix: str) -> list[str]:
    if not prefix:
        return ["prefix part must be non-empty"]
    faults = [f"prefix part must be no more than {_MAX_SUBDOMAIN} bytes"] if len(prefix) > _MAX_SUBDOMAIN else []
    return faults if re.fullmatch(_SUBDOMAIN, prefix) else [*faults, f"prefix part {_SUBDOMAIN_RULE}"]


def _value_faults(value: str) -> list[str]:
    faults = [f"must be no more than {_MAX_LABEL} bytes"] if len(value.encode()) > _MAX_LABEL else []
    return faults if re.fullmatch(_VALUE, value) else [*faults, _VALUE_RULE]


def _invalid(field: str, value: str, why: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {quoted(value)}: {why}", field)


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
