"""Verbs on objects: JSON in and out, status codes turned into classes, each call guarded by the breaker."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, Protocol

from pydantic_core import from_json, to_json

from core.common.resilience import ByteBudget, CircuitBreaker, Deadline
from core.common.trace_context import NO_TRACER, Span, Tracer
from core.errors import DeadlineExceededError
from core.kube.errors import KubernetesError, UnreadableAnswerError, refusal
from core.kube.resources import Resource
from core.kube.transport import ApiRequest, ApiResponse, Transport

MERGE_PATCH = "application/merge-patch+json"
METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_ONLY_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

PUBLIC_DOCUMENTS = "application/json,application/jwk-set+json"
"""The API server gives its issuer's keys in the second form alone, and answers 406 where the first is asked for."""

GROUPS_WITH_KINDS = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"

JsonObject = dict[str, Any]

SMALL_BODY_BYTES = 16 * 1024
"""A body of so many never waits for others: a Lease has half a kilobyte, an RR of a usual alert four."""

BYTES_IN_FLIGHT = 8 * 1024 * 1024

_ANSWERS_LIKE_OTHERS = (404, 409)
"""For the protocol: there is no such object, there is one already, somebody else was faster."""

_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class Reply(NamedTuple):
    """A successful answer: the object, and what the server's own clock said."""

    obj: JsonObject
    headers: Mapping[str, str]

    @property
    def server_time(self) -> datetime:
        """The Date header, in whole seconds (RFC 9110, section 6.6.1)."""
        return _date(self.headers)


class Listing(NamedTuple):
    """The objects of a LIST, what the server's own clock said, and what asks for the `rest`; empty: that is all."""

    items: list[JsonObject]
    headers: Mapping[str, str]
    rest: str = ""

    @property
    def server_time(self) -> datetime:
        """The Date header, in whole seconds."""
        return _date(self.headers)


def path_of(resource: Resource, *, namespace: str = "", name: str = "", subresource: str = "") -> str:
    """Return the URL path of a kind, or of one object of it; an empty part is left out."""
    scope = f"/namespaces/{namespace}" if namespace else ""
    named = "".join(f"/{part}" for part in (name, subresource) if part)
    return f"{_root(resource)}{scope}/{resource.plural}{named}"


def _root(resource: Resource) -> str:
    """Return the URL path of the version of the API group."""
    return f"/{'apis' if resource.group else 'api'}/{resource.api_version}"


class CallObserver(Protocol):
    """Told of each call that was sent."""

    def __call__(self, *, verb: str, resource: str, code: str, seconds: float) -> None:
        """`verb` as RBAC rules name it, `resource` by its plural, `code` the HTTP status or `unanswered`."""


UNANSWERED = "unanswered"


