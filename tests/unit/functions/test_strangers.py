"""Where the API server is, no answer says, whatever is wrong on the way to it; the log says it in full."""

from __future__ import annotations

import base64
import json
import socket
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, Any

import pytest
from pydantic_core import to_json

from tests.unit.functions.webhooks import alert, webhook
from tests.unit.kube.certificates import Authority
from tests.unit.kube.http_server import HttpServer, answers, babbles, hangs_up, never_answers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.unit.functions.conftest import Function

NAME = "api.shop-internal.example"
TRIES = 6  # more than one request makes


@asynccontextmanager
async def refusing(_: Path) -> AsyncIterator[dict[str, str]]:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    yield {"server": url}


@asynccontextmanager
async def silent(_: Path) -> AsyncIterator[dict[str, str]]:
    async with HttpServer(*[never_answers] * TRIES) as server:
        yield {"server": server.url}


@asynccontextmanager
async def hanging_up(_: Path) -> AsyncIterator[dict[str, str]]:
    async with HttpServer(*[hangs_up] * TRIES) as server:
        yield {"server": server.url}


@asynccontextmanager
async def babbling(_: Path) -> AsyncIterator[dict[str, str]]:
    async with HttpServer(*[babbles] * TRIES) as server:
        yield {"server": server.url}


@asynccontextmanager
async def by_a_bad_name(_: Path) -> AsyncIterator[dict[str, str]]:
    yield {"server": f"http://{'x' * 64}.{NAME}:6443"}


@asynccontextmanager
async def by_a_bad_url(_: Path) -> AsyncIterator[dict[str, str]]:
    yield {"server": f"ftp://{NAME}:6443"}


@asynccontextmanager
async def with_a_strangers_certificate(folder: Path) -> AsyncIterator[dict[str, str]]:
    other = base64.b64encode(Authority(folder, "other").pem.encode()).decode()
    async with HttpServer(tls=Authority(folder, "cluster").server_tls()) as server:
        yield {"server": server.url, "certificate-authority-data": other}


@asynccontextmanager
async def behind_a_proxy(_: Path) -> AsyncIterator[dict[str, str]]:
    page = f"<html>no upstream for https://{NAME}:6443 at 10.96.0.7:6443</html>".encode()
    async with HttpServer(*[answers(502, page)] * TRIES) as server:
        yield {"server": server.url}


@asynccontextmanager
async def telling_of_another(_: Path) -> AsyncIterator[dict[str, str]]:
    words = f'Post "https://{NAME}:6443/x": dial tcp 10.96.0.7:6443: connect: connection refused'
    page = to_json({"kind": "Status", "message": words, "code": 500})
    async with HttpServer(*[answers(500, page)] * TRIES) as server:
        yield {"server": server.url}


@asynccontextmanager
async def by_way_of_a_proxy_url(_: Path) -> AsyncIterator[dict[str, str]]:
    yield {"server": f"https://{NAME}:6443", "proxy-url": f"http://{NAME}:3128"}


@pytest.mark.parametrize("path", ["/readyz", "/"])
@pytest.mark.parametrize(
    "wrong",
    [
        *(refusing, silent, hanging_up, babbling, by_a_bad_name, by_a_bad_url, with_a_strangers_certificate),
        *(behind_a_proxy, telling_of_another, by_way_of_a_proxy_url),
    ],
)
async def test_no_answer_says_where_the_api_server_is(
    function: Function,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    wrong: Callable[[Path], Any],
    path: str,
) -> None:
    async with wrong(tmp_path) as cluster:
        _write_kubeconfig(tmp_path, cluster)
        if wrong is silent:
            function.set(api_timeout=0.1)
        answer = await (function.get(path) if path == "/readyz" else function.post(webhook(alert())))

        detail = answer.problem(503)
        everything = answer.body.decode() + json.dumps(dict(answer.headers))
        port = cluster["server"].rpartition(":")[2]
        secrets = ("127.0.0.1", f":{port}", NAME, "10.96.0", ":6443", str(tmp_path))
        assert not [each for each in secrets if each in everything]
        assert "Kubernetes API" in detail or "API server" in detail or "gateway" in detail
        log = capsys.readouterr().out
        assert NAME in log or f"127.0.0.1:{port}" in log
        assert "Traceback" not in log


@pytest.mark.parametrize("path", ["/healthz", "/openapi.json", "/metrics", "/nothing"])
async def test_what_needs_no_api_server_says_nothing_of_it(function: Function, tmp_path: Path, path: str) -> None:
    _write_kubeconfig(tmp_path, {"server": f"https://{NAME}:6443"})
    answer = await function.get(path)
    assert answer.status in (200, 404)
    assert NAME not in answer.body.decode() + json.dumps(dict(answer.headers))


def _write_kubeconfig(folder: Path, cluster: dict[str, str]) -> None:
    config = {
        "current-context": "t",
        "contexts": [{"name": "t", "context": {"cluster": "t", "user": "t"}}],
        "users": [{"name": "t", "user": {"token": "t"}}],
        "clusters": [{"name": "t", "cluster": cluster}],
    }
    (folder / "kubeconfig").write_text(json.dumps(config))
