"""Who may send signals: a TokenReview, then a SubjectAccessReview, both remembered for a short time.

A sender without a good token costs the API server little: what can be no token is never asked about, a refusal is
remembered too, and one token is asked about once however many requests carry it at the moment.

The sender needs the verb `create` on the virtual subresource `remediationrequests/signals` in the
gateway's namespace. Nothing serves that subresource, so the rule gives its holder no other power.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from core.errors import AccessError, DeadlineExceededError, PermissionDeniedError, UnauthenticatedError
from core.kube.errors import UnreadableAnswerError
from core.kube.resources import SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS, Resource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.clock import Clock, Deadline
    from core.kube.client import KubeClient

GRANT_SECONDS = 60.0
REFUSAL_SECONDS = 5.0
"""Short, for people mend a missing rule and look at once whether it helped."""

_REMEMBERED_SENDERS = 1000
_LONGEST_TOKEN = 8192  # a service account's has 1 to 2 kB
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # b64token of RFC 6750, section 2.1


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
    """AUTH=kubernetes.

    Args:
        client: asks the API server.
        resource: RemediationRequest.
        namespace: where the sender needs the rule.
        clock: says how long an answer is remembered.
        audiences: of tokens that are taken; the API server's own where there are none.
    """

    def __init__(
        self, *, client: KubeClient, resource: Resource, namespace: str, clock: Clock, audiences: Sequence[str] = ()
    ) -> None:
        self._client = client
        self._resource = resource
        self._namespace = namespace
        self._audiences = list(audiences)
        self._granted = _Memory[None](clock=clock, seconds=GRANT_SECONDS)
        # Apart, so that tokens somebody made up never push those of good senders out.
        self._refused = _Memory[AccessError](clock=clock, seconds=REFUSAL_SECONDS)
        self._reviews: dict[bytes, asyncio.Task[None]] = {}

    async def admit(self, authorization: str, *, deadline: Deadline) -> None:
        """Ask the API server, or remember what it said a moment ago."""
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise UnauthenticatedError("send a service account token in the header `Authorization: Bearer <token>`")
        if len(token) > _LONGEST_TOKEN or not _TOKEN.fullmatch(token):
            raise UnauthenticatedError(
                f"the bearer token can be none: it has {len(token)} characters, of which at most {_LONGEST_TOKEN} of "
                "A-Z a-z 0-9 - . _ ~ + / are taken"
            )
        key = hashlib.sha256(token.encode()).digest()
        if key in self._granted:
            return
        if key in self._refused:
            refusal = self._refused[key]
            raise type(refusal)(str(refusal))
        await self._reviewed(key, token, deadline)

    async def _reviewed(self, key: bytes, token: str, deadline: Deadline) -> None:
        """Wait for the one review of a token; it goes on when the request that began it is gone."""
        review = self._reviews.get(key)
        if review is None:
            review = self._reviews[key] = asyncio.create_task(self._review(key, token, deadline))
            review.add_done_callback(lambda done: self._end(key, done))
        await asyncio.wait({review}, timeout=deadline.remaining())
        if not review.done():
            raise DeadlineExceededError("the API server did not say in time who the sender is")
        review.result()

    async def _review(self, key: bytes, token: str, deadline: Deadline) -> None:
        try:
            user = await self._authenticate(token, deadline)
            await self._authorize(user, deadline)
        except AccessError as refusal:
            self._refused[key] = refusal
            raise
        self._granted[key] = None

    def _end(self, key: bytes, review: asyncio.Task[None]) -> None:
        del self._reviews[key]
        if not review.cancelled():
            review.exception()  # all who asked may be gone

    async def _authenticate(self, token: str, deadline: Deadline) -> dict[str, Any]:
        spec: dict[str, Any] = {"token": token}
        if self._audiences:
            spec["audiences"] = self._audiences
        review = {"apiVersion": TOKEN_REVIEWS.api_version, "kind": TOKEN_REVIEWS.kind, "spec": spec}
        reply = await self._client.create(TOKEN_REVIEWS, review, deadline=deadline)
        status = _object(reply.obj, "status")
        if status.get("authenticated") is not True:
            asked = f" for the audience {' or '.join(self._audiences)}" if self._audiences else ""
            raise UnauthenticatedError(f"the API server does not know this bearer token{asked}; it may have expired")
        # An authenticator that knows of no audiences takes every token, and names none (TokenReviewStatus).
        if self._audiences and not set(self._audiences) & set(_texts(status.get("audiences"))):
            raise UnauthenticatedError(
                f"the API server does not say that this bearer token is for {' or '.join(self._audiences)}"
            )
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


T = TypeVar("T")


class _Memory(Generic[T]):
    """Bounded; each entry is there for `seconds`, and the oldest goes first."""

    def __init__(self, *, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._entries: OrderedDict[bytes, tuple[float, T]] = OrderedDict()

    def __contains__(self, key: bytes) -> bool:
        entry = self._entries.get(key)
        return entry is not None and entry[0] > self._clock.monotonic()

    def __getitem__(self, key: bytes) -> T:
        return self._entries[key][1]

    def __setitem__(self, key: bytes, value: T) -> None:
        self._entries[key] = (self._clock.monotonic() + self._seconds, value)
        self._entries.move_to_end(key)
        if len(self._entries) > _REMEMBERED_SENDERS:
            self._entries.popitem(last=False)


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _object(holder: Mapping[str, Any], field: str) -> dict[str, Any]:
    value = holder.get(field)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UnreadableAnswerError(f"the API server's review has no object in its field {field}")
    return value
