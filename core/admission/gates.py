"""The gate before all three functions: takes the header apart, and asks each way in turn."""

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


class Way(Protocol):
    """One way to prove who sends."""

    async def check(self, token: str, *, deadline: Deadline) -> str:
        """Return the name of the token's owner where it may send; raise as `BearerGate.admit` does where not."""


class BearerGate:
    """Admits a bearer token that one of the ways takes; the first that does ends the search.

    Args:
        ways: the cheapest first.
    """

    def __init__(self, *, ways: Sequence[Way]) -> None:
        self._ways = ways

    async def admit(self, authorization: str, *, deadline: Deadline) -> str:
        """Judge the value of the Authorization header, empty where there is none; return who sends.

        Raises:
            UnauthenticatedError: no token, or one that nobody knows.
            PermissionDeniedError: its owner may not send signals.
            KubernetesError, TransientError: it could not be found out now.
        """
        token = bearer_token(authorization)
        refusals: list[AccessError | KubernetesError | TransientError] = []
        for way in self._ways:
            try:
                return await way.check(token, deadline=deadline)
            except (AccessError, KubernetesError, TransientError) as refusal:
                refusals.append(refusal)
        raise _most_telling(refusals)


def bearer_token(authorization: str) -> str:
    """Return the token of an Authorization header.

    Raises:
        UnauthenticatedError: there is none, or nothing that can be one.
    """
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise UnauthenticatedError("send a token in the header `Authorization: Bearer <token>`")
    if not can_be_token(token):
        raise UnauthenticatedError(
            f"the bearer token can be none: it has {len(token)} characters, of which at most {LONGEST_TOKEN} of "
            "A-Z a-z 0-9 - . _ ~ + / are taken"
        )
    return token


def can_be_token(text: str) -> bool:
    """Tell whether a bearer token may look so."""
    return len(text) <= LONGEST_TOKEN and _TOKEN.fullmatch(text) is not None


def _most_telling(
    refusals: Sequence[AccessError | KubernetesError | TransientError],
) -> AccessError | KubernetesError | TransientError:
    """Return what the sender is told: that one way could not be asked, else that it is known, else that nobody
    knows it."""
    if len(refusals) == 1:
        return refusals[0]
    for kind in (KubernetesError | TransientError, PermissionDeniedError):
        for refusal in refusals:
            if isinstance(refusal, kind):
                return refusal
    return UnauthenticatedError("; ".join(str(refusal) for refusal in refusals))
