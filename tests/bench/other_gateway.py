"""Another gateway to measure beside ours: the same load on the same API server, slices in turn."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.bench.gateway import posted
from tests.support.http import send
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.apiserver import KubeApiserver
    from tests.support.cloud_events import Sent

_SECONDS = 120.0  # for one answer about all its RRs
ANSWERS = frozenset({200, 201, 202})


@dataclass(frozen=True, kw_only=True)
class OtherGateway:
    """Where it takes webhooks, and where it puts its RRs.

    Args:
        url: with the path that takes Alertmanager's webhooks.
        token: its senders' bearer token; empty where it wants none.
        group: API group of its RRs.
        namespace: of its RRs.
    """

    url: str
    token: str = ""
    group: str
    namespace: str

    def wait_until_it_answers(self, *, within: float) -> None:
        """Wait for any answer at all: whoever starts it reads the API server's address first."""
        wait_for(self._answers, what=f"the other gateway at {self.url} to answer", within=within)

    def request(self, targets: Sequence[str]) -> Sent:
        """The webhook as it wants it: kubernaut's refuses one without a fresh X-Timestamp (seconds since 1970)."""
        sent = posted(targets, token=self.token)
        return type(sent)({**sent.headers, "X-Timestamp": str(int(time.time()))}, sent.body)

    def count(self, server: KubeApiserver) -> int:
        """How many RRs it has made since they were last deleted."""
        return len(self._call(server, "GET")["items"])

    def empty(self, server: KubeApiserver) -> None:
        """Delete its RRs."""
        self._call(server, "DELETE")

    def _answers(self) -> bool:
        try:
            return send("GET", self.url).status > 0
        except OSError:
            return False

    def _call(self, server: KubeApiserver, method: str) -> Any:
        path = f"/apis/{self.group}/v1alpha1/namespaces/{self.namespace}/remediationrequests"
        answer = server.request(method, path, timeout=_SECONDS)
        assert answer.status == 200, answer.body
        return answer.body
