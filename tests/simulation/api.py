"""A Kubernetes API in memory, at the level of core.kube.transport: strict where the protocol leans on it.

What it must get right is held against core.local.embedded (test_api.py), which is held against the real
kube-apiserver: one revision counter for all kinds, resourceVersion and uid conflicts, AlreadyExists,
preconditions of a DELETE, a merge PATCH of the status that touches nothing else, server-set times in whole
seconds. Schemas are left out: they cost most of the time, and tests/contract checks what the gateway writes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from multidict import CIMultiDict
from pydantic_core import from_json, to_json

from core.kube.transport import ApiResponse
from core.local.embedded.verbs import merged
from tests.simulation.machine import START
from tests.simulation.objects import content, noted
from tests.simulation.refusals import RefusedError, Target

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from core.kube.transport import ApiRequest
    from tests.simulation.etcd import Etcd

    JsonObject = dict[str, Any]

_KEPT = ("name", "namespace", "uid", "creationTimestamp", "generation")
_GIVEN = ("labels", "annotations")


@dataclass(slots=True)
class Replica:
    """One API server: its watch cache trails by `lag` seconds, its clock is wrong by `offset` seconds."""

    lag: float = 0.0
    offset: float = 0.0
    shown_until: float = field(default=0.0)
    """The true second up to which its cache has shown commits; it never goes back."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes, and the server's time on it."""

    actor: str
    time: str

    @property
    def manager(self) -> str:
        """As managedFields name it: all pods of one program are one manager."""
        return self.actor.partition("-")[0]


