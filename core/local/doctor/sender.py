"""A sender's token: would the gate let it in, and if not, why."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from core.admission.assembly import build_gate
from core.errors import AccessError
from core.local.doctor.findings import Finding, failure, ok, warning

if TYPE_CHECKING:
    from core.local.doctor.visit import Visit


async def check_sender(visit: Visit) -> list[Finding]:
    """Ask the same gate as the function; nothing where no token was given."""
    settings = visit.settings
    if "none" in settings.auth_ways:
        remedy = "set SLUICE_AUTH=kubernetes, oidc or secret, unless something in front checks senders"
        return [warning("sender", "SLUICE_AUTH=none: senders are not asked for a token", remedy)]
    if not visit.token:
        return []
    claims = _claims(visit.token)
    found = _lifetime(visit, claims) + _audience(visit, claims)
    if found:
        return found
    gate = build_gate(
        settings=settings, client=visit.client, resource=visit.resource, clock=visit.clock, warn=lambda _: None
    )
    if gate is None:
        return []
    try:
        await gate.admit(f"Bearer {visit.token}", deadline=visit.deadline())
    except AccessError as error:
        remedy = "bind the sender's account to the Role sluice-sender (knative/examples/sender.yaml)"
        return [failure("sender", f"the token is refused with {error.status}: {error}", remedy)]
    return [ok("sender", "the token is let in")]


def _claims(token: str) -> dict[str, Any]:
    """Return what a token says of itself, unchecked: only to tell people why it is refused. Secrets say nothing."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = from_json(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}


def _lifetime(visit: Visit, claims: dict[str, Any]) -> list[Finding]:
    ends = claims.get("exp")
    if not isinstance(ends, int | float) or ends > visit.clock.now().timestamp():
        return []
    seconds = visit.clock.now().timestamp() - ends
    remedy = "take a fresh one; Alertmanager reads credentials_file anew, but not a token copied into its configuration"
    return [failure("sender", f"the token ran out {seconds:.0f} s ago", remedy)]


def _audience(visit: Visit, claims: dict[str, Any]) -> list[Finding]:
    wanted = visit.settings.audience_list
    given = claims.get("aud", [])
    audiences = [given] if isinstance(given, str) else given
    if not wanted or not isinstance(audiences, list) or not audiences or set(audiences) & set(wanted):
        return []
    message = f"the token is for {', '.join(map(str, audiences))}, and SLUICE_AUDIENCES takes {', '.join(wanted)}"
    return [failure("sender", message, "project a token for that audience into the sender's pod, or add its audience")]