class KubeClient:
    """Calls on one API server.

    Args:
        transport: sends them.
        breaker: refuses them while the API server fails.
        call_timeout: seconds until one is given up.
        bytes_in_flight: of larger bodies being sent at a time; others wait for their turn as long as their deadline
            lets them. One sender's large alerts then neither fill the memory nor all run out of time together.
        observe: told of each that was sent.
        tracer: makes a span of each.

    Every method raises a KubernetesError by status, CircuitOpenError while the breaker is open, and where nothing was
    sent DeadlineExceededError for want of time, OverloadedError for want of a turn.
    """

    def __init__(
        self,
        *,
        transport: Transport,
        breaker: CircuitBreaker,
        call_timeout: float,
        bytes_in_flight: int = BYTES_IN_FLIGHT,
        observe: CallObserver = lambda **_: None,
        tracer: Tracer = NO_TRACER,
    ) -> None:
        self._transport = transport
        self._breaker = breaker
        self._call_timeout = call_timeout
        self._sending = ByteBudget(limit=bytes_in_flight, doing="sends {} bytes to the API server")
        self._observe = observe

        def span(verb: str, resource: Resource, request: ApiRequest, _: float) -> AbstractContextManager[Span]:
            return tracer.span(f"{verb} {resource.plural}", kind="client", attributes=_about(verb, resource, request))

        self._exchange = tracer.around(self._sent, span=span, describe=_describe)

    async def get(
        self,
        resource: Resource,
        *,
        namespace: str = "",
        name: str,
        deadline: Deadline,
        accept: str = "application/json",
    ) -> Reply:
        """GET by name: a quorum read that goes to etcd, never to the watch cache (KEP-2340)."""
        path = path_of(resource, namespace=namespace, name=name)
        return await self._call(resource, ApiRequest(method="GET", path=path, accept=accept), deadline)

    async def discover(self, *, group: str, version: str, deadline: Deadline) -> list[JsonObject]:
        """Return the kinds of an API group's version (APIResourceList)."""
        anything = Resource(group, version, "*", "")
        request = ApiRequest(method="GET", path=_root(anything))
        reply = await self._call(anything, request, deadline)
        return _objects(reply, "resources")

    async def discover_groups(self, *, deadline: Deadline) -> JsonObject:
        """Return all API groups but the core one: with their kinds (APIGroupDiscoveryList, KEP-3352), or as an older
        API server answers, by name and version alone (APIGroupList)."""
        request = ApiRequest(method="GET", path="/apis", accept=GROUPS_WITH_KINDS)
        return (await self._call(Resource("", "", "*", ""), request, deadline)).obj

    async def document(self, path: str, *, deadline: Deadline) -> JsonObject:
        """Return the JSON that the API server serves at a path of no kind, such as `/openid/v1/jwks`."""
        request = ApiRequest(method="GET", path=path, accept=PUBLIC_DOCUMENTS)
        return (await self._call(Resource("", "", "*", ""), request, deadline)).obj

    async def openapi(self, resource: Resource, *, deadline: Deadline) -> JsonObject:
        """Return the OpenAPI v3 document of a kind's group and version (KEP-2896), which every account may read."""
        request = ApiRequest(method="GET", path=f"/openapi/v3{_root(resource)}")
        return (await self._call(resource, request, deadline)).obj

    async def list(
        self,
        resource: Resource,
        *,
        namespace: str,
        query: Mapping[str, str],
        deadline: Deadline,
        accept: str = "application/json",
    ) -> Listing:
        """LIST; the caller's `query` holds selectors and resourceVersion."""
        path = path_of(resource, namespace=namespace)
        request = ApiRequest(method="GET", path=path, query=query, accept=accept)
        reply = await self._call(resource, request, deadline, verb="list")
        metadata = reply.obj.get("metadata")
        rest = metadata.get("continue") if isinstance(metadata, dict) else ""
        return Listing(_objects(reply, "items"), reply.headers, rest if isinstance(rest, str) else "")

    async def pages(
        self,
        resource: Resource,
        *,
        namespace: str,
        size: int,
        deadline: Deadline,
        accept: str = "application/json",
    ) -> AsyncIterator[Listing]:
        """LIST everything, `size` objects at a time, consistently: what a page costs does not grow with their number.

        Raises:
            ApiStatusError: 410, where the reader took longer than the API server keeps the rest (some minutes).
        """
        rest = ""
        while True:
            query = {"limit": str(size)} | ({"continue": rest} if rest else {})
            page = await self.list(resource, namespace=namespace, query=query, deadline=deadline, accept=accept)
            yield page
            if not (rest := page.rest):
                return

    async def create(self, resource: Resource, body: JsonObject, *, namespace: str = "", deadline: Deadline) -> Reply:
        """CREATE under the name in the body."""
        path = path_of(resource, namespace=namespace)
        return await self._call(resource, ApiRequest(method="POST", path=path, body=to_json(body)), deadline)

    async def update(
        self, resource: Resource, body: JsonObject, *, namespace: str, name: str, deadline: Deadline
    ) -> Reply:
        """Update (PUT) the whole object; the body's resourceVersion must be the current one."""
        path = path_of(resource, namespace=namespace, name=name)
        return await self._call(resource, ApiRequest(method="PUT", path=path, body=to_json(body)), deadline)

    async def patch_status(
        self, resource: Resource, body: JsonObject, *, namespace: str, name: str, deadline: Deadline
    ) -> Reply:
        """Merge PATCH (RFC 7396) of the status subresource."""
        path = path_of(resource, namespace=namespace, name=name, subresource="status")
        request = ApiRequest(method="PATCH", path=path, body=to_json(body), content_type=MERGE_PATCH)
        return await self._call(resource, request, deadline)

    async def delete(
        self,
        resource: Resource,
        *,
        namespace: str,
        name: str,
        preconditions: Mapping[str, str],
        deadline: Deadline,
    ) -> None:
        """DELETE only the object whose uid and resourceVersion are the given ones."""
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": dict(preconditions)}
        path = path_of(resource, namespace=namespace, name=name)
        await self._call(resource, ApiRequest(method="DELETE", path=path, body=to_json(options)), deadline)

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    async def _call(self, resource: Resource, request: ApiRequest, deadline: Deadline, *, verb: str = "") -> Reply:
        if request.size <= SMALL_BODY_BYTES:
            return await self._send(resource, request, deadline, verb)
        with self._sending.share() as share:
            await share.grow(request.size, timeout=deadline.remaining())
            return await self._send(resource, request, deadline, verb)

    async def _send(self, resource: Resource, request: ApiRequest, deadline: Deadline, verb: str) -> Reply:
        remaining = deadline.remaining()
        timeout = min(self._call_timeout, remaining)
        if timeout <= 0:
            raise DeadlineExceededError(f"no time was left for {request.method} {request.path}")
        full_time = timeout == self._call_timeout and request.size <= SMALL_BODY_BYTES
        failed = _counts_as_failure if full_time else _failed_by_itself
        verb = verb or _VERBS[request.method]
        with self._breaker.guard(failed=failed):
            code = UNANSWERED
            try:
                response = await self._exchange(verb, resource, request, timeout)
                code = str(response.status)
            finally:
                self._observe(verb=verb, resource=resource.plural, code=code, seconds=remaining - deadline.remaining())
            return _reply(resource, request, response)

    async def _sent(self, _verb: str, _resource: Resource, request: ApiRequest, timeout: float) -> ApiResponse:
        return await self._transport.send(request, timeout=timeout)


