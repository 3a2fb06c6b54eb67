"""One container: a process that is started, probed, restarted and ended as kubelet does it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import aiohttp

from tests.cluster.events import now
from tests.cluster.probes import ProbeError, Prober

if TYPE_CHECKING:
    from tests.cluster.api import Object
    from tests.cluster.pod import Pod

_LEAST_GRACE = 2  # seconds, which a preStop hook cannot use up (kubelet, kuberuntime_container.go)
_FIRST_BACK_OFF, _LONGEST_BACK_OFF = 10.0, 300.0
_FORGIVEN_AFTER = 600.0  # a container that ran so long starts at once when it ends


class Container:
    """A container of `pod`; `spec` is its part of the pod's."""

    def __init__(self, *, pod: Pod, spec: Object) -> None:
        self.pod, self.spec, self.name = pod, spec, str(spec["name"])
        self.process: asyncio.subprocess.Process | None = None
        self.started = self.ready = False
        self.restarts = 0
        self.started_at = now()
        self._gone = asyncio.Event()
        self._exit_code: int | None = None
        self._waits_because = "ContainerCreating"
        ports = {each["name"]: each["containerPort"] for each in spec.get("ports", []) if "name" in each}
        self._prober = Prober(address=pod.address, ports=ports)

    def status(self) -> Object:
        """Its containerStatus."""
        image = self.spec["image"]
        return {
            "name": self.name,
            "image": image,
            "imageID": image,
            "containerID": f"process://{self.pod.uid}-{self.name}",
            "ready": self.ready,
            "started": self.started,
            "restartCount": self.restarts,
            "state": self._state(),
        }

    async def run(self) -> None:
        """Run until the pod ends; restart it when it ends by itself."""
        back_off, ended = 0.0, False
        while not ended:
            begun = time.monotonic()
            code = await self._run_once()
            self.pod.note(f"{self.name} exit {code}")
            if time.monotonic() - begun > _FORGIVEN_AFTER:
                back_off = 0.0
            ended = await self._waits_to_restart(back_off)
            back_off = min(back_off * 2, _LONGEST_BACK_OFF) or _FIRST_BACK_OFF
        self._exit_code = code
        self._gone.set()

    async def end(self, grace: float) -> None:
        """As kubelet does: what the hook took is off the grace period, of which two seconds are always left."""
        begun = time.monotonic()
        self.pod.normal("Killing", f"Stopping container {self.name}", self.name)
        await self._pre_stop(grace)
        if self.process and self.process.returncode is None:
            self.pod.note(f"{self.name} SIGTERM after {time.monotonic() - begun:.1f} s")
            self.process.terminate()
        try:
            await asyncio.wait_for(self._gone.wait(), max(_LEAST_GRACE, grace - (time.monotonic() - begun)))
        except TimeoutError:
            self.pod.note(f"{self.name} SIGKILL")
            self.kill()
            await self._gone.wait()

    def kill(self) -> None:
        """SIGKILL, as the kernel does where memory is short."""
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()

    async def _run_once(self) -> int:
        process = self.process = await self.pod.execute(self.spec)
        self.started_at, self._waits_because = now(), ""
        self.pod.normal("Created", f"Container created: {self.name}", self.name)
        self.pod.normal("Started", f"Container started: {self.name}", self.name)
        self.pod.note(f"{self.name} started, process {process.pid}")
        probing = asyncio.create_task(self._probe())
        try:
            return await process.wait()
        finally:
            probing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await probing
            self.ready = self.started = False

    async def _waits_to_restart(self, seconds: float) -> bool:
        """True where the pod ends instead."""
        if not self.pod.ending:
            self.restarts += 1
            if seconds:
                self.pod.warning("BackOff", f"Back-off restarting failed container {self.name}", self.name)
                self._waits_because = "CrashLoopBackOff"
            self.pod.report()
        return await self.pod.ends_within(seconds)

    async def _pre_stop(self, grace: float) -> None:
        hook = self.spec.get("lifecycle", {}).get("preStop", {})
        if "httpGet" not in hook:
            return
        try:
            outcome: Any = await self._prober.get(hook["httpGet"], timeout=grace)
        except (OSError, aiohttp.ClientError, TimeoutError) as error:
            outcome = repr(error)
            self.pod.warning("FailedPreStopHook", "PreStopHook failed", self.name)
        self.pod.note(f"{self.name} preStop {outcome}")

    def _state(self) -> Object:
        if self._exit_code is not None:
            code = self._exit_code if self._exit_code >= 0 else 128 - self._exit_code
            return {"terminated": {"exitCode": code, "finishedAt": now()}}
        if self._waits_because:
            return {"waiting": {"reason": self._waits_because}}
        return {"running": {"startedAt": self.started_at}}

    async def _probe(self) -> None:
        if startup := self.spec.get("startupProbe"):
            await self._wait_for_startup(startup)
        self.started = True
        self.ready = not self.spec.get("readinessProbe")
        self.pod.report()
        await asyncio.gather(*(self._follow(kind) for kind in ("liveness", "readiness") if f"{kind}Probe" in self.spec))

    async def _wait_for_startup(self, probe: Object) -> None:
        await asyncio.sleep(probe.get("initialDelaySeconds", 0))
        failed = 0
        while not await self._passes(probe, "Startup"):
            failed += 1
            if failed >= probe.get("failureThreshold", 3):
                self._restart("startup")
                await asyncio.Event().wait()  # cancelled when the process is gone
            await asyncio.sleep(probe.get("periodSeconds", 10))

    async def _follow(self, kind: str) -> None:
        probe = self.spec[f"{kind}Probe"]
        period = probe.get("periodSeconds", 10)
        await asyncio.sleep(probe.get("initialDelaySeconds", 0))
        failed = 0
        while True:
            passed = await self._passes(probe, kind.capitalize())
            failed = 0 if passed else failed + 1
            beyond = failed >= probe.get("failureThreshold", 3)
            if kind == "readiness":
                self._set_ready(passed or (self.ready and not beyond))
            elif beyond:
                self._restart("liveness")
            # kubelet asks at once what changed; a container that is not ready is asked each second.
            await asyncio.sleep(min(1, period) if kind == "readiness" and not self.ready else period)

    async def _passes(self, probe: Object, kind: str) -> bool:
        try:
            await self._prober.probe(probe)
        except ProbeError as error:
            self.pod.warning("Unhealthy", f"{kind} probe failed: {error}", self.name)
            return False
        return True

    def _set_ready(self, ready: bool) -> None:
        if ready != self.ready:
            self.ready = ready
            self.pod.report()

    def _restart(self, kind: str) -> None:
        if self.pod.ending or self.process is None:
            return
        self.pod.normal("Killing", f"Container {self.name} failed {kind} probe, will be restarted", self.name)
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
