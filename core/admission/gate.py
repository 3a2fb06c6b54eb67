"""The gate before every function: reads the Authorization header, and asks each authenticator in turn."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from core.errors import AccessError, PermissionDeniedError, TransientError, UnauthenticatedError
from core.kube.errors import KubernetesError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.common.resilience import Deadline

LONGEST_TOKEN = 8192  # a service account's has 1 to 2 kB
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # b64token of RFC 6750, section 2.1


class Authenticator(Protocol):
    """Tells who a token belongs to, and whether that sender may send signals."""

    async def check(self, token: str, *, deadline: Deadline) -> str:
        """Return the name of the token's owner where it may send; raise as `BearerGate.admit` does where not."""


class BearerGate:
    """Admits a bearer token that one of the authenticators accepts; the first that does ends the search.

    Args:
        authenticators: the cheapest first.
    """

    def __init__(self, *, authenticators: Sequence[Authenticator]) -> None:
        self._authenticators = authenticators

    async def admit(self, authorization: str, *, deadline: Deadline) -> str:
        """Judge the value of the Authorization header, empty where there is none; return who sends.

        Raises:
            UnauthenticatedError: no token, or one that nobody knows.
            PermissionDeniedError: its owner may not send signals.
            KubernetesError, TransientError: it could not be found out now.
        """
        token = bearer_token(authorization)
        refusals: list[AccessError | KubernetesError | TransientError] = []
        for authenticator in self._authenticators:
            try:
                return await authenticator.check(token, deadline=deadline)
            except (AccessError, KubernetesError, TransientError) as refusal:
                refusals.append(refusal)
        raise _most_telling(refusals)


def bearer_token(authorization: str) -> str:
    """Return the token of an Authorization header.

    Raises:
        UnauthenticatedError: there is none, or it does not have the form of one.
    """
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise UnauthenticatedError("send a token in the header `Authorization: Bearer <token>`")
    if not can_be_token(token):
        raise UnauthenticatedError(
            f"the bearer token is malformed: it has {len(token)} characters; a token has at most {LONGEST_TOKEN}, and "
            "only A-Z a-z 0-9 - . _ ~ + / with = at its end"
        )
    return token


def can_be_token(text: str) -> bool:
    """Tell whether `text` has the form of a bearer token (RFC 6750, section 2.1)."""
    return len(text) <= LONGEST_TOKEN and _TOKEN.fullmatch(text) is not None


def _most_telling(
    refusals: Sequence[AccessError | KubernetesError | TransientError],
) -> AccessError | KubernetesError | TransientError:
    """Return the error that helps the sender most: a transient one, because another try may be admitted; else that
    its account may not send; else why no authenticator knows the token."""
    if len(refusals) == 1:
        return refusals[0]
    for kind in (KubernetesError | TransientError, PermissionDeniedError):
        for refusal in refusals:
            if isinstance(refusal, kind):
                return refusal
    return UnauthenticatedError("; ".join(str(refusal) for refusal in refusals))
