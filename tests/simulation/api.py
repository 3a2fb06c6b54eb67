"""A Kubernetes API in memory, at the level of core.kube.transport: strict where the protocol leans on it.

What it must get right is held against core.local.embedded, which is held against the real kube-apiserver:
one revision counter for all kinds, resourceVersion and uid conflicts, AlreadyExists, preconditions of a
DELETE, merge PATCH of the status subresource that touches nothing else, server-set times in whole seconds.
Schemas are left out: they cost most of the time, and tests/contract checks what the gateway writes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from multidict import CIMultiDict
from pydantic_core import from_json, to_json

from core.kube.transport import ApiResponse
from tests.simulation.machine import START

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from core.kube.transport import ApiRequest

    JsonObject = dict[str, Any]

LOCK_LOST = "the object has been modified; please apply your changes to the latest version and try again"


@dataclass(frozen=True, slots=True)
class Version:
    """An object from one commit to the next; `obj` is None from its deletion on."""

    revision: int
    at: float
    obj: JsonObject | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One change: `before` is None for a CREATE, `after` for a DELETE; `at` is in true seconds."""

    actor: str
    verb: str
    plural: str
    name: str
    before: JsonObject | None
    after: JsonObject | None
    at: float


@dataclass(slots=True)
class Replica:
    """One API server: its watch cache trails by `lag` seconds, its clock is wrong by `offset` seconds."""

    lag: float = 0.0
    offset: float = 0.0
    shown_until: float = field(default=0.0)
    """The true second up to which its cache has shown commits; it never goes back."""


class RefusedError(Exception):
    """The call is answered with an error."""

    def __init__(self, code: int, reason: str, message: str, details: JsonObject | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "details": details,
            "code": code,
        }


