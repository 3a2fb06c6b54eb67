"""HTTP as the commands send it to the function: one blocking call on a connection of its own."""

import http.client
import ipaddress
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from pydantic_core import from_json

from core.local.shell import CommandError

DEFAULT_PORT = 8080
SIGNAL_PATH = "/api/v1/signals/prometheus"


class UnansweredError(CommandError):
    """No complete answer came."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer, whatever its status."""

    status: int
    body: bytes

    def json(self) -> dict[str, Any]:
        """Return the body's object; empty where the body is none."""
        try:
            value = from_json(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def sentence(self) -> str:
        """What the answer says to people: problem+json's detail (RFC 9457), else the body's start."""
        return str(self.json().get("detail") or self.body[:200].decode(errors="replace").strip())


def check_url(url: str) -> str:
    """Return an http or https URL without the slash at its end.

    Raises:
        CommandError: it is none.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CommandError(f"--url {url!r} is no URL to post to; give one such as http://127.0.0.1:8080")
    return url.rstrip("/")


def call(
    url: str, *, body: bytes | None = None, timeout: float, headers: Mapping[str, str] = MappingProxyType({})
) -> HttpAnswer:
    """GET, or POST `body`, as JSON unless `headers` say otherwise. `timeout` in seconds counts for each read.

    Raises:
        UnansweredError: connection refused, reset, timed out, or no HTTP.
    """
    all_headers = {"Content-Type": "application/json"} | dict(headers)
    request = urllib.request.Request(check_url(url), data=body, headers=all_headers)  # noqa: S310 - check_url
    try:
        with _opener(url).open(request, timeout=timeout) as response:
            return HttpAnswer(response.status, response.read())
    except urllib.error.HTTPError as refused:
        with refused:
            return HttpAnswer(refused.code, refused.read())
    except (OSError, http.client.HTTPException) as error:
        raise UnansweredError(f"{url} did not answer: {_why(error)}") from error


def is_loopback(url: str) -> bool:
    """Tell whether `url` names this machine's loopback."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _opener(url: str) -> urllib.request.OpenerDirector:
    # No proxy can reach our loopback, whatever the environment says.
    return urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if is_loopback(url) else []))


def _why(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    return getattr(reason, "strerror", None) or str(reason) or type(error).__name__