class Api:
    """All API servers over one etcd."""

    def __init__(self, *, etcd: Etcd, now: Callable[[], float], random: random.Random, defaults: bool = True) -> None:
        self.etcd = etcd
        self._defaults = defaults
        self._given: set[str] = set()  # uids whose status etcd does not hold: it is made at each read
        self._now = now
        self._random = random

    def handle(self, request: ApiRequest, *, actor: str, replica: Replica) -> ApiResponse:
        """Answer a call at once."""
        try:
            code, body = self._answer(request, actor, replica)
        except RefusedError as refused:
            code, body = refused.code, refused.status
        return ApiResponse(code, self.headers(replica), to_json(body))

    def headers(self, replica: Replica) -> CIMultiDict[str]:
        """Return the headers of any answer of a replica."""
        return CIMultiDict(
            {"Content-Type": "application/json", "Date": format_datetime(self._second(replica), usegmt=True)}
        )

    def _answer(self, request: ApiRequest, actor: str, replica: Replica) -> tuple[int, JsonObject]:
        target = Target.of(request.path)
        if request.method == "GET":
            return 200, self._get(target) if target.name else self._list(target, request, replica)
        body = from_json(request.body or b"{}")
        author = Author(actor, self._second(replica).strftime("%Y-%m-%dT%H:%M:%SZ"))
        if request.method == "POST":
            return 201, self._create(target, body, author)
        if request.method == "PUT":
            return self._update(target, body, author)
        if request.method == "PATCH":
            return 200, self._patch_status(target, body, author)
        return 200, self._delete(target, body, author)

    def _get(self, target: Target) -> JsonObject:
        obj = self.etcd.current(target.plural, target.name)
        if obj is None:
            raise target.not_found()
        return obj

    def _list(self, target: Target, request: ApiRequest, replica: Replica) -> JsonObject:
        if request.query.get("resourceVersion") == "0" and target.plural != "leases":
            replica.shown_until = max(replica.shown_until, self._now() - replica.lag)
            found = self.etcd.objects_at(target.plural, replica.shown_until)
        else:
            found = self.etcd.objects(target.plural)
        _, _, wanted = request.query.get("fieldSelector", "").partition("=")
        items = [obj for obj in found if not wanted or obj["spec"].get("signalFingerprint") == wanted]
        return {
            "kind": "RemediationRequestList",
            "apiVersion": target.api_version,
            "metadata": {"resourceVersion": str(self.etcd.revision)},
            "items": items,
        }

    def _create(self, collection: Target, body: JsonObject, author: Author) -> JsonObject:
        target = replace(collection, name=body["metadata"]["name"])
        if self.etcd.current(target.plural, target.name) is not None:
            raise target.already_exists()
        metadata = {key: body["metadata"][key] for key in ("name", *_GIVEN) if key in body["metadata"]}
        metadata |= {
            "namespace": target.namespace,
            "uid": str(UUID(int=self._random.getrandbits(128), version=4)),
            "creationTimestamp": author.time,
        }
        if target.plural == "remediationrequests":
            metadata["generation"] = 1
        # Our resource definition gives a status by default, another's may not.
        status = {"deduplication": {"occurrenceCount": 1}}
        given = {"status": status} if self._defaults and target.plural == "remediationrequests" else {}
        obj = {key: body[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": metadata} | given
        if given:
            self._given.add(metadata["uid"])
        return self._commit(target, "CREATE", obj, author)

    def _update(self, target: Target, body: JsonObject, author: Author) -> tuple[int, JsonObject]:
        """PUT of a Lease, the one kind that is updated; where there is none, it is created."""
        old = self.etcd.current(target.plural, target.name)
        asked, found = body["metadata"].get("uid"), old["metadata"]["uid"] if old else ""
        if asked and asked != found:
            raise target.uid_differs(asked=asked, found=found)
        if old is None:
            return 201, self._create(target, body, author)
        if not body["metadata"].get("resourceVersion"):
            raise target.version_missing()
        _check_version(target, body, old)
        kept = {key: old["metadata"][key] for key in _KEPT if key in old["metadata"]}
        given = {key: body["metadata"][key] for key in _GIVEN if key in body["metadata"]}
        obj = old | {"spec": body.get("spec", {}), "metadata": given | kept}
        return 200, self._commit(target, "UPDATE", obj, author)

    def _patch_status(self, target: Target, body: JsonObject, author: Author) -> JsonObject:
        old = self._get(target)
        _check_version(target, body, old)
        obj = content(old) | {"status": merged(old.get("status"), body.get("status", {}))}
        fields: JsonObject = {"f:status": {"f:overallPhase": {}}} if "overallPhase" in body.get("status", {}) else {}
        return self._commit(target, "PATCH", obj, author, subresource="status", fields=fields)

    def _delete(self, target: Target, body: JsonObject, author: Author) -> JsonObject:
        metadata = self._get(target)["metadata"]
        for key, word, perhaps in (
            ("uid", "UID", "deleted and then recreated"),
            ("resourceVersion", "ResourceVersion", "modified"),
        ):
            asked = body.get("preconditions", {}).get(key)
            if asked is not None and asked != metadata[key]:
                raise target.precondition_fails(word, asked=asked, found=metadata[key], perhaps=perhaps)
        self.etcd.commit(author.actor, "DELETE", target.plural, target.name, None)
        details = target.details | {"uid": metadata["uid"]}
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}

    def _commit(
        self,
        target: Target,
        verb: str,
        obj: JsonObject,
        author: Author,
        *,
        subresource: str = "",
        fields: JsonObject | None = None,
    ) -> JsonObject:
        """Store an object, unless that would change nothing. The first write after a CREATE stores the defaults."""
        before = self.etcd.current(target.plural, target.name)
        if before is not None and content(before) == content(obj) and before["metadata"]["uid"] not in self._given:
            return before
        if before is not None:
            self._given.discard(before["metadata"]["uid"])
        entry: JsonObject = {"manager": author.manager, "operation": "Update", "apiVersion": target.api_version}
        entry |= {"subresource": subresource} if subresource else {}
        entry |= {"fieldsV1": fields} if fields else {}
        sealed = {
            "resourceVersion": str(self.etcd.revision + 1),
            "managedFields": noted(before, entry, time=author.time),
        }
        after = obj | {"metadata": obj["metadata"] | sealed}
        self.etcd.commit(author.actor, verb, target.plural, target.name, after)
        return after

    def _second(self, replica: Replica) -> Any:
        return START + timedelta(seconds=int(self._now() + replica.offset))


def _check_version(target: Target, body: JsonObject, old: JsonObject) -> None:
    asked = body.get("metadata", {}).get("resourceVersion")
    if asked and asked != old["metadata"]["resourceVersion"]:
        raise target.conflict()
