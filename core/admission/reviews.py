"""Tokens of the cluster: a TokenReview, then a SubjectAccessReview, both remembered for a short time.

A sender without a good token costs the API server little: a refusal is remembered too, one token is asked about once
however many requests carry it at the moment, and strangers together get a number of refusals a second. Beyond it they
are asked to come again, for one of them may be a good sender's new token.

The sender needs the verb `create` on the virtual subresource `remediationrequests/signals` in the
gateway's namespace. Nothing serves that subresource, so the rule gives its holder no other power.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from typing import TYPE_CHECKING, Any

from core.common.memory import BoundedMemory
from core.common.resilience import TokenBucket
from core.errors import (
    AccessError,
    DeadlineExceededError,
    OverloadedError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from core.kube.errors import UnreadableAnswerError
from core.kube.resources import SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS, Resource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.common.clock import Clock
    from core.common.resilience import Deadline
    from core.kube.client import KubeClient

GRANT_SECONDS = 60.0
REFUSAL_SECONDS = 5.0
"""Short: whoever has added a missing rule tries again at once."""

REFUSALS_PER_SECOND = 20
REFUSALS_AT_ONCE = 40
"""Reviews that may end in a refusal, in one instance: made-up tokens cost no more, however many there are."""

GOOD_SECONDS = 24 * 3600.0
"""A token that was good within this time is reviewed whatever REFUSALS_PER_SECOND says; a projected one is valid for
an hour as a rule."""

_REMEMBERED_SENDERS = 1000


class KubernetesReviews:
    """SLUICE_AUTH=kubernetes: the API server says who sends, and whether they may.

    Args:
        client: asks the API server.
        resource: RemediationRequest.
        namespace: where the sender needs the rule.
        clock: says how long an answer is remembered.
        audiences: of tokens that are taken; the API server's own where there are none.
        gateway_service: the verb `create` on the Service `gateway-service` will do too (kubernaut's rule for senders).
    """

    def __init__(
        self,
        *,
        client: KubeClient,
        resource: Resource,
        namespace: str,
        clock: Clock,
        audiences: Sequence[str] = (),
        gateway_service: bool = False,
    ) -> None:
        self._gateway_service = gateway_service
        self._client = client
        self._resource = resource
        self._namespace = namespace
        self._audiences = list(audiences)
        # The API server is asked again at the full minute already, not only after it.
        self._granted: BoundedMemory[bytes, str] = BoundedMemory(
            clock=clock, capacity=_REMEMBERED_SENDERS, max_age=math.nextafter(GRANT_SECONDS, 0.0)
        )
        # Apart, so that tokens somebody made up never push those of good senders out.
        self._refused: BoundedMemory[bytes, AccessError] = BoundedMemory(
            clock=clock, capacity=_REMEMBERED_SENDERS, max_age=REFUSAL_SECONDS
        )
        self._good: BoundedMemory[bytes, bool] = BoundedMemory(
            clock=clock, capacity=_REMEMBERED_SENDERS, max_age=GOOD_SECONDS, by_use=True
        )
        self._refusals = TokenBucket(clock=clock, per_second=REFUSALS_PER_SECOND, capacity=REFUSALS_AT_ONCE)
        self._reviews: dict[bytes, asyncio.Task[str]] = {}

    async def check(self, token: str, *, deadline: Deadline) -> str:
        """Ask the API server, or remember what it said a moment ago; return the user's name.

        See core.admission.gate.Authenticator.
        """
        key = hashlib.sha256(token.encode()).digest()
        if user := self._granted.get(key):
            return user
        refusal = self._refused.get(key)
        if refusal is not None:
            raise type(refusal)(str(refusal))
        return await self._reviewed(key, token, deadline)

    async def _reviewed(self, key: bytes, token: str, deadline: Deadline) -> str:
        """Wait for the one review of a token; it goes on when the request that began it is gone."""
        review = self._reviews.get(key)
        if review is None:
            self._check_allowance(key)
            review = self._reviews[key] = asyncio.create_task(self._review(key, token, deadline))
            review.add_done_callback(lambda done: self._end(key, done))
        await asyncio.wait({review}, timeout=deadline.remaining())
        if not review.done():
            raise DeadlineExceededError("the API server did not say in time who the sender is")
        return review.result()

    def _check_allowance(self, key: bytes) -> None:
        if not self._good.get(key) and not self._refusals.take():
            raise OverloadedError(
                "the API server is asked about too many unknown bearer tokens now; send the same request again",
                shed="reviews",
            )

    async def _review(self, key: bytes, token: str, deadline: Deadline) -> str:
        try:
            user = await self._authenticate(token, deadline)
            await self._authorize(user, deadline)
        except AccessError as refusal:
            self._refused.put(key, refusal)
            self._good.pop(key)
            raise
        if not self._good.get(key):
            self._refusals.give_back()
        name: str = user["username"]
        self._granted.put(key, name)
        self._good.put(key, True)  # noqa: FBT003 - a value like any other
        return name

    def _end(self, key: bytes, review: asyncio.Task[str]) -> None:
        del self._reviews[key]
        if not review.cancelled():
            review.exception()  # every request that waited for it may be gone

    async def _authenticate(self, token: str, deadline: Deadline) -> dict[str, Any]:
        spec: dict[str, Any] = {"token": token}
        if self._audiences:
            spec["audiences"] = self._audiences
        status = await self._ask(TOKEN_REVIEWS, spec, deadline)
        if status.get("authenticated") is not True:
            asked = f" for the audience {' or '.join(self._audiences)}" if self._audiences else ""
            raise UnauthenticatedError(f"the API server does not know this bearer token{asked}; it may have expired")
        # An authenticator that knows of no audiences takes every token, and names none (TokenReviewStatus).
        if self._audiences and not set(self._audiences) & set(_texts(status.get("audiences"))):
            raise UnauthenticatedError(
                f"the API server does not say that this bearer token is for {' or '.join(self._audiences)}"
            )
        user = _object(status, "user")
        if not isinstance(user.get("username"), str) or not user["username"]:
            raise UnreadableAnswerError("the API server's review of a good token names no user")
        return user

    async def _authorize(self, user: dict[str, Any], deadline: Deadline) -> None:
        signals = {
            "group": self._resource.group,
            "version": self._resource.version,
            "resource": self._resource.plural,
            "subresource": "signals",
        }
        allowed = await self._may_create(signals, user, deadline)
        if not allowed and self._gateway_service:
            allowed = await self._may_create({"resource": "services", "name": "gateway-service"}, user, deadline)
        if not allowed:
            raise PermissionDeniedError(
                f"{user.get('username')} may not send signals: bind it to a Role in {self._namespace} with "
                f'apiGroups: ["{self._resource.group}"], resources: ["{self._resource.plural}/signals"], '
                'verbs: ["create"]'
            )

    async def _may_create(self, what: dict[str, str], user: dict[str, Any], deadline: Deadline) -> bool:
        spec = {
            "user": user["username"],
            "uid": user.get("uid", ""),
            "groups": user.get("groups") or [],
            "extra": user.get("extra") or {},
            "resourceAttributes": {"verb": "create", **what, "namespace": self._namespace},
        }
        status = await self._ask(SUBJECT_ACCESS_REVIEWS, spec, deadline)
        return status.get("allowed") is True

    async def _ask(self, kind: Resource, spec: dict[str, Any], deadline: Deadline) -> dict[str, Any]:
        """Return the status of a review, believed only where it answers this question: a proxy's may be another's."""
        review = {"apiVersion": kind.api_version, "kind": kind.kind, "spec": spec}
        reply = await self._client.create(kind, review, deadline=deadline)
        if reply.obj.get("kind") != kind.kind or not _repeats(reply.obj.get("spec"), spec):
            raise UnreadableAnswerError(f"the API server's answer is not the {kind.kind} that was asked for")
        return _object(reply.obj, "status")


def _repeats(answered: object, asked: object) -> bool:
    """Tell whether an answer has all that was asked; what was empty the API server may leave out."""
    if not isinstance(asked, dict):
        return answered == asked
    return isinstance(answered, dict) and all(_repeats(answered.get(key), asked[key]) for key in asked if asked[key])


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _object(holder: Mapping[str, Any], field: str) -> dict[str, Any]:
    value = holder.get(field)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UnreadableAnswerError(f"the API server's review has no object in its field {field}")
    return value
