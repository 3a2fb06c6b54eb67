"""Events that the dead letter sink keeps: each is one that no function took, and that waits for somebody to look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.kube.client import METADATA_ONLY_LIST
from core.kube.errors import NotFoundError, ResourceNotServedError
from core.local.doctor.findings import Finding, ok, warning
from core.triggers.dead_letter import DEAD_LETTERS

if TYPE_CHECKING:
    from core.local.doctor.visit import Visit

_LOOKED_AT = 1000


async def check_dead_letters(visit: Visit) -> list[Finding]:
    """Count them, up to _LOOKED_AT; nothing where their definition is not installed, for only Knative needs it."""
    try:
        found = await visit.client.list(
            DEAD_LETTERS,
            namespace=visit.namespace,
            query={"limit": str(_LOOKED_AT)},
            deadline=visit.deadline(),
            accept=METADATA_ONLY_LIST,
        )
    except (NotFoundError, ResourceNotServedError):
        return []
    if not found.items:
        return [ok("dead-letters", "no event waits that could not be delivered")]
    number = f"{'more than ' if found.rest else ''}{len(found.items)} event{'s' * (len(found.items) > 1)}"
    oldest = min(each["metadata"]["creationTimestamp"] for each in found.items)
    return [
        warning(
            "dead-letters",
            f"{number} could not be delivered, the first kept at {oldest}: no RR came of them",
            "`sluice dead-letters list` says why; send them again once that is mended, or delete them",
        )
    ]
