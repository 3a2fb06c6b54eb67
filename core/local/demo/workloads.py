"""Made-up workloads, and what usually goes wrong with each kind."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

# Names and severities as in the kubernetes-mixin, the rules most clusters run.
ALERTS_OF = {
    "deployment": (
        ("KubeDeploymentReplicasMismatch", "warning"),
        ("KubeDeploymentRolloutStuck", "warning"),
        ("KubeDeploymentGenerationMismatch", "warning"),
    ),
    "statefulset": (
        ("KubeStatefulSetReplicasMismatch", "warning"),
        ("KubeStatefulSetUpdateNotRolledOut", "warning"),
    ),
    "daemonset": (
        ("KubeDaemonSetRolloutStuck", "warning"),
        ("KubeDaemonSetMisScheduled", "warning"),
    ),
    "pod": (
        ("KubePodCrashLooping", "critical"),
        ("KubePodNotReady", "warning"),
        ("KubeContainerWaiting", "warning"),
    ),
}

_SHARES = ("deployment",) * 5 + ("statefulset",) * 2 + ("daemonset",) + ("pod",) * 2
# Nobody's own: no real alert should ever join a remediation request of a burst.
_NAMESPACES = {
    "demo-shop": ("cart", "catalog", "checkout", "pricing", "reviews"),
    "demo-payments": ("billing", "ledger", "payouts", "risk"),
    "demo-search": ("crawler", "indexer", "query", "ranker"),
    "demo-platform": ("audit", "identity", "mailer", "scheduler"),
}
_ROLES = ("api", "cache", "db", "web", "worker")
_NAMES = tuple((namespace, app, role) for namespace, apps in _NAMESPACES.items() for app, role in product(apps, _ROLES))


@dataclass(frozen=True, slots=True, order=True)
class Workload:
    """One object that alerts are about; `kind` is the label that names it."""

    namespace: str
    kind: str
    name: str


def choose_workloads(number: int, *, random: Random) -> list[Workload]:
    """Return `number` different workloads."""
    places = random.sample(range(max(number, len(_NAMES))), number)
    return [_workload(*_name(place), random) for place in places]


def _name(place: int) -> tuple[str, str]:
    """Return namespace and name; from the end of the list on, a number keeps names apart."""
    generation, index = divmod(place, len(_NAMES))
    namespace, app, role = _NAMES[index]
    return namespace, f"{app}-{role}-{generation + 1}" if generation else f"{app}-{role}"


def _workload(namespace: str, name: str, random: Random) -> Workload:
    kind = random.choice(_SHARES)
    suffix = f"-{random.getrandbits(40):010x}" if kind == "pod" else ""
    return Workload(namespace, kind, name + suffix)
