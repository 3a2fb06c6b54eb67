"""KUBECONFIG: a file with a token is read here, all others by `kubernetes.aio`, which costs 0.2 s to import."""

from __future__ import annotations

import os
import re
import ssl
from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from core.errors import ConfigurationError
from core.kube.connection import tls_context

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEFAULT_KUBECONFIG = "~/.kube/config"
"""kubectl's own file, where KUBECONFIG is unset."""

_PLAIN_CLUSTER = {"server", "certificate-authority", "certificate-authority-data"}
_PLAIN_USER = {"token"}
_USER_INFO = r"//[^/@]*@"  # RFC 3986, section 3.2.1: may hold a password


class Login(NamedTuple):
    """What a kubeconfig says.

    Attributes:
        server: URL of the API server.
        tls: None for http://.
        token: empty where it has none.
        certificate: whether the TLS context shows the server one of ours.
        server_name: expected in the server's certificate; empty: the name in the URL.
        dangers: sentences about what weakens TLS, for the log.
        plugin: the exec plugin that gave neither token nor certificate; empty where none was asked.
    """

    server: str
    tls: ssl.SSLContext | None
    token: str
    certificate: bool = False
    server_name: str = ""
    dangers: tuple[str, ...] = ()
    plugin: str = ""


class Contexts(NamedTuple):
    """The contexts of a kubeconfig.

    Attributes:
        current: name of the current one; empty where none is.
        namespaces: the namespace of each context by its name; empty where it has none.
        plugins: the exec plugin of each context that has one.
    """

    current: str
    namespaces: Mapping[str, str]
    plugins: Mapping[str, str]


def read_contexts(paths: str) -> Contexts:
    """Read them from one file, or from several as KUBECONFIG lists them, by kubectl's rules.

    The first file that names a current context, and the first that has a context of a name, count. (`kubernetes`
    takes the last current context: with two clusters in two files it would act on the other one.)

    Raises:
        ConfigurationError: a file cannot be read, or is no kubeconfig.
    """
    import yaml  # noqa: PLC0415 - a function in a cluster has no kubeconfig

    files = [Path(part).expanduser() for part in paths.split(os.pathsep) if part]
    try:
        configs = [yaml.safe_load(file.read_text()) or {} for file in files if file.is_file()]
        contexts = _merged(configs, "contexts", "context")
        plugins = {
            name: str((user.get("exec") or {}).get("command") or "")
            for name, user in _merged(configs, "users", "user").items()
        }
        return Contexts(
            current=next((str(config["current-context"]) for config in configs if config.get("current-context")), ""),
            namespaces={name: str(context.get("namespace") or "") for name, context in contexts.items()},
            plugins={
                name: plugins[context["user"]] for name, context in contexts.items() if plugins.get(context.get("user"))
            },
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"the kubeconfig {paths} cannot be read: {error}") from error


def _merged(configs: Sequence[Any], kind: str, entry: str) -> dict[str, Any]:
    """Return the entries of a kind by name; the first of a name counts."""
    entries = [each for config in configs for each in config.get(kind) or ()]
    return {str(each["name"]): each.get(entry) or {} for each in reversed(entries)}


async def read_kubeconfig(paths: str, *, context: str = "") -> Login:
    """Read one context.

    Args:
        paths: of one file, or of several as KUBECONFIG lists them.
        context: its name; empty for the current one.

    Raises:
        ConfigurationError: it asks for a proxy.
        Exception: whatever `kubernetes.aio` makes of a broken file.
    """
    return _plain(Path(paths), context) or await _by_library(paths, context)


def _plain(path: Path, context_name: str = "") -> Login | None:
    """Return what is in one file with a server, its authority and a token; None where there is anything else."""
    import yaml  # noqa: PLC0415 - a function in a cluster has no kubeconfig

    try:
        config = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
        context = _named(config, "contexts", context_name or config["current-context"])["context"]
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
        return tls_context(cadata=b64decode(data, validate=True).decode())
    return tls_context(cafile=str(folder / cluster["certificate-authority"]))


async def _by_library(paths: str, context: str) -> Login:
    from kubernetes.aio import config  # noqa: PLC0415 - see above
    from kubernetes.aio.client import Configuration  # noqa: PLC0415

    loaded: Any = Configuration()
    chosen = context or (read_contexts(paths).current if os.pathsep in paths else "")
    await config.load_kube_config(config_file=paths, context=chosen or None, client_configuration=loaded)
    if loaded.proxy:
        raise ConfigurationError(
            f"the cluster's proxy-url is {re.sub(_USER_INFO, '//***@', loaded.proxy)}, and the API server is called "
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
        plugin="" if token or loaded.cert_file else _plugin(paths, chosen),
    )


def _plugin(paths: str, context: str) -> str:
    contexts = read_contexts(paths)
    return contexts.plugins.get(context or contexts.current, "")


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
    tls = tls_context(cafile=configuration.ssl_ca_cert or None)
    if configuration.cert_file:
        tls.load_cert_chain(configuration.cert_file, configuration.key_file)
    if not configuration.verify_ssl:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    return tls
