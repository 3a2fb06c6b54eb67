"""Who may send signals: a TokenReview, then a SubjectAccessReview, both remembered for a short time.

The sender needs the verb `create` on the virtual subresource `remediationrequests/signals` in the
gateway's namespace. Nothing serves that subresource, so the rule gives its holder no other power.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Protocol

from core.errors import PermissionDeniedError, UnauthenticatedError
from core.kube.errors import UnreadableAnswerError
from core.kube.resources import SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS, Resource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.clock import Clock, Deadline
    from core.kube.client import KubeClient

GRANT_SECONDS = 60.0
_REMEMBERED_SENDERS = 1000


class Gate(Protocol):
    """Lets a request in or raises."""

    async def admit(self, authorization: str, *, deadline: Deadline) -> None:
        """Judge the value of the Authorization header, empty where there is none.

        Raises:
            UnauthenticatedError: no token, or one the API server does not know.
            PermissionDeniedError: its user may not send signals.
            KubernetesError, TransientError: the API server could not be asked.
        """


class OpenGate:
    """AUTH=none: the platform in front has checked already."""

    async def admit(self, authorization: str, *, deadline: Deadline) -> None:
        """Admit everybody."""


class KubernetesGate:
    """AUTH=kubernetes."""

    def __init__(self, *, client: KubeClient, resource: Resource, namespace: str, clock: Clock) -> None:
        self._client = client
        self._resource = resource
        self._namespace = namespace
        self._clock = clock
        self._admitted_until: OrderedDict[bytes, float] = OrderedDict()

    async def admit(self, authorization: str, *, deadline: Deadline) -> None:
        """Ask the API server, or remember what it said in the last minute; refusals are not remembered."""
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise UnauthenticatedError("send a service account token in the header `Authorization: Bearer <token>`")
        key = hashlib.sha256(token.encode(errors="surrogateescape")).digest()
        if self._admitted_until.get(key, 0.0) > self._clock.monotonic():
            return
        user = await self._authenticate(token, deadline)
        await self._authorize(user, deadline)
        self._remember(key)

    async def _authenticate(self, token: str, deadline: Deadline) -> dict[str, Any]:
        review = {"apiVersion": TOKEN_REVIEWS.api_version, "kind": TOKEN_REVIEWS.kind, "spec": {"token": token}}
        reply = await self._client.create(TOKEN_REVIEWS, review, deadline=deadline)
        status = _object(reply.obj, "status")
        if status.get("authenticated") is not True:
            raise UnauthenticatedError("the API server does not know this bearer token; it may have expired")
        return _object(status, "user")

    async def _authorize(self, user: dict[str, Any], deadline: Deadline) -> None:
        review = {
            "apiVersion": SUBJECT_ACCESS_REVIEWS.api_version,
            "kind": SUBJECT_ACCESS_REVIEWS.kind,
            "spec": {
                "user": user.get("username", ""),
                "uid": user.get("uid", ""),
                "groups": user.get("groups") or [],
                "extra": user.get("extra") or {},
                "resourceAttributes": {
                    "verb": "create",
                    "group": self._resource.group,
                    "version": self._resource.version,
                    "resource": self._resource.plural,
                    "subresource": "signals",
                    "namespace": self._namespace,
                },
            },
        }
        reply = await self._client.create(SUBJECT_ACCESS_REVIEWS, review, deadline=deadline)
        if _object(reply.obj, "status").get("allowed") is not True:
            raise PermissionDeniedError(
                f"{user.get('username')} may not send signals: bind it to a Role in {self._namespace} with "
                f'apiGroups: ["{self._resource.group}"], resources: ["{self._resource.plural}/signals"], '
                'verbs: ["create"]'
            )

    def _remember(self, key: bytes) -> None:
        self._admitted_until[key] = self._clock.monotonic() + GRANT_SECONDS
        self._admitted_until.move_to_end(key)
        if len(self._admitted_until) > _REMEMBERED_SENDERS:
            self._admitted_until.popitem(last=False)


def _object(holder: Mapping[str, Any], field: str) -> dict[str, Any]:
    value = holder.get(field)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UnreadableAnswerError(f"the API server's review has no object in its field {field}")
    return value
