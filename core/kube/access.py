"""Which API server, with which credentials: in a cluster, by KUBECONFIG, or from Google to GKE."""

from __future__ import annotations

import os
import ssl
from base64 import b64decode
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import ConfigurationError
from core.kube.credentials import FileToken, GoogleToken, HookToken, StaticToken, TokenSource
from core.kube.kubeconfig import read_kubeconfig
from core.kube.tls import trust

if TYPE_CHECKING:
    from core.clock import Clock
    from core.settings import Settings

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_GOOGLE_SCOPE = "https://www.googleapis.com/auth/cloud-platform"

NO_CLUSTER = (
    "no Kubernetes API is configured: set KUBECONFIG to a file that exists, or run in a cluster with a service "
    "account, or set SLUICE_API_SERVER and SLUICE_API_CA for Google credentials to a GKE endpoint"
)


@dataclass(frozen=True, slots=True)
class Access:
    """Everything a transport needs to reach the API server."""

    server: str
    tls: ssl.SSLContext | None
    tokens: TokenSource


def check_access(settings: Settings) -> None:
    """Tell at the start, before any event loop, whether some access is configured.

    Raises:
        ConfigurationError: there is none, or SLUICE_API_CA is no certificate.
    """
    if settings.api_server:
        _google_tls(settings)
    elif not (_in_cluster() or _kubeconfig()):
        raise ConfigurationError(NO_CLUSTER)


async def find_access(settings: Settings, *, clock: Clock) -> Access:
    """Return the access that is configured: SLUICE_API_SERVER, else KUBECONFIG, else the service account.

    Raises:
        ConfigurationError: there is none, or what it names cannot be read.
    """
    if settings.api_server:
        return _google(settings, clock)
    if _kubeconfig():
        return await _from_kubeconfig(_kubeconfig(), clock)
    if _in_cluster():
        return _from_service_account(clock)
    raise ConfigurationError(NO_CLUSTER)


def _in_cluster() -> bool:
    return bool(os.environ.get("KUBERNETES_SERVICE_HOST"))


def _kubeconfig() -> str:
    paths = os.environ.get("KUBECONFIG", "")
    return paths if any(Path(path).is_file() for path in paths.split(os.pathsep) if path) else ""


def _from_service_account(clock: Clock) -> Access:
    host = os.environ["KUBERNETES_SERVICE_HOST"]
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    host = f"[{host}]" if ":" in host else host
    try:
        tls = trust(cafile=str(_SERVICE_ACCOUNT / "ca.crt"))
    except OSError as error:
        raise ConfigurationError(
            f"the service account's {_SERVICE_ACCOUNT / 'ca.crt'} cannot be used: {error}"
        ) from error
    return Access(f"https://{host}:{port}", tls, FileToken(path=_SERVICE_ACCOUNT / "token", clock=clock))


def _google(settings: Settings, clock: Clock) -> Access:
    import google.auth  # noqa: PLC0415 - only a function outside the cluster pays for it
    from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415
    from google.auth.transport.requests import Request  # noqa: PLC0415

    tls = _google_tls(settings)
    try:
        credentials, _ = google.auth.default(scopes=[_GOOGLE_SCOPE])
    except GoogleAuthError as error:
        raise ConfigurationError(
            f"SLUICE_API_SERVER={settings.api_server} needs Google credentials: {error}"
        ) from error
    refresh: Any = credentials.refresh
    tokens = GoogleToken(credentials=credentials, refresh=lambda: refresh(Request()), clock=clock)
    return Access(settings.api_server, tls, tokens)


def _google_tls(settings: Settings) -> ssl.SSLContext:
    try:
        return trust(cadata=b64decode(settings.api_ca, validate=True).decode())
    except (ValueError, ssl.SSLError) as error:
        raise ConfigurationError(f"SLUICE_API_CA is no base64 of a PEM certificate: {error}") from error


async def _from_kubeconfig(path: str, clock: Clock) -> Access:
    try:
        login = await read_kubeconfig(path)
    except Exception as error:  # the loader lets through whatever a broken file makes of it
        raise ConfigurationError(f"KUBECONFIG={path} cannot be used: {str(error) or type(error).__name__}") from error

    async def fetch() -> str:
        fresh = await read_kubeconfig(path)
        if login.token and not fresh.token:  # the loader only logs that an exec plugin failed
            raise ConfigurationError(f"the user in KUBECONFIG={path} has no token any more")
        return fresh.token

    # Without a token now, ask again: a plugin that failed once must not leave us anonymous for ever.
    tokens: TokenSource = StaticToken() if login.certificate else HookToken(fetch=fetch, clock=clock)
    return Access(login.server, login.tls, tokens)
