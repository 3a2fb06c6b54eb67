"""KUBECONFIG: a file with a token is read here, all others by `kubernetes.aio`, which costs 0.2 s to import."""

from __future__ import annotations

import re
import ssl
from base64 import b64decode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import ConfigurationError
from core.kube.connection import trust

_PLAIN_CLUSTER = {"server", "certificate-authority", "certificate-authority-data"}
_PLAIN_USER = {"token"}
_USER_INFO = re.compile(r"//[^/@]*@")  # RFC 3986, section 3.2.1: may hold a password


@dataclass(frozen=True, slots=True)
class Login:
    """What a kubeconfig says.

    Attributes:
        server: URL of the API server.
        tls: None for http://.
        token: empty where it has none.
        certificate: whether the TLS context shows the server one of ours.
        server_name: expected in the server's certificate; empty: the name in the URL.
        dangers: sentences about what weakens TLS, for the log.
    """

    server: str
    tls: ssl.SSLContext | None
    token: str
    certificate: bool = False
    server_name: str = ""
    dangers: tuple[str, ...] = ()


async def read_kubeconfig(paths: str) -> Login:
    """Read the current context.

    Args:
        paths: of one file, or of several as KUBECONFIG lists them.

    Raises:
        ConfigurationError: it asks for a proxy.
        Exception: whatever `kubernetes.aio` makes of a broken file.
    """
    return _plain(Path(paths)) or await _by_library(paths)


def _plain(path: Path) -> Login | None:
    """Return what is in one file with a server, its authority and a token; None where there is anything else."""
    import yaml  # noqa: PLC0415 - a function in a cluster has no kubeconfig

    try:
        config = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
        context = _named(config, "contexts", config["current-context"])["context"]
        cluster = _named(config, "clusters", context["cluster"])["cluster"]
        user = _named(config, "users", context["user"])["user"] if "user" in context else {}
        token = user.get("token", "")
        if cluster.keys() <= _PLAIN_CLUSTER and user.keys() <= _PLAIN_USER and isinstance(token, str):
            return Login(cluster["server"].rstrip("/"), _plain_tls(cluster, path.parent), token)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, yaml.YAMLError):
        pass  # the library finds out what is wrong, and says it
    return None


def _named(config: Any, kind: str, name: str) -> Any:
    (found,) = (entry for entry in config[kind] if entry["name"] == name)
    return found


def _plain_tls(cluster: dict[str, str], folder: Path) -> ssl.SSLContext | None:
    if cluster["server"].startswith("http://"):
        return None
    if data := cluster.get("certificate-authority-data"):
        return trust(cadata=b64decode(data, validate=True).decode())
    return trust(cafile=str(folder / cluster["certificate-authority"]))


async def _by_library(paths: str) -> Login:
    from kubernetes.aio import config  # noqa: PLC0415 - see above
    from kubernetes.aio.client import Configuration  # noqa: PLC0415

    loaded: Any = Configuration()
    await config.load_kube_config(config_file=paths, client_configuration=loaded)
    if loaded.proxy:
        raise ConfigurationError(
            f"the cluster's proxy-url is {_USER_INFO.sub('//***@', loaded.proxy)}, and the API server is called "
            "directly, through no proxy: remove proxy-url, or give a cluster whose server can be reached without"
        )
    token = str(loaded.api_key.get("BearerToken", "")).removeprefix("Bearer ").strip()
    return Login(
        loaded.host,
        _library_tls(loaded),
        token,
        certificate=bool(loaded.cert_file),
        server_name=loaded.tls_server_name or "",
        dangers=_dangers(loaded),
    )


def _dangers(configuration: Any) -> tuple[str, ...]:
    if configuration.host.startswith("http://"):
        return ()
    if not configuration.verify_ssl:
        return (
            "insecure-skip-tls-verify is true: whoever stands between here and the API server can read the token and "
            "answer in its name; give its certificate-authority-data instead",
        )
    if not configuration.ssl_ca_cert:
        return (
            "the cluster's certificate-authority-data is empty: every public authority of this machine is trusted to "
            "name the API server; give the cluster's own",
        )
    return ()


def _library_tls(configuration: Any) -> ssl.SSLContext | None:
    if configuration.host.startswith("http://"):
        return None
    tls = trust(cafile=configuration.ssl_ca_cert or None)
    if configuration.cert_file:
        tls.load_cert_chain(configuration.cert_file, configuration.key_file)
    if not configuration.verify_ssl:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    return tls
