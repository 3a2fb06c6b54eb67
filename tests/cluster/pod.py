"""One pod: its sandbox, its containers, and what the API server is told of it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from tests.cluster.container import Container
from tests.cluster.environment import UnknownSourceError, environment
from tests.cluster.events import now
from tests.cluster.links import NODE_ADDRESS, LinkError, pod_address
from tests.cluster.sandbox import Sandbox, SandboxError

if TYPE_CHECKING:
    from tests.cluster.api import Object
    from tests.cluster.images import Image
    from tests.cluster.kubelet import Kubelet

_DEFAULT_GRACE = 30
NO_CAPABILITIES = ("setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all")


class Pod:
    """A pod bound to this node; it runs from its making until `end` has returned. `number` is unique."""

    def __init__(self, *, kubelet: Kubelet, pod: Object, number: int) -> None:
        meta = pod["metadata"]
        self.name, self.namespace, self.uid = meta["name"], meta["namespace"], meta["uid"]
        self.address = pod_address(number)
        self._kubelet, self._pod, self._number = kubelet, pod, number
        self._folder = kubelet.folder / "pods" / f"{self.namespace}_{self.name}"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._path = f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"
        self._sandbox = Sandbox(pod=pod, folder=self._folder, shared=kubelet.folder, api=kubelet.api)
        self.containers = [Container(pod=self, spec=each) for each in pod["spec"]["containers"]]
        self._ready, self._changed_at = False, now()
        self._ending, self._to_report = asyncio.Event(), asyncio.Event()
        self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._reporting())]

    @property
    def ending(self) -> bool:
        """Whether it was deleted."""
        return self._ending.is_set()

    async def ends_within(self, seconds: float) -> bool:
        """Sleep, but not beyond the pod's end; whether it has come."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), seconds)
        return self.ending

    def report(self) -> None:
        """Tell the API server the status, soon."""
        self._to_report.set()

    def note(self, text: str) -> None:
        """A line in the kubelet's log."""
        self._kubelet.note(f"{self.namespace}/{self.name}: {text}")

    def normal(self, reason: str, message: str, container: str = "") -> None:
        """An Event about this pod."""
        self._kubelet.events.normal(self._pod, reason, message, container=container)

    def warning(self, reason: str, message: str, container: str = "") -> None:
        """A Warning about this pod."""
        self.note(f"{reason}: {message}")
        self._kubelet.events.warning(self._pod, reason, message, container=container)

    async def execute(self, container: Object) -> asyncio.subprocess.Process:
        """Start the process of a container; its output goes to the pod's folder."""
        image = self._kubelet.images[container["image"].split("@")[0]]
        command = container.get("command") or image.command
        dropped = container.get("securityContext", {}).get("capabilities", {}).get("drop", [])
        with (self._folder / f"{container['name']}.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *self._sandbox.enter(folder=str(image.folder)),
                *(NO_CAPABILITIES if "ALL" in dropped or "all" in dropped else ()),
                *command,
                *container.get("args", []),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=await self._environment(container, image),
                start_new_session=True,
            )

    async def end(self, pod: Object | None = None) -> None:
        """End the containers within the grace period that `pod` has, None: at once; then forget the pod."""
        self._ending.set()
        grace = pod["metadata"].get("deletionGracePeriodSeconds", _DEFAULT_GRACE) if pod else 0
        self.note(f"deleted, grace {grace} s")
        if not any(each.process for each in self.containers):
            self._tasks[0].cancel()
        await asyncio.gather(*(each.end(grace) for each in self.containers if each.process))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._sandbox.end()
        if pod:
            body = {"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}}
            await self._kubelet.api.call("DELETE", self._path, body)
        self.note("gone")

    async def _run(self) -> None:
        try:
            await self._sandbox.start(address=self.address, number=self._number)
        except (SandboxError, LinkError) as error:
            self.warning("FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}")
            return
        for each in self.containers:
            image = each.spec["image"]
            if image.split("@")[0] not in self._kubelet.images:
                self.warning("Failed", f'Failed to pull image "{image}": this machine has no command for it', each.name)
                return
            self.normal("Pulled", f'Container image "{image}" already present on machine', each.name)
        try:
            await asyncio.gather(*(each.run() for each in self.containers))
        except UnknownSourceError as error:
            self.warning("Failed", f"Error: {error}")

    async def _environment(self, container: Object, image: Image) -> dict[str, str]:
        given = await environment(
            container, pod=self._pod, address=self.address, node_address=NODE_ADDRESS, api=self._kubelet.api
        )
        return {"HOME": "/run"} | image.environment | given

    async def _reporting(self) -> None:
        while True:
            await self._to_report.wait()
            self._to_report.clear()
            await self._kubelet.api.patch(f"{self._path}/status", {"status": self._status()})

    def _status(self) -> Object:
        ready = all(each.ready for each in self.containers)
        if ready != self._ready:
            self._ready, self._changed_at = ready, now()
            self.note(f"Ready={ready}")
        conditions = {"PodScheduled": True, "Initialized": True, "ContainersReady": ready, "Ready": ready}
        return {
            "phase": "Running",
            "podIP": self.address,
            "podIPs": [{"ip": self.address}],
            "hostIP": NODE_ADDRESS,
            "hostIPs": [{"ip": NODE_ADDRESS}],
            "startTime": self.containers[0].started_at,
            "conditions": [
                {"type": kind, "status": str(value), "lastTransitionTime": self._changed_at}
                for kind, value in conditions.items()
            ],
            "containerStatuses": [each.status() for each in self.containers],
        }
