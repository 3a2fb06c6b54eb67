"""Pods as a cluster has them: each of a ReplicaSet, which is of a Deployment."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.bench.load import run
from tests.bench.session import open_session

if TYPE_CHECKING:
    from collections.abc import Sequence

    import aiohttp

    from tests.apiserver import KubeApiserver

NAMESPACE = "prod"
"""Where the alerts say their targets are."""

_AT_ONCE = 16
_POD_SPEC = {"containers": [{"name": "web", "image": "web"}]}
_SPEC = {
    "selector": {"matchLabels": {"app": "web"}},
    "template": {"metadata": {"labels": {"app": "web"}}, "spec": _POD_SPEC},
}
_REPLICAS, _POD = "6f7d8c9b5d", "x2k4q"


def pod_name(deployment: str) -> str:
    """The name of its Pod, as the controllers would make it."""
    return f"{deployment}-{_REPLICAS}-{_POD}"


def pod_names(name: str, *, count: int) -> tuple[str, ...]:
    """Names of the Pods of so many Deployments."""
    return tuple(pod_name(f"{name}-{index}") for index in range(count))


def make_owned_pods(server: KubeApiserver, names: Sequence[str]) -> None:
    """Create Pods of these names with all that owns them."""
    assert server.request("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}}).status in (201, 409)
    asyncio.run(_make_all(server, names))


async def _make_all(server: KubeApiserver, names: Sequence[str]) -> None:
    async with open_session(server.url, ca=str(server.ca_file), token=server.token) as session:
        await run([partial(_make, session, name) for name in names], in_flight=_AT_ONCE)


async def _make(session: aiohttp.ClientSession, pod: str) -> None:
    replicas = pod.removesuffix(f"-{_POD}")
    deployment = replicas.removesuffix(f"-{_REPLICAS}")
    owner = await _create(session, "apis/apps/v1", "Deployment", deployment, _SPEC)
    owner = await _create(session, "apis/apps/v1", "ReplicaSet", replicas, _SPEC, owner)
    await _create(session, "api/v1", "Pod", pod, _POD_SPEC, owner)


async def _create(
    session: aiohttp.ClientSession, root: str, kind: str, name: str, spec: object, *owners: dict[str, Any]
) -> dict[str, Any]:
    """Create an object; return the reference by which it owns others."""
    body = {"metadata": {"name": name, "ownerReferences": owners}, "spec": spec}
    async with session.post(f"/{root}/namespaces/{NAMESPACE}/{kind.lower()}s", json=body) as answer:
        made = await answer.json()
        assert answer.status == 201, made
    version = root.partition("/")[2]
    return {"apiVersion": version, "kind": kind, "name": name, "uid": made["metadata"]["uid"], "controller": True}
