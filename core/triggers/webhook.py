"""Takes webhooks: the whole body is one batch of alerts."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Protocol

from core.answers import Answer, answer
from core.signals.kubernaut import needs_start

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from core.common.resilience import Deadline
    from core.gateway import Gateway
    from core.signals.rules import Rules
    from core.signals.signal import Batch


class Decode(Protocol):
    """Turns a body into a batch, or raises PayloadError."""

    def __call__(
        self,
        body: bytes,
        *,
        received_time: datetime,
        signal_type: str,
        max_alerts: int,
        untargeted: str,
        rules: Rules,
        cluster_labels: Sequence[str],
        needs_start: bool,
    ) -> Batch:
        """Decode `body`."""


class WebhookReceiver:
    """Decodes a body and answers with one result for each of its alerts."""

    def __init__(self, gateway: Gateway, *, decode: Decode) -> None:
        self._gateway = gateway
        self._decode = decode
        self._cluster_labels = gateway.settings.cluster_label_list

    async def receive(self, headers: Mapping[str, str], body: bytes, /, *, deadline: Deadline) -> Answer:
        """Store the alerts of one webhook.

        Raises:
            PayloadError: it can never work.
            KubernetesError, TransientError: nothing of it could be stored now.
        """
        gateway = self._gateway
        settings = gateway.settings
        batch = self._decode(
            body,
            received_time=gateway.clock.now(),
            signal_type=settings.signal_type,
            max_alerts=settings.max_alerts,
            untargeted=settings.untargeted,
            rules=gateway.rules,
            cluster_labels=self._cluster_labels,
            needs_start=settings.profile == "kubernaut" and needs_start(headers),
        )
        digest = hashlib.sha256(body).digest()
        results = await gateway.pipeline.process(batch, digest=digest, deadline=deadline)
        return answer(results, truncated=batch.truncated)

    async def close(self) -> None:
        """Nothing is held open here."""
