"""The one node of the cluster: binds pods to itself, as the scheduler would, and runs them."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

from tests.cluster.api import Api, Object, Spawned
from tests.cluster.events import Recorder, now
from tests.cluster.links import NODE_ADDRESS
from tests.cluster.pod import Pod

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.cluster.images import Image

NODE = "node-1"
_SIZE = {"cpu": "32", "memory": "64Gi", "pods": "100"}


class Kubelet:
    """Runs what the API server has pods of.

    Args:
        folder: for logs and the pods' files.
        images: by name.
    """

    def __init__(self, *, api: Api, folder: Path, images: Mapping[str, Image]) -> None:
        self.api, self.folder, self.images = api, folder, images
        self.pods: dict[str, Pod] = {}
        """By uid."""
        self._tasks = Spawned()
        self.events = Recorder(api=api, tasks=self._tasks, component="kubelet", host=NODE)
        self._scheduler = Recorder(api=api, tasks=self._tasks, component="default-scheduler")
        self._numbers = itertools.count(1)
        self._log = (folder / "kubelet.log").open("a")

    def note(self, text: str) -> None:
        """A line in kubelet.log."""
        self._log.write(f"{time.time():.3f} {text}\n")
        self._log.flush()

    async def run(self) -> None:
        """Register the node, then run pods for ever."""
        await self.api.call("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}})
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "lastHeartbeatTime": now(),
            "lastTransitionTime": now(),
        }
        addresses = [{"type": "InternalIP", "address": NODE_ADDRESS}]
        status = {"conditions": [ready], "addresses": addresses, "capacity": _SIZE, "allocatable": _SIZE}
        await self.api.patch(f"/api/v1/nodes/{NODE}/status", {"status": status})
        await self.api.watch("/api/v1/pods", self._on)

    def _on(self, change: str, pod: Object) -> None:
        uid, deleted = pod["metadata"]["uid"], "deletionTimestamp" in pod["metadata"]
        running = self.pods.get(uid)
        if change == "DELETED":
            self.pods.pop(uid, None)
            if running and not running.ending:
                self._tasks.start(running.end())
        elif running is None:
            if not deleted:
                self._accept(pod)
        elif deleted and not running.ending:
            self._tasks.start(running.end(pod))

    def _accept(self, pod: Object) -> None:
        if "nodeName" in pod["spec"]:
            self.pods[pod["metadata"]["uid"]] = Pod(kubelet=self, pod=pod, number=next(self._numbers))
        else:
            self._tasks.start(self._bind(pod))

    async def _bind(self, pod: Object) -> None:
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name},
            "target": {"apiVersion": "v1", "kind": "Node", "name": NODE},
        }
        status, _ = await self.api.call("POST", f"/api/v1/namespaces/{namespace}/pods/{name}/binding", binding)
        if status == 201:
            self._scheduler.normal(pod, "Scheduled", f"Successfully assigned {namespace}/{name} to {NODE}")
