"""The filter of Eventing's multi-tenant Broker: what stands between a Trigger's channel and its subscriber.

It runs as Knative runs it, on a real API server with Knative's definitions; what Knative's controllers would write,
the Trigger's status, is written here.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import yaml

from tests.apiserver.process import ServerError, ServerProcess, wait_until_up
from tests.knative.programs import broker_filter, module_folder
from tests.support.http import send
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.apiserver import Answer, KubeApiserver
    from tests.support.cloud_events import Sent
    from tests.support.http import Answer as Answered

SYSTEM_NAMESPACE = "knative-eventing"
LISTENS_WITHIN = 30.0  # seconds
KUBELET = {"User-Agent": "kube-probe/1.36"}  # whose probes the filter does not take for events
_TRIGGERS = "/apis/eventing.knative.dev/v1/namespaces/{}/triggers"
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_CONFIGURATION = ("features", "logging", "observability", "tracing")


class BrokerFilter:
    """A context manager: inside it the filter answers, after it no process of it is left.

    Args:
        server: a running API server, whose admin it is.
        folder: an empty one, for its log and kubeconfig.
    """

    def __init__(self, *, server: KubeApiserver, folder: Path) -> None:
        self._server = server
        self._port = _free_port()
        environment = {
            "PATH": os.defpath,
            "HOME": str(folder),
            "KUBECONFIG": str(server.write_kubeconfig(folder / "kubeconfig")),
            "SYSTEM_NAMESPACE": SYSTEM_NAMESPACE,
            "NAMESPACE": SYSTEM_NAMESPACE,
            "POD_NAME": "mt-broker-filter",
            "CONTAINER_NAME": "filter",
            "CONFIG_LOGGING_NAME": "config-logging",
            "CONFIG_OBSERVABILITY_NAME": "config-observability",
            "FILTER_PORT": str(self._port),
            "FILTER_PORT_HTTPS": str(_free_port()),
        }
        self._process = ServerProcess(
            [str(broker_filter())], log_file=folder / "filter.log", environment=environment, folder=folder
        )

    def __enter__(self) -> Self:
        install(self._server)
        try:
            self._process.start()
            wait_until_up(self._listens, self._process, what="the Broker's filter", within=LISTENS_WITHIN)
        except BaseException:
            self._process.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()

    def add_trigger(self, name: str, *, namespace: str, subscriber: str, account: str = "", audience: str = "") -> str:
        """Make a Trigger for all events whose subscriber is at the URL; return where its channel delivers to.

        With an account and an audience the Trigger has an identity, as where Eventing's authentication is on.
        """
        path = _TRIGGERS.format(namespace)
        trigger = {
            "apiVersion": "eventing.knative.dev/v1",
            "kind": "Trigger",
            "metadata": {"name": name},
            "spec": {"broker": "sluice", "subscriber": {"uri": subscriber}},
        }
        made = _done(self._server.request("POST", path, trigger)).body
        identity = {"auth": {"serviceAccountName": account}, "subscriberAudience": audience} if account else {}
        status = {"status": {"subscriberUri": subscriber, **identity}}
        merge = "application/merge-patch+json"
        _done(self._server.request("PATCH", f"{path}/{name}/status", status, content_type=merge))
        url = f"http://127.0.0.1:{self._port}/triggers/{namespace}/{name}/{made['metadata']['uid']}"
        # 404 until its informer has seen the Trigger and the subscriber in it; an event without a TTL goes no further.
        wait_for(lambda: self._knows(url), what=f"the filter to learn of Trigger {name}", within=LISTENS_WITHIN)
        return url

    def deliver(self, url: str, event: Sent) -> Answered:
        """Send an event as a Trigger's channel does; the answer decides whether that sends it again."""
        self._check()
        return send("POST", url, event.body, headers={**event.headers, "ce-knativebrokerttl": "255"})

    @property
    def log(self) -> str:
        """Standard output and error so far."""
        return self._process.log_file.read_text()

    def _knows(self, url: str) -> bool:
        self._check()
        probe = {"ce-specversion": "1.0", "ce-type": "t", "ce-source": "s", "ce-id": "1", "ce-knativebrokerttl": "1"}
        return send("POST", url, b"", headers=probe).status != 404

    def _listens(self) -> bool:
        with suppress(OSError):
            return send("GET", f"http://127.0.0.1:{self._port}/healthz", headers=KUBELET).status == 200
        return False

    def _check(self) -> None:
        if self._process.ended_within(0):
            raise ServerError(f"the Broker's filter ended by itself; its log ends:\n{self._process.log_tail()}")


def install(server: KubeApiserver) -> None:
    """Apply Eventing's definitions and configuration where they are not there yet."""
    config = module_folder("knative.dev/eventing") / "config" / "core"
    names = [_apply(server, _CRDS, file) for file in sorted((config / "resources").glob("*.yaml"))]
    _made(server.request("POST", "/api/v1/namespaces", {"metadata": {"name": SYSTEM_NAMESPACE}}))
    for name in _CONFIGURATION:
        configmaps = f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/configmaps"
        _apply(server, configmaps, config / "configmaps" / f"{name}.yaml")
    for name in names:
        wait_for(lambda: _is_served(server, name), what=f"{name} to be served", within=LISTENS_WITHIN)  # noqa: B023 - used at once


def _apply(server: KubeApiserver, path: str, file: Path) -> str:
    document: Any = yaml.safe_load(file.read_text())
    _made(server.request("POST", path, document))
    return str(document["metadata"]["name"])


def _is_served(server: KubeApiserver, crd: str) -> bool:
    body = _done(server.request("GET", f"{_CRDS}/{crd}")).body
    spec = body["spec"]
    version = next(each["name"] for each in spec["versions"] if each["storage"])
    return server.request("GET", f"/apis/{spec['group']}/{version}/{spec['names']['plural']}?limit=1").status == 200


def _made(answer: Answer) -> None:
    assert answer.status in (201, 409), answer.body


def _done(answer: Answer) -> Answer:
    assert answer.status < 300, answer.body
    return answer


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
