"""One alert or event, in the form every later step works on (kubernaut: types.NormalizedSignal)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from core.models.candidate import Candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetResource:
    """The object a signal is about; `namespace` is empty for cluster-scoped kinds, `uid` where it is not known."""

    kind: str
    name: str
    namespace: str = ""
    api_version: str = ""
    uid: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalizedSignal:
    """A firing alert or a warning event, whatever system sent it.

    `fingerprint` is the 64-character lower-case SHA-256 that names the problem. Times are timezone-aware.
    `candidates` are what its labels name, the likeliest first, where more than `target` alone may be meant.
    `provenance` are annotations of the request that say where the signal came from. `payload` writes the
    JSON document kept on the request as `originalPayload`; only a new request needs it. `event_namespace` is that of
    the Event that told, empty for whatever is none. `found_by` says by which label and rule the target was found.
    """

    fingerprint: str
    signal_name: str
    severity: str
    signal_type: str
    target: TargetResource
    firing_time: datetime
    received_time: datetime
    signal_source: str = ""
    candidates: Sequence[Candidate] = ()
    target_type: str = "kubernetes"
    cluster_id: str = ""
    environment: str = ""
    priority: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    payload: Callable[[], bytes] = bytes
    event_namespace: str = ""
    found_by: str = ""
