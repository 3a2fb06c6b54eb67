"""Where issuers' documents are read from, over HTTP and from the API server, and what is not believed of them."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from core.admission.issuers import ClusterIssuer, Issuer, WebIssuer
from core.common.clock import MockClock, RealClock
from core.common.resilience import CircuitBreaker, Deadline
from core.errors import TransientError
from core.kube.client import KubeClient
from core.kube.documents import LONGEST_DOCUMENT
from core.kube.transport import ApiRequest, ApiResponse
from tests.unit.admission.issuing import Key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEY = Key("first")


class Web:
    """A server of documents on loopback."""

    def __init__(self) -> None:
        self.url = ""
        self.documents: dict[str, Any] = {}
        self.asked: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split(" ")[1]
        self.asked.append(head)
        document = self.documents.get(path)
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        status = "200 OK" if path in self.documents else "404 Not Found"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def web() -> AsyncIterator[Web]:
    site = Web()
    server = await asyncio.start_server(site.serve, "127.0.0.1", 0)
    site.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    site.documents = {
        "/.well-known/openid-configuration": {"issuer": site.url, "jwks_uri": f"{site.url}/keys?v=1"},
        "/keys?v=1": {"keys": [KEY.public]},
    }
    async with server:
        yield site


async def key_of(source: Any, warnings: list[str] | None = None) -> Any:
    issuer = Issuer(source=source, clock=RealClock(), warn=(warnings if warnings is not None else []).append)
    return await issuer.key("first", deadline=Deadline(clock=RealClock(), seconds=600))


async def test_web_issuers_keys_are_where_its_metadata_say():
    async with web() as site:
        assert (await key_of(WebIssuer(site.url))).key_id == "first"
        assert [head.split("\r\n")[0] for head in site.asked] == [
            "GET /.well-known/openid-configuration HTTP/1.1",
            "GET /keys?v=1 HTTP/1.1",
        ]
        assert "authorization" not in "".join(site.asked).lower()


@pytest.mark.parametrize(
    ("path", "document", "warning"),
    [
        (
            "/.well-known/openid-configuration",
            {"issuer": "https://mallory", "jwks_uri": "x"},
            "those of another issuer",
        ),
        ("/.well-known/openid-configuration", {"jwks_uri": "x"}, "those of another issuer"),
        ("/.well-known/openid-configuration", b"<html>", "expected value"),
        ("/.well-known/openid-configuration", [], "holds no JSON object"),
        ("/keys?v=1", {"keys": None}, "has no list of keys"),
        ("/keys?v=1", b"{" + b" " * LONGEST_DOCUMENT + b"}", "answered 200 with 1048578 bytes"),
    ],
)
async def test_what_is_no_issuers_document_is_not_believed(path, document, warning):
    async with web() as site:
        site.documents[path] = document
        warnings: list[str] = []
        with pytest.raises(TransientError, match="cannot be read at the moment"):
            await key_of(WebIssuer(site.url), warnings)
        assert warning in warnings[0]


@pytest.mark.parametrize("uri", [None, "", "ftp://x/keys", "keys", "http://a b/", "http://ä/", "http://[x/", 7])
async def test_keys_that_are_nowhere_are_no_keys(uri):
    async with web() as site:
        site.documents["/.well-known/openid-configuration"] = {"issuer": site.url, "jwks_uri": uri}
        with pytest.raises(TransientError, match="cannot be read at the moment"):
            await key_of(WebIssuer(site.url))


async def test_documents_that_are_not_there_are_told():
    async with web() as site:
        site.documents.clear()
        warnings: list[str] = []
        with pytest.raises(TransientError):
            await key_of(WebIssuer(site.url), warnings)
        assert "/.well-known/openid-configuration answered 404 with" in warnings[0]


class ApiServer:
    def __init__(self, documents: dict[str, Any]) -> None:
        self._documents = documents
        self.asked: list[str] = []

    async def send(self, request: ApiRequest, *, timeout: float) -> ApiResponse:
        self.asked.append(f"{request.method} {request.path}")
        assert "application/jwk-set+json" in request.accept.split(",")  # else the real one answers 406
        status = 200 if request.path in self._documents else 403
        return ApiResponse(status, {}, json.dumps(self._documents.get(request.path, {})).encode())

    async def close(self) -> None:
        pass


def cluster(documents: dict[str, Any]) -> tuple[ApiServer, ClusterIssuer]:
    api = ApiServer(documents)
    clock = MockClock(datetime(2026, 1, 1, tzinfo=UTC))
    return api, ClusterIssuer(KubeClient(transport=api, breaker=CircuitBreaker(clock=clock), call_timeout=3.0))


async def test_clusters_keys_come_from_the_api_server_whatever_address_it_gives():
    discovery = {"issuer": "https://cluster.example", "jwks_uri": "https://10.0.0.1:6443/openid/v1/jwks"}
    api, source = cluster({"/.well-known/openid-configuration": discovery, "/openid/v1/jwks": {"keys": [KEY.public]}})
    assert (await key_of(source)).key_id == "first"
    assert api.asked == ["GET /.well-known/openid-configuration", "GET /openid/v1/jwks"]


@pytest.mark.parametrize("documents", [{}, {"/.well-known/openid-configuration": {"issuer": 7}}])
async def test_cluster_that_does_not_tell_its_issuer_lets_senders_try_again(documents):
    _, source = cluster(documents)
    with pytest.raises(TransientError, match="cannot be read at the moment"):
        await key_of(source)
