"""CREATE, Update (PUT), PATCH and DELETE of objects in the store, with the rules of each: whether it may be stored."""

import re
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from core.local.embedded.encoding import check_namespace, metadata_for_create, metadata_for_update, resource_version
from core.local.embedded.kinds import Kind
from core.local.embedded.schemas import UNCHECKED, blocks_rules, quoted
from core.local.embedded.statuses import (
    Cause,
    already_exists,
    bad_request,
    conflict,
    forbidden,
    internal,
    invalid,
    name_not_generated,
    not_found,
)
from core.local.embedded.store import NAMESPACES, Author, Store, Stored

JsonObject = dict[str, Any]
_NAME_TRIES = 8


def create(store: Store, kind: Kind, namespace: str, body: JsonObject, *, manager: str) -> Stored:
    """Store a new object and return it.

    Raises:
        ApiError: 400, 403 (the namespace ends), 404 (no such namespace), 409 (the name is taken), 422.
    """
    metadata = body["metadata"]
    check_namespace(metadata, kind, namespace)
    if metadata.get("generateName") and not metadata.get("name"):
        name = _free_name(store, kind, namespace, metadata["generateName"])
        body = body | {"metadata": metadata | {"name": name}}
    new = _prepared(store, kind, namespace, body)
    if kind.namespaced:
        _check_namespace_lives(store, kind, namespace, new["metadata"].get("name", ""))
    check(kind, new, None)
    if resource_version(metadata):
        raise internal("resourceVersion should not be set on objects to be created")
    taken = store.collection(kind).get(new["metadata"].get("namespace", ""), new["metadata"]["name"])
    if taken:
        raise already_exists(kind.resource, taken.name, deleting="deletionTimestamp" in taken.metadata)
    return store.write(kind, None, new, Author(manager=manager, api_version=kind.api_version))


def _free_name(store: Store, kind: Kind, namespace: str, base: str) -> str:
    for _ in range(_NAME_TRIES):
        name = generated(base, store.random)
        if store.collection(kind).get(namespace, name) is None:
            return name
    raise name_not_generated(kind.resource, name)


def _prepared(store: Store, kind: Kind, namespace: str, body: JsonObject) -> JsonObject:
    metadata = metadata_for_create(
        body["metadata"], kind=kind, namespace=namespace, uid=store.new_uid(), time=store.timestamp()
    )
    new = body | {"metadata": metadata}
    if kind.status_subresource:
        new.pop("status", None)
        new, _ = kind.schema.fit(new)  # what the definition gives a status by default
    return kind.prepare(new, store.timestamp())


def _check_namespace_lives(store: Store, kind: Kind, namespace: str, name: str) -> None:
    """As the admission plugin NamespaceLifecycle does."""
    space = store.namespace(namespace)
    if space is None:
        raise not_found(NAMESPACES, namespace)
    if "deletionTimestamp" in space.metadata:
        why = f"unable to create new content in namespace {namespace} because it is being terminated"
        cause = Cause("NamespaceTerminating", f"namespace {namespace} is being terminated", "metadata.namespace")
        raise forbidden(kind.resource, name, why, causes=[cause])


STATUS = "status"


def update(
    store: Store,
    kind: Kind,
    namespace: str,
    body: JsonObject,
    *,
    name: str,
    subresource: str = "",
    manager: str,
) -> tuple[Stored, bool]:
    """Replace an object and return it, and whether it was created: some kinds allow that.

    Raises:
        ApiError: 400, 404, 409 (another uid or resourceVersion), 422.
    """
    _check_name(body["metadata"], name)
    old = store.collection(kind).get(namespace, name)
    if old is None and not kind.creates_on_update:
        raise not_found(kind.resource, name)
    _check_uid(kind, namespace, name, asked=body["metadata"].get("uid", ""), found=old.uid if old else "")
    if old is None:
        # Unlike a CREATE, this one does not mind a resourceVersion.
        metadata = {key: item for key, item in body["metadata"].items() if key != "resourceVersion"}
        return create(store, kind, namespace, body | {"metadata": metadata}, manager=manager), True
    return _replace(store, kind, old, body, subresource=subresource, manager=manager), False


def patch(
    store: Store,
    kind: Kind,
    namespace: str,
    change: Callable[[JsonObject], JsonObject],
    *,
    name: str,
    subresource: str = "",
    manager: str,
) -> Stored:
    """Apply a change to the current object and return the result.

    A resourceVersion that the change sets must be the current one.

    Raises:
        ApiError: 400, 404, 409, 422.
    """
    old = store.get(kind, namespace, name)
    body = change(old.value)
    _check_name(body["metadata"], name)
    return _replace(store, kind, old, body, subresource=subresource, manager=manager)


