"""Who changes and deletes RRs: the orchestrator and an operator."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from core.common.text import rfc3339
from core.kube.client import path_of
from core.kube.resources import LEASES, Resource, remediation_requests
from core.kube.transport import ApiRequest, ApiResponse
from core.protocol.lease import lease_name
from tests.simulation.judge import fingerprint_of
from tests.simulation.machine import START
from tests.simulation.phases import ENDED, MOVING, active, dying, phase
from tests.simulation.scenario import RETENTION, dice
from tests.simulation.senders import fingerprint
from tests.simulation.worker import NAMESPACE

if TYPE_CHECKING:
    import random

    from tests.simulation.world import World

RRS = remediation_requests(group="remediation.kubernaut.ai", version="v1alpha1")

NAMESAKE = "Namesake"


class Caller:
    """Somebody whose calls arrive at once and are never lost."""

    def __init__(self, world: World, actor: str) -> None:
        self._world = world
        self._actor = actor

    def call(self, method: str, resource: Resource, name: str = "", body: Any = None, *, status: bool = False) -> Any:
        """Call; return the decoded body, or the status code of a refusal."""
        path = path_of(resource, namespace=NAMESPACE, name=name, subresource="status" if status else "")
        request = ApiRequest(method=method, path=path, body=None if body is None else to_json(body))
        given: ApiResponse = self._world.api.handle(request, actor=self._actor, replica=self._world.replicas[0])
        return from_json(given.body) if given.status < 300 else given.status


class Orchestrator(Caller):
    """Moves RRs through their phases, writes fields of its own, deletes what ended long ago."""

    def __init__(self, world: World) -> None:
        super().__init__(world, "orchestrator-0")

    def move(self, key: str) -> None:
        """Move one RR on."""
        rng = dice(self._world.scenario.seed, key)
        target = fingerprint(rng.choice(self._world.scenario.targets))
        moved = rng.choice(MOVING) if rng.random() < 0.4 else rng.choice(ENDED)
        standing = [obj for obj in self._rrs(target) if active(obj)]
        ended = [obj for obj in self._rrs(target) if phase(obj) in ENDED and not dying(obj)]
        if standing:
            self._move(standing[0], moved, rng)
        elif ended and rng.random() < 0.1:
            self._world.trace.state("ended RR at work again")
            self._move(rng.choice(ended), "Processing")
        self.clean_up()

    def end_all(self) -> None:
        """Complete everything."""
        for obj in self._rrs():
            if active(obj):
                self._move(obj, "Completed")

    def _move(self, obj: Any, moved: str, rng: random.Random | None = None) -> None:
        status: dict[str, Any] = {"overallPhase": moved, "message": f"moved to {moved}", "outcome": None}
        status |= {"nextAllowedExecution": None, "routingStatus": None}
        if rng and moved in ENDED and not self._world.scenario.jumping:
            draw, until = rng.random(), START + timedelta(seconds=int(self._world.loop.true_time + rng.uniform(2, 60)))
            if draw < 0.1:
                status["nextAllowedExecution"] = rfc3339(until)
            elif draw < 0.2:
                status["routingStatus"] = {"nextAllowedExecution": rfc3339(until)}
            elif draw < 0.23:
                status["outcome"] = "ManualReviewRequired"
            if draw < 0.23:
                self._world.trace.state("ended RR that still holds")
        self.call("PATCH", RRS, obj["metadata"]["name"], {"status": status}, status=True)

    def clean_up(self) -> None:
        """Delete what ended long ago."""
        for obj in self._rrs():
            name = obj["metadata"]["name"]
            last = self._world.etcd.written_at("remediationrequests", name)
            if not active(obj) and not _is_namesake(obj) and self._world.loop.true_time - last > RETENTION:
                self._world.trace.state("ended RR deleted in time")
                self.call("DELETE", RRS, name, {})

    def delete(self, key: str) -> None:
        """Delete an RR of a target at this very moment: an ended one mostly."""
        rng = dice(self._world.scenario.seed, key)
        found = self._rrs(fingerprint(rng.choice(self._world.scenario.targets)))
        ended = [obj for obj in found if not active(obj) and not _is_namesake(obj)]
        wanted = ended if rng.random() < 0.7 else found
        if not wanted:
            return
        obj = rng.choice(wanted)
        if rng.random() < 0.3 and not dying(obj):
            self._world.trace.fault(key, "RR deleted, kept by a finalizer")
            self._let_die(obj, seconds=rng.choice((1.0, 20.0, 1000.0)))
            return
        self._world.trace.fault(key, "RR deleted near a burst")
        self.call("DELETE", RRS, obj["metadata"]["name"], {})

    def _let_die(self, obj: Any, *, seconds: float) -> None:
        """Delete an RR that a finalizer keeps for so long."""
        etcd, metadata = self._world.etcd, obj["metadata"]
        name, uid = metadata["name"], metadata["uid"]
        now = rfc3339(START + timedelta(seconds=int(self._world.loop.true_time)))
        marked = metadata | {"deletionTimestamp": now, "resourceVersion": str(etcd.revision + 1)}
        etcd.commit(self._actor, "UPDATE", "remediationrequests", name, obj | {"metadata": marked})

        def gone() -> None:
            current = etcd.current("remediationrequests", name)
            if current and current["metadata"]["uid"] == uid:
                etcd.commit(self._actor, "DELETE", "remediationrequests", name, None)

        self._world.loop.outside(seconds, gone)

    def _rrs(self, of: str = "") -> list[Any]:
        found = self._world.etcd.objects("remediationrequests")
        return [obj for obj in found if not of or fingerprint_of(obj) == of]


class Operator(Caller):
    """Deletes by hand what the world's rules allow: see scenario.WORLDS."""

    def __init__(self, world: World) -> None:
        super().__init__(world, "operator-0")

    def meddle(self, key: str) -> None:
        """Delete one object, if there is one."""
        rng = dice(self._world.scenario.seed, key)
        target = fingerprint(rng.choice(self._world.scenario.targets))
        fenced = self._world.scenario.world == "fenced"
        if fenced and rng.random() < 0.5:
            if self._world.judge.leases.may_delete_by_hand(target, self._world.loop.true_time):
                self._delete(key, LEASES, lease_name(target))
            return
        found = [obj for obj in self._world.etcd.objects("remediationrequests") if fingerprint_of(obj) == target]
        if fenced:
            found = [obj for obj in found if active(obj)]
        if found:
            self._delete(key, RRS, rng.choice(found)["metadata"]["name"])

    def _delete(self, key: str, resource: Resource, name: str) -> None:
        if self.call("DELETE", resource, name, {}) != 404:
            self._world.trace.fault(key, f"{resource.plural} deleted by hand")


def _is_namesake(obj: Any) -> bool:
    return bool(obj["spec"]["signalName"] == NAMESAKE)
