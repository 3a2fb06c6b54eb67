"""What there is to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.common.clock import Deadline
from core.kube.resources import remediation_requests

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.common.clock import Clock
    from core.kube.client import KubeClient
    from core.kube.resources import Resource
    from core.settings import Settings

_CHECK_SECONDS = 10.0


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
    """

    client: KubeClient
    settings: Settings
    clock: Clock
    account: str = ""
    token: str = ""
    alertmanager: Mapping[str, Any] | None = None

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
