"""KUBECONFIG: a file with a token is read here, all others by `kubernetes.aio`, which costs 0.2 s to import."""

from __future__ import annotations

import ssl
from base64 import b64decode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.kube.tls import trust

_PLAIN_CLUSTER = {"server", "certificate-authority", "certificate-authority-data"}
_PLAIN_USER = {"token"}


@dataclass(frozen=True, slots=True)
class Login:
    """What a kubeconfig says; `token` is empty where it has none, `certificate` says that the TLS context has one."""

    server: str
    tls: ssl.SSLContext | None
    token: str
    certificate: bool = False


async def read_kubeconfig(paths: str) -> Login:
    """Read the current context.

    Args:
        paths: of one file, or of several as KUBECONFIG lists them.

    Raises:
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
        # What decodes to nothing would make OpenSSL trust the system's authorities instead.
        return trust(cadata=b64decode(data, validate=True).decode() or "no certificate")
    return trust(cafile=str(folder / cluster["certificate-authority"]))


async def _by_library(paths: str) -> Login:
    from kubernetes.aio import config  # noqa: PLC0415 - see above
    from kubernetes.aio.client import Configuration  # noqa: PLC0415

    loaded: Any = Configuration()
    await config.load_kube_config(config_file=paths, client_configuration=loaded)
    token = str(loaded.api_key.get("BearerToken", "")).removeprefix("Bearer ").strip()
    return Login(loaded.host, _library_tls(loaded), token, certificate=bool(loaded.cert_file))


def _library_tls(configuration: Any) -> ssl.SSLContext | None:
    if configuration.host.startswith("http://"):
        return None
    tls = trust(cafile=configuration.ssl_ca_cert)
    if configuration.cert_file:
        tls.load_cert_chain(configuration.cert_file, configuration.key_file)
    if not configuration.verify_ssl:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    return tls
