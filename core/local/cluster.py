"""The cluster behind a command: the embedded one, or the one that the environment names."""

from __future__ import annotations

import json
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from core.common.resilience import CircuitBreaker
from core.errors import ConfigurationError
from core.kube.access import Access, find_access
from core.kube.client import CallObserver, KubeClient
from core.kube.kubeconfig import DEFAULT_KUBECONFIG, read_contexts
from core.kube.resources import Resource
from core.local.shell import CommandError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from core.common.clock import Clock
    from core.kube.transport import Transport
    from core.settings import Settings

BROKERS = Resource("eventing.knative.dev", "v1", "brokers", "Broker", custom=True, definition="Knative Eventing")

_EMBEDDED = "sluice-embedded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A Kubernetes API to write to. `kubeconfig` is a value for KUBECONFIG, `context` its current one."""

    server: str
    kubeconfig: str
    context: str = ""
    embedded: bool = False

    @property
    def label(self) -> str:
        """How people know it: its context, where it has one, and its server."""
        return cluster_label(context=self.context, server=self.server)


def cluster_label(*, context: str, server: str) -> str:
    """Return how people know a cluster."""
    return f"context {context}, {server}" if context else server


def is_named(settings: Settings, *, kubeconfig: str) -> bool:
    """Tell whether the environment names a cluster."""
    return bool(kubeconfig or settings.api_server)


@asynccontextmanager
async def embedded_cluster(settings: Settings, *, port: int = 0) -> AsyncIterator[Cluster]:
    """Serve the embedded API until the block ends, with the CRD and the namespace that the settings name.

    Raises:
        CommandError: it must not, or cannot, be started here.
    """
    # Loaded here only: `demo` does not need it.
    from core.local.embedded import EmbeddedApi, EmbeddedServer, EmbeddedServerError, load_crd  # noqa: PLC0415

    api = EmbeddedApi(crds=[load_crd(group=settings.group)], namespaces=[settings.namespace])
    server = EmbeddedServer(api, port=port)
    try:
        url = await server.start()
    except EmbeddedServerError as error:
        raise CommandError(str(error)) from error
    try:
        with TemporaryDirectory(prefix="sluice-run-") as folder:
            path = write_kubeconfig(Path(folder) / "kubeconfig", server=url, namespace=settings.namespace)
            yield Cluster(server=url, kubeconfig=str(path), context=_EMBEDDED, embedded=True)
    finally:
        await server.stop()


async def named_cluster(settings: Settings, *, kubeconfig: str, clock: Clock) -> Cluster:
    """Return the cluster that SLUICE_API_SERVER, else KUBECONFIG, names.

    Raises:
        CommandError: there is none, or KUBECONFIG names no file.
        ConfigurationError: what it names cannot be used.
    """
    if not is_named(settings, kubeconfig=kubeconfig):
        raise CommandError("no cluster is named: set KUBECONFIG to the kubeconfig of the one you mean")
    files = [Path(part) for part in kubeconfig.split(os.pathsep) if part]
    if files and not settings.api_server and not any(file.is_file() for file in files):
        raise CommandError(f"KUBECONFIG={kubeconfig} names no file; correct it, or run on the embedded Kubernetes API")
    access = await find_access(settings, clock=clock)
    return Cluster(
        server=access.server,
        kubeconfig=kubeconfig,
        context="" if settings.api_server else read_contexts(kubeconfig).current,
    )


@asynccontextmanager
async def open_client(
    settings: Settings, *, clock: Clock, observe: CallObserver = lambda **_: None, context: str = ""
) -> AsyncIterator[KubeClient]:
    """Connect to the cluster that the environment names now; `observe` is told of each call.

    `context` is one of KUBECONFIG's, where not its current one is meant.

    Raises:
        ConfigurationError: it names none, or one that cannot be used.
    """
    access = await find_access(settings, clock=clock, context=context)
    async with client_by(access, settings, clock=clock, observe=observe) as client:
        yield client


@asynccontextmanager
async def client_by(
    access: Access, settings: Settings, *, clock: Clock, observe: CallObserver = lambda **_: None
) -> AsyncIterator[KubeClient]:
    """Connect to a cluster to which the way is known."""
    async with client_over(transport_by(access, settings), settings, clock=clock, observe=observe) as client:
        yield client


def transport_by(access: Access, settings: Settings) -> Transport:
    """Return the way to a cluster for one person's command, for calls of SLUICE_API_TIMEOUT at most."""
    return access.transport(connections=2, call_timeout=settings.api_timeout)


@asynccontextmanager
async def client_over(
    transport: Transport, settings: Settings, *, clock: Clock, observe: CallObserver = lambda **_: None
) -> AsyncIterator[KubeClient]:
    """Call a cluster by a transport, which is closed with the client."""
    client = KubeClient(
        transport=transport,
        breaker=CircuitBreaker(clock=clock),
        call_timeout=settings.api_timeout,
        observe=observe,
    )
    try:
        yield client
    finally:
        await client.close()


def named_context(kubeconfig: str, *, context: str = "") -> str:
    """Return what people call the cluster of a value of KUBECONFIG; empty where it names no file."""
    if not any(Path(part).is_file() for part in kubeconfig.split(os.pathsep) if part):
        return ""
    try:
        return f"context {context or read_contexts(kubeconfig).current or 'none'} of KUBECONFIG={kubeconfig}"
    except ConfigurationError:  # whoever connects with it says what is wrong
        return f"KUBECONFIG={kubeconfig}"


def context_namespace(kubeconfig: str, *, context: str = "") -> str:
    """Return the namespace of a context, the current one without, of a value of KUBECONFIG; empty where it has none."""
    try:
        contexts = read_contexts(kubeconfig)
    except ConfigurationError:
        return ""
    return contexts.namespaces.get(context or contexts.current, "")


def check_context(kubeconfig: str, context: str) -> None:
    """Raise CommandError, with those that there are, where a kubeconfig has no such context."""
    try:
        known = read_contexts(kubeconfig).namespaces
    except ConfigurationError:
        return
    if known and context not in known:
        raise CommandError(f'there is no context "{context}" in {kubeconfig}; there are: {", ".join(sorted(known))}')


def use_default_kubeconfig() -> None:
    """Set KUBECONFIG to kubectl's own default file, where it is unset and there is that file."""
    file = Path(DEFAULT_KUBECONFIG).expanduser()
    if not os.environ.get("KUBECONFIG") and file.is_file():
        os.environ["KUBECONFIG"] = str(file)


def write_kubeconfig(path: Path, *, server: str, namespace: str) -> Path:
    """Write a kubeconfig that only this user can read: one context, no credentials."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": _EMBEDDED,
        "contexts": [{"name": _EMBEDDED, "context": {"cluster": _EMBEDDED, "user": _EMBEDDED, "namespace": namespace}}],
        "clusters": [{"name": _EMBEDDED, "cluster": {"server": server}}],
        "users": [{"name": _EMBEDDED, "user": {}}],
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(config, indent=2) + "\n")  # JSON is YAML too
    return path
