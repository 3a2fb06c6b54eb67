"""The Events that kubelet and scheduler write about a pod; a repeat raises the count, as client-go's recorder does."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cluster.api import Api, Object, Spawned


def now() -> str:
    """The time as the API server writes it, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Recorder:
    """Writes Events in the name of one component on one node."""

    def __init__(self, *, api: Api, tasks: Spawned, component: str, host: str = "") -> None:
        self._api, self._tasks = api, tasks
        self._source = {"component": component} | ({"host": host} if host else {})
        self._written: dict[tuple[str, ...], Object] = {}

    def normal(self, pod: Object, reason: str, message: str, *, container: str = "") -> None:
        """Something went as it should."""
        self._tasks.start(self._write("Normal", pod, reason, message, container))

    def warning(self, pod: Object, reason: str, message: str, *, container: str = "") -> None:
        """Something did not."""
        self._tasks.start(self._write("Warning", pod, reason, message, container))

    async def _write(self, kind: str, pod: Object, reason: str, message: str, container: str) -> None:
        meta = pod["metadata"]
        path = f"/api/v1/namespaces/{meta['namespace']}/events"
        key = (meta["uid"], container, kind, reason, message)
        if event := self._written.get(key):
            event |= {"count": event["count"] + 1, "lastTimestamp": now()}
            await self._api.patch(
                f"{path}/{event['metadata']['name']}",
                {"count": event["count"], "lastTimestamp": event["lastTimestamp"]},
            )
            return
        self._written[key] = event = {
            "metadata": {"name": f"{meta['name']}.{time.time_ns():x}", "namespace": meta["namespace"]},
            "involvedObject": {
                "kind": "Pod",
                "apiVersion": "v1",
                "namespace": meta["namespace"],
                "name": meta["name"],
                "uid": meta["uid"],
                "resourceVersion": meta["resourceVersion"],
            }
            | ({"fieldPath": f"spec.containers{{{container}}}"} if container else {}),
            "type": kind,
            "reason": reason,
            "message": message,
            "source": self._source,
            "firstTimestamp": now(),
            "lastTimestamp": now(),
            "count": 1,
            "reportingComponent": self._source["component"],
            "reportingInstance": self._source.get("host", ""),
        }
        await self._api.call("POST", path, event)
