"""Checks the settings of the gate at the start, and builds the gate from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from core.admission.gate import Authenticator, BearerGate
from core.admission.id_tokens import IdTokenAuthenticator
from core.admission.issuers import ClusterIssuer, Issuer, Source, WebIssuer
from core.admission.reviews import KubernetesReviews
from core.admission.secrets import SharedSecret, read_secrets
from core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.common.clock import Clock
    from core.kube.client import KubeClient
    from core.kube.resources import Resource
    from core.settings import Settings

CLUSTER = "cluster"
"""Stands for the cluster's own issuer in SLUICE_OIDC_SENDERS."""

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def check_admission(settings: Settings, *, host: str) -> list[str]:
    """Tell at the start whether the settings can be honoured.

    Args:
        settings: SLUICE_AUTH and what belongs to it.
        host: address that the function listens on.

    Returns:
        A sentence for each thing that works but is dangerous.

    Raises:
        ConfigurationError: they cannot; the function must not start.
    """
    ways = settings.auth_ways
    if "none" in ways:
        return _unguarded(settings, host)
    if "oidc" in ways:
        _check_identities(settings)
    if "secret" in ways:
        _check_secret(settings)
    return []


def build_gate(
    *, settings: Settings, client: KubeClient, resource: Resource, clock: Clock, warn: Callable[[str], None]
) -> BearerGate | None:
    """Return the gate that SLUICE_AUTH names, with the authenticators that cost no call first.

    None for `none`: everybody is admitted, and senders have no name.
    """
    made: dict[str, Callable[[], Authenticator]] = {
        "secret": lambda: SharedSecret(path=Path(settings.secret_file), clock=clock, warn=warn),
        "oidc": lambda: IdTokenAuthenticator(
            senders=_senders(settings, client, clock, warn), audiences=settings.audience_list
        ),
        "kubernetes": lambda: KubernetesReviews(
            client=client,
            resource=resource,
            namespace=settings.namespace,
            clock=clock,
            audiences=settings.audience_list,
            gateway_service=settings.profile == "kubernaut",
        ),
    }
    if "none" in settings.auth_ways:
        return None
    return BearerGate(authenticators=[make() for way, make in made.items() if way in settings.auth_ways])


def _unguarded(settings: Settings, host: str) -> list[str]:
    if host in _LOOPBACK:
        return []
    if not settings.auth_none:
        raise ConfigurationError(
            f"SLUICE_AUTH=none lets in everybody who reaches {host}, and an alert may end in a remediation: name how "
            "senders prove who they are (SLUICE_AUTH=kubernetes, oidc or secret), listen on 127.0.0.1 alone, or say "
            "SLUICE_AUTH_NONE=i-have-another-gate where the platform or a NetworkPolicy checks them"
        )
    return [f"SLUICE_AUTH=none: everybody who reaches {host} is let in; SLUICE_AUTH_NONE says that another gate checks"]


def _check_identities(settings: Settings) -> None:
    if not settings.oidc_senders:
        raise ConfigurationError(
            "SLUICE_AUTH has oidc, and SLUICE_OIDC_SENDERS is empty: nobody could send; name senders as "
            "issuer#account, such as https://accounts.google.com#push@project.iam.gserviceaccount.com"
        )
    if not settings.audience_list:
        raise ConfigurationError(
            "SLUICE_AUTH has oidc, and SLUICE_AUDIENCES is empty: a token that was made for another service would be "
            "taken here; set it to what senders' tokens are for, such as sluice or the function's URL"
        )
    for issuer in _accounts(settings):
        url = urlsplit(issuer)
        if url.scheme == "http" and url.hostname not in _LOOPBACK:
            raise ConfigurationError(
                f"SLUICE_OIDC_SENDERS names the issuer {issuer}, whose keys anybody on the way could change: use https://"
            )
    try:
        import cryptography  # noqa: F401, PLC0415 - a cold start pays for it only where tokens come
        import jwt  # noqa: F401, PLC0415
    except ImportError as error:
        raise ConfigurationError(f"SLUICE_AUTH has oidc, which needs PyJWT and cryptography: {error}") from error


def _check_secret(settings: Settings) -> None:
    if not settings.secret_file:
        raise ConfigurationError("SLUICE_AUTH has secret, and SLUICE_SECRET_FILE names no file")
    try:
        read_secrets(Path(settings.secret_file))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"SLUICE_SECRET_FILE={settings.secret_file} cannot be used: {error}") from None


def _accounts(settings: Settings) -> dict[str, frozenset[str]]:
    accounts: dict[str, set[str]] = {}
    for sender in settings.oidc_senders.split(","):
        issuer, _, account = sender.strip().partition("#")
        accounts.setdefault(issuer, set()).add(account)
    return {issuer: frozenset(names) for issuer, names in accounts.items()}


def _senders(
    settings: Settings, client: KubeClient, clock: Clock, warn: Callable[[str], None]
) -> dict[Issuer, frozenset[str]]:
    def source(issuer: str) -> Source:
        return ClusterIssuer(client) if issuer == CLUSTER else WebIssuer(issuer)

    return {
        Issuer(source=source(issuer), clock=clock, warn=warn): accounts
        for issuer, accounts in _accounts(settings).items()
    }
