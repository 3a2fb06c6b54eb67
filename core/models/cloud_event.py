"""A CloudEvent, as the functions hand it on (CloudEvents 1.0)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudEvent:
    """`data` is the decoded JSON, or text where it was none. `id` is the sender's: Knative's is new on every send.
    `traceparent` is the Distributed Tracing extension."""

    type: str
    source: str
    id: str
    data: object = None
    traceparent: str = ""
