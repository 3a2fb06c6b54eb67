"""What a signal may be about, as its labels say it: the cluster decides between the candidates."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.models.signal import TargetResource


class Lookup(StrEnum):
    """What has to be asked of the cluster to get from a candidate to its object."""

    OBJECT = "object"
    """`target` is the object."""
    SINGULAR = "singular"
    """`target.kind` is a kind's singular name in lower case, such as `rollout`; the API server's discovery knows its
    kind and API version, and whether it has a namespace."""
    NODE_OF_POD = "node-of-pod"
    """`target` is a Pod; the object is the Node that it runs on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One object that a signal may be about.

    Args:
        target: the object, or what leads to it (see Lookup).
        label: the label that names it, as it stands on the alert.
        rule: short word for why that label counts (core.adapters.targets).
        lookup: how the cluster is asked.
        must_exist: it counts only where the cluster has it. Any other one is taken as it is named where no
            candidate exists: its object is gone, or was never looked up.
    """

    target: TargetResource
    label: str
    rule: str
    lookup: Lookup = Lookup.OBJECT
    must_exist: bool = False