def _about(verb: str, resource: Resource, request: ApiRequest) -> dict[str, str]:
    return {
        "http.request.method": request.method,
        "url.path": request.path,
        "kubernetes.verb": verb,
        "kubernetes.resource": resource.plural,
    }


def _describe(span: Span, response: ApiResponse) -> None:
    status = response.status
    span.describe({"http.response.status_code": status})
    if status >= 400 and status not in _ANSWERS_LIKE_OTHERS:
        span.fail(f"answered {status}")


def _reply(resource: Resource, request: ApiRequest, response: ApiResponse) -> Reply:
    if response.status >= 400:
        raise refusal(resource, request, response)
    if not 200 <= response.status < 300:  # a redirect, which is not followed: nothing is stored
        raise _unreadable(request, response)
    try:
        obj = from_json(response.body)
    except ValueError as error:
        raise _unreadable(request, response) from error
    if not isinstance(obj, dict):
        raise _unreadable(request, response)
    return Reply(obj, response.headers)


def _date(headers: Mapping[str, str]) -> datetime:
    try:
        # -0000, which says nothing of a zone, is UTC all the same
        return parsedate_to_datetime(headers["Date"].replace("-0000", "GMT"))
    except (KeyError, ValueError, OverflowError) as error:
        raise UnreadableAnswerError("the API server's answer has no readable Date header") from error


def _objects(reply: Reply, field: str) -> list[JsonObject]:
    objects = reply.obj.get(field, ...)
    if objects is None:
        return []
    if not isinstance(objects, list) or not all(isinstance(each, dict) for each in objects):
        raise UnreadableAnswerError(f"the API server's answer has no list of objects in its field {field}")
    return objects


def _unreadable(request: ApiRequest, response: ApiResponse) -> UnreadableAnswerError:
    excerpt = response.body[:80].decode(errors="replace")
    wrong = f"the answer {response.status} to {request.method} {request.path} is no Kubernetes object"
    return UnreadableAnswerError(f"{wrong}: {excerpt!r}", told=f"{wrong}; the gateway's log has its beginning")


def _counts_as_failure(error: BaseException) -> bool:
    return isinstance(error, KubernetesError) and error.transient


def _failed_by_itself(error: BaseException) -> bool | None:
    """Where a request's own deadline left a call less than its time, or the body is large, its running out says nothing
    of the server: one sender's slow or large bodies must not open the breaker for the others. Small calls go before
    each large one, and tell of a server that is away."""
    return None if isinstance(error.__cause__, TimeoutError) else _counts_as_failure(error)
