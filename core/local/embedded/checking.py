"""All checks of an object that is about to be written."""

from typing import Any

from core.local.embedded import objectmeta
from core.local.embedded.kinds import Kind
from core.local.embedded.statuses import invalid
from core.local.embedded.violations import UNCHECKED, blocks_rules

JsonObject = dict[str, Any]


def check(kind: Kind, new: JsonObject, old: JsonObject | None, *, subresource: str = "") -> None:
    """Raise ApiError 422, with every cause, for an object that breaks a rule of its kind."""
    causes = objectmeta.causes(new["metadata"], kind, old["metadata"] if old else None)
    causes += kind.schema.violations(new, old, subresource=subresource)
    causes += kind.check(new, old)
    if blocks_rules(causes) and kind.schema.rules:
        causes.append(UNCHECKED)
    else:
        causes += kind.schema.broken_rules(new, old)
    if causes:
        raise invalid(kind.type, new["metadata"].get("name", ""), causes)