def _replace(store: Store, kind: Kind, old: Stored, body: JsonObject, *, subresource: str, manager: str) -> Stored:
    _check_version(kind, old, resource_version(body["metadata"]))
    check_namespace(body["metadata"], kind, old.namespace)
    new = _new_status(old, body) if subresource == STATUS else _new_object(kind, old, body)
    check(kind, new, old.value, subresource=subresource)
    author = Author(manager=manager, api_version=kind.api_version, subresource=subresource)
    if "deletionTimestamp" in old.metadata and not kind.finalizers(new):
        store.remove(kind, old)
        return store.sealed(kind, old, new, author, revision=old.revision)
    return store.write(kind, old, new, author)


def _new_status(old: Stored, body: JsonObject) -> JsonObject:
    new = old.content
    new.pop(STATUS, None)
    return new | ({STATUS: body[STATUS]} if STATUS in body else {})


def _new_object(kind: Kind, old: Stored, body: JsonObject) -> JsonObject:
    new = body | {"metadata": metadata_for_update(body["metadata"], old.metadata)}
    if kind.status_subresource:
        new.pop(STATUS, None)
        new |= {STATUS: old.value[STATUS]} if STATUS in old.value else {}
    if kind.counts_generation and _desired(new) != _desired(old.value):
        new["metadata"]["generation"] = old.metadata["generation"] + 1
    return new


def _desired(obj: JsonObject) -> JsonObject:
    return {key: value for key, value in obj.items() if key not in ("metadata", STATUS)}


def _check_name(metadata: JsonObject, name: str) -> None:
    given = metadata.get("name", "")
    if given != name:
        if not given:
            raise bad_request(f"the name of the object ({name} based on URL) was undeterminable: name must be provided")
        raise bad_request(f"the name of the object ({given}) does not match the name on the URL ({name})")


def _check_uid(kind: Kind, namespace: str, name: str, *, asked: str, found: str) -> None:
    if asked and asked != found:
        why = (
            f"StorageError: invalid object, Code: 4, Key: {kind.storage_key(namespace, name)}, "
            "ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: "
            f"UID in precondition: {asked}, UID in object meta: {found}"
        )
        raise conflict(kind.resource, name, why)


def _check_version(kind: Kind, old: Stored, asked: int) -> None:
    if asked == 0 and not kind.updates_unconditionally:
        missing = Cause(
            "FieldValueInvalid", "Invalid value: 0: must be specified for an update", "metadata.resourceVersion"
        )
        raise invalid(kind.resource, old.name, [missing])
    if asked not in (0, old.revision):
        raise conflict(kind.resource, old.name)


_IMMORTAL = ("default", "kube-system", "kube-public")


def delete(
    store: Store, kind: Kind, namespace: str, name: str, *, preconditions: Mapping[str, str]
) -> tuple[Stored, bool]:
    """Delete an object, or mark it while finalizers hold it; return it and whether it is gone.

    `preconditions` may name a `uid` and a `resourceVersion`.

    Raises:
        ApiError: 403 for a namespace that every cluster has, 404, 409 when a precondition does not hold.
    """
    found = store.get(kind, namespace, name)
    if kind.ends_in_phases and name in _IMMORTAL:
        raise forbidden(kind.resource, name, "this namespace may not be deleted")
    _check_preconditions(kind, found, preconditions)
    if not kind.finalizers(found.value):
        store.remove(kind, found)
        return found, True
    if "deletionTimestamp" in found.metadata:
        return found, False
    return store.write(kind, found, _marked(store, kind, found), author=None), False


def _marked(store: Store, kind: Kind, found: Stored) -> JsonObject:
    content = found.content
    metadata = content["metadata"] | {"deletionTimestamp": store.timestamp()}
    if not kind.ends_in_phases:
        metadata["deletionGracePeriodSeconds"] = 0
    if "generation" in metadata:
        metadata["generation"] += 1
    content["metadata"] = metadata
    if kind.ends_in_phases:
        content["status"] = content.get("status", {}) | {"phase": "Terminating"}
    return content


def _check_preconditions(kind: Kind, found: Stored, preconditions: Mapping[str, str]) -> None:
    uid, version = preconditions.get("uid"), preconditions.get("resourceVersion")
    if uid is not None and uid != found.uid:
        why = (
            f"the UID in the precondition ({uid}) does not match the UID in record ({found.uid}). "
            "The object might have been deleted and then recreated"
        )
        raise conflict(kind.type, found.name, why)
    if version is not None and version != str(found.revision):
        why = (
            f"the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record "
            f"({found.revision}). The object might have been modified"
        )
        raise conflict(kind.type, found.name, why)


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
