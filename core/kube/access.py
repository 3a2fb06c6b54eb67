"""Which API server, with which credentials: in a cluster, by KUBECONFIG, or from Google to GKE."""

from __future__ import annotations

import os
import ssl
from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from core.errors import ConfigurationError
from core.kube.connection import tls_context
from core.kube.kubeconfig import read_kubeconfig
from core.kube.transport import (
    CONNECT_TIMEOUT_SECONDS,
    FileToken,
    GoogleToken,
    HookToken,
    HttpTransport,
    StaticToken,
    TokenSource,
)
from core.version import USER_AGENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.common.clock import Clock
    from core.settings import Settings

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_PUBLIC_ENDPOINT = ".gke.goog"  # GKE's endpoints by DNS show certificates of a public authority
_GOOGLE_SCOPE = "https://www.googleapis.com/auth/cloud-platform"

NO_CLUSTER = (
    "no Kubernetes API is configured: set KUBECONFIG to a file that exists, or run in a cluster with a service "
    "account, or set SLUICE_API_SERVER and SLUICE_API_CA for Google credentials to a GKE endpoint"
)


class Access(NamedTuple):
    """Everything a transport needs to reach the API server.

    Attributes:
        server: its URL.
        tls: None for http://.
        tokens: where bearer tokens come from.
        server_name: expected in its certificate; empty: the name in the URL.
    """

    server: str
    tls: ssl.SSLContext | None
    tokens: TokenSource
    server_name: str = ""

    def transport(self, *, connections: int, call_timeout: float = 0.0) -> HttpTransport:
        """Return a transport.

        Args:
            connections: at most so many.
            call_timeout: seconds that a call may take (SLUICE_API_TIMEOUT). Two thirds of it, if that is more than 2 s,
                are for its connection: who waits longer for calls has a slow API server, and a burst at the start
                opens all connections at once.

        Raises:
            ConfigurationError: `server` is not a URL.
        """
        return HttpTransport(
            server=self.server,
            tls=self.tls,
            tokens=self.tokens,
            user_agent=USER_AGENT,
            connections=connections,
            server_name=self.server_name,
            connect_timeout=max(CONNECT_TIMEOUT_SECONDS, call_timeout * 2 / 3),
        )


def check_access(settings: Settings) -> None:
    """Tell at the start, before any event loop, whether some access is configured.

    Raises:
        ConfigurationError: there is none, or SLUICE_API_CA is not a certificate.
    """
    if settings.api_server:
        _google_tls(settings)
    elif not (_in_cluster() or _kubeconfig()):
        raise ConfigurationError(NO_CLUSTER)


async def find_access(
    settings: Settings, *, clock: Clock, warn: Callable[[str], None] = lambda _: None, context: str = ""
) -> Access:
    """Return the access that is configured: SLUICE_API_SERVER, else KUBECONFIG, else the service account.

    Args:
        settings: SLUICE_API_SERVER and SLUICE_API_CA.
        clock: for the age of tokens.
        warn: gets a sentence for each thing that works but is dangerous.
        context: of KUBECONFIG; empty for its current one.

    Raises:
        ConfigurationError: there is none, or what it names cannot be read.
    """
    if settings.api_server:
        return _google(settings, clock, warn)
    if _kubeconfig():
        return await _from_kubeconfig(_kubeconfig(), context, clock, warn)
    if _in_cluster():
        return _from_service_account(clock, warn)
    raise ConfigurationError(NO_CLUSTER)


def _in_cluster() -> bool:
    return bool(os.environ.get("KUBERNETES_SERVICE_HOST"))


def _kubeconfig() -> str:
    paths = os.environ.get("KUBECONFIG", "")
    return paths if any(Path(path).is_file() for path in paths.split(os.pathsep) if path) else ""


def _from_service_account(clock: Clock, warn: Callable[[str], None]) -> Access:
    host = os.environ["KUBERNETES_SERVICE_HOST"]
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    host = f"[{host}]" if ":" in host else host
    try:
        tls = tls_context(cafile=str(_SERVICE_ACCOUNT / "ca.crt"))
    except OSError as error:
        raise ConfigurationError(
            f"the service account's {_SERVICE_ACCOUNT / 'ca.crt'} cannot be used: {error}"
        ) from error
    return Access(f"https://{host}:{port}", tls, FileToken(path=_SERVICE_ACCOUNT / "token", clock=clock, warn=warn))


def _google(settings: Settings, clock: Clock, warn: Callable[[str], None]) -> Access:
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
    _warn_of_plain_http("SLUICE_API_SERVER", settings.api_server, warn)
    url = urlsplit(settings.api_server)
    if url.scheme == "https" and not settings.api_ca and not (url.hostname or "").endswith(_PUBLIC_ENDPOINT):
        warn(
            f"SLUICE_API_CA is empty: every public authority of this machine is trusted to name {settings.api_server}; "
            "set it to the cluster's own, as GKE shows it"
        )
    tokens = GoogleToken(credentials=credentials, refresh=lambda: refresh(Request()), clock=clock)
    return Access(settings.api_server, tls, tokens)


def _google_tls(settings: Settings) -> ssl.SSLContext:
    try:
        return tls_context(cadata=b64decode(settings.api_ca, validate=True).decode() if settings.api_ca else None)
    except (ValueError, ssl.SSLError) as error:
        raise ConfigurationError(f"SLUICE_API_CA is no base64 of a PEM certificate: {error}") from error


async def _from_kubeconfig(path: str, context: str, clock: Clock, warn: Callable[[str], None]) -> Access:
    try:
        login = await read_kubeconfig(path, context=context)
    except Exception as error:  # the loader lets through whatever a broken file makes of it
        raise ConfigurationError(
            f"KUBECONFIG={path} cannot be used: {str(error) or type(error).__name__}",
            told="the gateway's KUBECONFIG cannot be used; its log says why",
        ) from error

    for danger in login.dangers:
        warn(f"KUBECONFIG={path}: {danger}")
    if login.token:
        _warn_of_plain_http(f"KUBECONFIG={path}: server", login.server, warn)

    async def fetch() -> str:
        fresh = await read_kubeconfig(path, context=context)
        if fresh.plugin:  # the loader only logs why
            raise ConfigurationError(
                f"the exec plugin {fresh.plugin} of KUBECONFIG={path} gave no credentials",
                told="the gateway's KUBECONFIG cannot be used; its log says why",
            )
        if login.token and not fresh.token:
            raise ConfigurationError(f"the user in KUBECONFIG={path} has no token any more")
        return fresh.token

    # Without a token now, ask again: a plugin that failed once must not lock us out for ever.
    tokens: TokenSource = StaticToken() if login.certificate else HookToken(fetch=fetch, clock=clock)
    return Access(login.server, login.tls, tokens, login.server_name)


def _warn_of_plain_http(name: str, server: str, warn: Callable[[str], None]) -> None:
    url = urlsplit(server)
    if url.scheme == "http" and url.hostname not in _LOOPBACK:
        warn(f"{name} is {server}: the token goes over the network for all to read; use https://")
