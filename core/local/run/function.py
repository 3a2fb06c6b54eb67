"""How the function is started: by the same command as in production, on loopback."""

from __future__ import annotations

import socket
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from core.local.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.local.cluster import Cluster
    from core.settings import Settings

LOOPBACK = "127.0.0.1"
_SOURCE = Path(__file__).parents[3] / "functions" / "alertmanager.py"
_LAST_PORT = 65_535

# Google credentials would outrank the embedded API's kubeconfig. DEBUG, which people set for other tools,
# makes functions-framework choose another server than in production.
_ELSEWHERE = ("SLUICE_API_SERVER", "SLUICE_API_CA")
_FOR_OTHERS = ("DEBUG",)


def function_command(port: int) -> list[str]:
    """Return the command that serves the alertmanager function on `port`."""
    framework = Path(sysconfig.get_path("scripts")) / "functions-framework"
    options = {"--source": str(_SOURCE), "--target": "alertmanager", "--host": LOOPBACK, "--port": str(port)}
    return [str(framework), "--asgi", *(word for option in options.items() for word in option)]


def function_environment(cluster: Cluster, settings: Settings, *, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the function's environment: ours, with `cluster` as its only Kubernetes API.

    Senders are not asked for a token: none but this machine's own can reach the port.
    """
    dropped = _FOR_OTHERS + (_ELSEWHERE if cluster.embedded else ())
    kept = {name: value for name, value in environ.items() if name not in dropped}
    kubeconfig = {"KUBECONFIG": cluster.kubeconfig} if cluster.kubeconfig else {}
    return kept | kubeconfig | {"SLUICE_AUTH": "none", "SLUICE_NAMESPACE": settings.namespace}


def choose_port(port: int) -> int:
    """Return `port` if the function can have it; a free one for 0.

    Raises:
        CommandError: it is taken, or not for this user.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gunicorn: a closed connection is no hindrance
        try:
            probe.bind((LOOPBACK, port))
        except PermissionError as error:
            raise CommandError(f"port {port} is for root only; choose another: make run PORT=8080") from error
        except OSError as error:
            raise CommandError(
                f"port {port} of {LOOPBACK} is taken ({error.strerror}); stop what listens there, or choose another: "
                f"make run PORT={port + 1 if port < _LAST_PORT else 8080}"
            ) from error
        number: int = probe.getsockname()[1]
        return number
