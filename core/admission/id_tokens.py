"""ID tokens (OpenID Connect Core 1.0): checked here with the issuer's keys, without a call for each.

Knative's Eventing sends such tokens of the cluster's own issuer, Pub/Sub push and Eventarc those of Google's.
PyJWT does the cryptography.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.admission.issuers import ALGORITHMS
from core.common.text import excerpt
from core.errors import PermissionDeniedError, UnauthenticatedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.admission.issuers import Issuer
    from core.common.resilience import Deadline

LEEWAY_SECONDS = 30
"""How far the clocks of issuer and gateway may be apart."""

_REQUIRED = ["exp", "iss", "aud", "sub"]


class IdTokenAuthenticator:
    """SLUICE_AUTH=oidc.

    Args:
        senders: for each issuer, those of its accounts that may send, by `sub`, or by `email` where the issuer has
            verified it.
        audiences: the token is for one of them.
    """

    def __init__(self, *, senders: Mapping[Issuer, frozenset[str]], audiences: Sequence[str]) -> None:
        self._senders = senders
        self._audiences = list(audiences)

    async def check(self, token: str, *, deadline: Deadline) -> str:
        """Check signature, issuer, audience, time and account; return it as SLUICE_OIDC_SENDERS names it, but with the
        issuer's own name. See core.admission.gate.Authenticator."""
        header, claims = _unverified(token)
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in ALGORITHMS:
            raise UnauthenticatedError(f"the token is signed by {excerpt(algorithm)}, which is not taken")
        issuer = await self._issuer(claims.get("iss"), deadline)
        key = await issuer.key(kid, deadline=deadline) if isinstance(kid, str) else None
        if key is None:
            raise UnauthenticatedError("the token's issuer has no key of the id that the token names")
        verified = self._verified(token, key, await issuer.name(deadline=deadline))
        known = [name for name in _names(verified) if name in self._senders[issuer]]
        if not known:
            raise PermissionDeniedError(
                f"{excerpt(verified['sub'])} of {excerpt(verified['iss'])} may not send signals: add it to "
                "SLUICE_OIDC_SENDERS"
            )
        return f"{verified['iss']}#{known[0]}"

    async def _issuer(self, name: object, deadline: Deadline) -> Issuer:
        """Return the issuer of that name. An issuer that cannot be reached keeps no token of another issuer out."""
        for issuer in self._senders:
            if issuer.known_name and issuer.known_name == name:
                return issuer
        for issuer in self._senders:
            if not issuer.known_name and await issuer.name(deadline=deadline) == name:
                return issuer
        raise UnauthenticatedError("the token's issuer is none that SLUICE_OIDC_SENDERS names")

    def _verified(self, token: str, key: Any, issuer: str) -> dict[str, Any]:
        import jwt  # noqa: PLC0415 - as in core.admission.issuers

        try:
            # The key says which algorithm, never the token.
            return jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                audience=self._audiences,
                issuer=issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": _REQUIRED},
            )
        except jwt.PyJWTError as error:
            raise UnauthenticatedError(f"the token cannot be taken: {error}") from None


def _unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and claims, not yet verified: they may only be used to find the key."""
    import jwt  # noqa: PLC0415 - as in core.admission.issuers

    try:
        parts = jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise UnauthenticatedError("the bearer token is no JSON Web Token") from None
    return parts["header"], parts["payload"]


def _names(claims: Mapping[str, Any]) -> list[str]:
    names = [claims["sub"]]
    if claims.get("email_verified") is True and isinstance(claims.get("email"), str):
        names.append(claims["email"])
    return names
