"""Events and messages as the two functions of CloudEvents get them, each on a target of its own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from tests.support.cloud_events import Sent, binary
from tests.support.kubernetes_events import kubelet_event, metadata
from tests.support.pubsub_messages import CONTAINER, PUBLISHED, SOURCE, envelope, incident

if TYPE_CHECKING:
    from collections.abc import Sequence


def kubernetes_event(targets: Sequence[str]) -> Sent:
    """A whole Event about a pod, as an ApiServerSource in resource mode sends it."""
    (pod,) = targets
    event = kubelet_event(at=datetime.now(UTC))  # an old one is ignored
    event["metadata"] = metadata(f"{pod}.17a3b2c4d5e6f708", "prod", uid=str(uuid4()))
    event["involvedObject"] |= {"name": pod, "uid": str(uuid4())}
    return binary("dev.knative.apiserver.resource.add", event)


def incident_message(targets: Sequence[str]) -> Sent:
    """A Cloud Monitoring incident about a container, as Eventarc delivers it from Pub/Sub."""
    (pod,) = targets
    number = str(uuid4().int)
    message = envelope(incident(labels=CONTAINER | {"pod_name": pod}), message_id=number)
    return binary(PUBLISHED, message, source=SOURCE, id=number)
