"""What there is to look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from core.common.resilience import Deadline
from core.kube.resources import remediation_requests

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.common.clock import Clock
    from core.kube.client import KubeClient
    from core.kube.resources import Resource
    from core.settings import Settings

_CHECK_SECONDS = 10.0


@dataclass
class Times:
    """How long each kind of call took, in seconds: the slowest of its kind. A core.kube.client.CallObserver."""

    slowest: dict[str, float] = field(default_factory=dict)

    def __call__(self, *, verb: str, resource: str, code: str, seconds: float) -> None:  # noqa: ARG002 - an observer's
        """Note a call."""
        name = f"{verb} {resource}"
        self.slowest[name] = max(seconds, self.slowest.get(name, 0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What all checks are given.

    Args:
        client: of the API server.
        settings: as the function has them.
        clock: this machine's.
        account: the function's service account, whose rights are looked at; empty for those of `client` itself.
        token: a sender's; empty where none was given.
        alertmanager: its configuration; None where none was given.
        times: of all calls of `client`.
    """

    client: KubeClient
    settings: Settings
    clock: Clock
    account: str = ""
    token: str = ""
    alertmanager: Mapping[str, Any] | None = None
    times: Times = field(default_factory=Times)

    @property
    def resource(self) -> Resource:
        """RemediationRequest."""
        return remediation_requests(group=self.settings.group, version=self.settings.version)

    @property
    def namespace(self) -> str:
        """Where the RRs are."""
        return self.settings.namespace

    def deadline(self) -> Deadline:
        """Return that of one check."""
        return Deadline(clock=self.clock, seconds=_CHECK_SECONDS)