class Api:
    """All API servers over one etcd. `observers` are told of each commit before it is answered."""

    def __init__(self, *, now: Callable[[], float], random: random.Random) -> None:
        self._now = now
        self._random = random
        self.revision = 0
        self.history: dict[tuple[str, str], list[Version]] = {}
        self.observers: list[Callable[[Commit], None]] = []

    def current(self, plural: str, name: str) -> JsonObject | None:
        """Return an object as it stands in etcd."""
        versions = self.history.get((plural, name))
        return versions[-1].obj if versions else None

    def objects(self, plural: str) -> list[JsonObject]:
        """Return all objects of a kind as they stand in etcd, by name."""
        found = (self.current(kind, name) for kind, name in sorted(self.history) if kind == plural)
        return [obj for obj in found if obj is not None]

    def handle(self, request: ApiRequest, *, actor: str, replica: Replica) -> ApiResponse:
        """Answer a call at once."""
        try:
            code, body = self._answer(request, actor, replica)
        except RefusedError as refused:
            code, body = refused.code, refused.status
        return ApiResponse(code, self.headers(replica), to_json(body))

    def headers(self, replica: Replica) -> CIMultiDict[str]:
        """Return the headers of any answer of a replica."""
        date = START + timedelta(seconds=int(self._now() + replica.offset))
        return CIMultiDict({"Content-Type": "application/json", "Date": format_datetime(date, usegmt=True)})

    def _answer(self, request: ApiRequest, actor: str, replica: Replica) -> tuple[int, JsonObject]:
        _, _, group, version, _, namespace, plural, *rest = request.path.split("/")
        target = _Target(f"{group}/{version}", group, namespace, plural, rest[0] if rest else "")
        if request.method == "GET":
            return 200, self._get(target) if rest else self._list(target, request, replica)
        body = from_json(request.body or b"{}")
        if request.method == "POST":
            return 201, self._create(target, body, actor, replica)
        if request.method == "PUT":
            return self._update(target, body, actor, replica)
        if request.method == "PATCH":
            return 200, self._patch_status(target, body, actor, replica)
        return 200, self._delete(target, body, actor)

    def _get(self, target: _Target) -> JsonObject:
        obj = self.current(target.plural, target.name)
        if obj is None:
            raise target.refused(404, "NotFound", f'{target.resource} "{target.name}" not found')
        return obj

    def _list(self, target: _Target, request: ApiRequest, replica: Replica) -> JsonObject:
        cached = request.query.get("resourceVersion") == "0"
        if cached:
            replica.shown_until = max(replica.shown_until, self._now() - replica.lag)
        _, _, wanted = request.query.get("fieldSelector", "").partition("=")
        items = []
        for (plural, _name), versions in sorted(self.history.items()):
            if plural != target.plural:
                continue
            obj = _at(versions, replica.shown_until) if cached else versions[-1].obj
            if obj is not None and (not wanted or obj["spec"].get("signalFingerprint") == wanted):
                items.append(obj)
        kind = {"leases": "LeaseList", "remediationrequests": "RemediationRequestList"}[target.plural]
        metadata = {"resourceVersion": str(self.revision)}
        return {"kind": kind, "apiVersion": target.api_version, "metadata": metadata, "items": items}

    def _create(self, target: _Target, body: JsonObject, actor: str, replica: Replica) -> JsonObject:
        target = target.named(body["metadata"]["name"])
        if self.current(target.plural, target.name) is not None:
            raise target.refused(409, "AlreadyExists", f'{target.resource} "{target.name}" already exists')
        metadata = {key: body["metadata"][key] for key in ("name", "labels", "annotations") if key in body["metadata"]}
        metadata |= {
            "namespace": target.namespace,
            "uid": str(UUID(int=self._random.getrandbits(128), version=4)),
            "creationTimestamp": self._timestamp(replica),
        }
        if target.plural == "remediationrequests":
            metadata["generation"] = 1
        obj = {key: body[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": metadata}
        return self._commit(target, "CREATE", None, obj, actor, replica)

    def _update(self, target: _Target, body: JsonObject, actor: str, replica: Replica) -> tuple[int, JsonObject]:
        """PUT of a Lease: the one kind we update, and it may be updated without a resourceVersion."""
        old = self.current(target.plural, target.name)
        asked = body["metadata"].get("uid")
        if asked and (old is None or asked != old["metadata"]["uid"]):
            raise self._uid_differs(target, asked, old)
        if old is None:
            return 201, self._create(target, body, actor, replica)
        self._check_version(target, body, old)
        kept = {key: old["metadata"][key] for key in ("name", "namespace", "uid", "creationTimestamp")}
        given = {key: body["metadata"][key] for key in ("labels", "annotations") if key in body["metadata"]}
        obj = old | {"spec": body.get("spec", {}), "metadata": {**given, **kept}}
        return 200, self._commit(target, "UPDATE", old, obj, actor, replica)

    def _patch_status(self, target: _Target, body: JsonObject, actor: str, replica: Replica) -> JsonObject:
        old = self._get(target)
        self._check_version(target, body, old)
        status = merged(old.get("status"), body.get("status", {}))
        metadata = {key: value for key, value in old["metadata"].items() if key not in SEALED}
        obj = old | {"metadata": metadata, "status": status}
        return self._commit(target, "PATCH", old, obj, actor, replica, subresource="status")

    def _delete(self, target: _Target, body: JsonObject, actor: str) -> JsonObject:
        old = self._get(target)
        metadata = old["metadata"]
        for field_name, key in (("UID", "uid"), ("ResourceVersion", "resourceVersion")):
            asked = body.get("preconditions", {}).get(key)
            if asked is not None and asked != metadata[key]:
                why = f"the {field_name} in the precondition ({asked}) does not match the {field_name} in record"
                raise target.conflict(f"{why} ({metadata[key]})", kind=target.plural)
        self._write(target, "DELETE", old, None, actor)
        details = target.details | {"uid": metadata["uid"]}
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}

    def _check_version(self, target: _Target, body: JsonObject, old: JsonObject) -> None:
        asked = body.get("metadata", {}).get("resourceVersion")
        if asked and asked != old["metadata"]["resourceVersion"]:
            raise target.conflict(LOCK_LOST)

    def _uid_differs(self, target: _Target, asked: str, old: JsonObject | None) -> RefusedError:
        found = old["metadata"]["uid"] if old else ""
        why = f"Precondition failed: UID in precondition: {asked}, UID in object meta: {found}"
        return target.conflict(f"StorageError: invalid object, {why}")

    def _commit(  # noqa: PLR0917
        self,
        target: _Target,
        verb: str,
        before: JsonObject | None,
        obj: JsonObject,
        actor: str,
        replica: Replica,
        *,
        subresource: str = "",
    ) -> JsonObject:
        if before is not None and _content(before) == _content(obj):
            return before
        manager = actor.partition("-")[0]
        entries = list(before["metadata"]["managedFields"]) if before else []
        mine = {"manager": manager, "operation": "Update", "apiVersion": target.api_version}
        mine |= {"subresource": subresource} if subresource else {}
        entries = [entry for entry in entries if {k: v for k, v in entry.items() if k != "time"} != mine]
        entries.append(mine | {"time": self._timestamp(replica)})
        metadata = obj["metadata"] | {"resourceVersion": str(self.revision + 1), "managedFields": entries}
        after = obj | {"metadata": metadata}
        self._write(target, verb, before, after, actor)
        return after

    def _write(
        self, target: _Target, verb: str, before: JsonObject | None, after: JsonObject | None, actor: str
    ) -> None:
        self.revision += 1
        versions = self.history.setdefault((target.plural, target.name), [])
        versions.append(Version(self.revision, self._now(), after))
        commit = Commit(
            actor=actor,
            verb=verb,
            plural=target.plural,
            name=target.name,
            before=before,
            after=after,
            at=self._now(),
        )
        for observer in self.observers:
            observer(commit)

    def _timestamp(self, replica: Replica) -> str:
        moment = START + timedelta(seconds=int(self._now() + replica.offset))
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


SEALED = ("managedFields", "resourceVersion")


@dataclass(frozen=True, slots=True)
class _Target:
    """What a call is about."""

    api_version: str
    group: str
    namespace: str
    plural: str
    name: str

    @property
    def resource(self) -> str:
        return f"{self.plural}.{self.group}"

    @property
    def details(self) -> JsonObject:
        return {"name": self.name, "group": self.group, "kind": self.plural}

    def named(self, name: str) -> _Target:
        return _Target(self.api_version, self.group, self.namespace, self.plural, name)

    def refused(self, code: int, reason: str, message: str) -> RefusedError:
        return RefusedError(code, reason, message, self.details)

    def conflict(self, why: str, *, kind: str = "") -> RefusedError:
        subject = kind or self.resource
        return self.refused(409, "Conflict", f'Operation cannot be fulfilled on {subject} "{self.name}": {why}')


def merged(target: Any, patch: Any) -> Any:
    """Apply a merge patch (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def _content(obj: JsonObject) -> JsonObject:
    metadata = {key: value for key, value in obj["metadata"].items() if key not in SEALED}
    return obj | {"metadata": metadata}


def _at(versions: list[Version], moment: float) -> JsonObject | None:
    """Return the object as it stood at a true second."""
    return next((version.obj for version in reversed(versions) if version.at <= moment), None)
