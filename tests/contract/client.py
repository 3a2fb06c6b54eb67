"""A plain client for one API server, and the two servers behind it."""

from __future__ import annotations

import asyncio
import io
import json
import ssl
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Mapping

    import aiohttp
    from multidict import CIMultiDictProxy

    from core.common.clock import MockClock
    from core.local.embedded import EmbeddedApi
    from tests.apiserver import KubeApiserver

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
AGENT = "contract/1.0 (tests)"


@dataclass(frozen=True)
class Reply:
    """An answer; `body` is decoded where it is JSON, else the text."""

    status: int
    body: Any
    headers: CIMultiDictProxy[str]


class Client:
    """Calls on one server with one token."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str, tls: ssl.SSLContext | bool) -> None:
        self._session = session
        self.url = url
        self.token = token
        self.tls = tls

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        **query: str,
    ) -> Reply:
        """Send one request; a body of bytes goes out as it is."""
        sent = {"User-Agent": AGENT, "Accept": "application/json", **(headers or {})}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        if data is not None and content_type:
            sent["Content-Type"] = content_type
        async with self._session.request(
            method,
            self.url + path,
            params=query,
            data=io.BytesIO(data) if data is not None else None,  # bare bytes of a MiB make aiohttp warn
            headers=sent,
            ssl=self.tls,
            skip_auto_headers=("Content-Type",),
        ) as response:
            return Reply(response.status, _decoded(await response.read()), response.headers)

    async def get(self, path: str, **options: Any) -> Reply:
        return await self.call("GET", path, **options)

    async def post(self, path: str, body: Any, **options: Any) -> Reply:
        return await self.call("POST", path, body, **options)

    async def put(self, path: str, body: Any, **options: Any) -> Reply:
        return await self.call("PUT", path, body, **options)

    async def patch(self, path: str, body: Any, *, content_type: str = MERGE, **options: Any) -> Reply:
        return await self.call("PATCH", path, body, content_type=content_type, **options)

    async def delete(self, path: str, **preconditions: str) -> Reply:
        """Delete, with preconditions where there are any."""
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": preconditions}
        return await self.call("DELETE", path, options if preconditions else None)

    async def watch(self, path: str, *, events: int, **query: str) -> list[Any]:
        """Return the first `events` of a watch; for none, wait a second to see that there are none."""
        params = {"watch": "true", "timeoutSeconds": "1" if not events else "30", **query}
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self._session.get(self.url + path, params=params, headers=headers, ssl=self.tls) as response:
            assert response.status == 200, await response.text()
            lines = [await response.content.readline() for _ in range(events)] or [await response.content.read()]
            await _hang_up(response)
        return [json.loads(line) for line in lines if line]


async def _hang_up(response: aiohttp.ClientResponse) -> None:
    """End a stream at once: closing TLS politely takes longer than a test's event loop lives."""
    if response.connection and response.connection.transport:
        response.connection.transport.abort()
        await asyncio.sleep(0)  # the turn in which the socket is closed


def _decoded(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode()


class Server(Protocol):
    """One of the two servers, and what tests do with it behind the API."""

    admin: Client

    async def a_second_passes(self) -> None:
        """The server's clock moves by at least a second."""

    def with_token(self, token: str) -> Client:
        """A client with another token; an empty one for none."""

    async def new_user(self, namespace: str, *rules: Any) -> tuple[str, str]:
        """Make a user with RBAC rules in a namespace; returns name and token."""


class Embedded:
    """The API in this process."""

    def __init__(self, api: EmbeddedApi, clock: MockClock, session: aiohttp.ClientSession, url: str) -> None:
        self._api = api
        self._clock = clock
        self._session = session
        self._url = url
        self.admin = self.with_token("admin-token")

    async def a_second_passes(self) -> None:
        self._clock.advance(timedelta(seconds=1))

    def let_everybody_in(self) -> None:
        """For kubectl, which sends no token where there is no TLS."""
        self._api.access.tokens.clear()

    def with_token(self, token: str) -> Client:
        return Client(self._session, self._url, token, tls=True)

    async def new_user(self, namespace: str, *rules: Any) -> tuple[str, str]:
        from core.local.embedded import Rule, User

        name, token = f"system:serviceaccount:{namespace}:caller", uuid4().hex
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
        self._api.access.tokens[token] = User(name, groups, uid=str(uuid4()))
        for rule in rules:
            self._api.access.rules.append(
                Rule(
                    subjects=[name],
                    verbs=rule["verbs"],
                    api_groups=rule["apiGroups"],
                    resources=rule["resources"],
                    namespaces=[namespace],
                )
            )
        return name, token


class Real:
    """A kube-apiserver."""

    def __init__(self, server: KubeApiserver, session: aiohttp.ClientSession) -> None:
        self._server = server
        self._session = session
        self.ca_file = server.ca_file
        self.admin = self.with_token(server.token)

    async def a_second_passes(self) -> None:
        before = await self._date()
        while await self._date() == before:
            pass  # each look is a call, which is pause enough

    async def _date(self) -> str:
        return (await self.admin.get("/version")).headers["Date"]

    def with_token(self, token: str) -> Client:
        tls = ssl.create_default_context(cafile=str(self._server.ca_file))
        return Client(self._session, self._server.url, token, tls)

    async def new_user(self, namespace: str, *rules: Any) -> tuple[str, str]:
        accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
        group = "rbac.authorization.k8s.io"
        await self.admin.post(accounts, {"metadata": {"name": "caller"}})
        await self.admin.post(f"{rbac}/roles", {"metadata": {"name": "caller"}, "rules": list(rules)})
        await self.admin.post(
            f"{rbac}/rolebindings",
            {
                "metadata": {"name": "caller"},
                "subjects": [{"kind": "ServiceAccount", "name": "caller", "namespace": namespace}],
                "roleRef": {"apiGroup": group, "kind": "Role", "name": "caller"},
            },
        )
        token = await self.admin.post(f"{accounts}/caller/token", {"spec": {}})
        return f"system:serviceaccount:{namespace}:caller", token.body["status"]["token"]
