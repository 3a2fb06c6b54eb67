"""One blocking call to the server, for fixtures and checks; not the client under test."""

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.apiserver.ports import LOOPBACK


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Status code, and the body as JSON where it is JSON, else as text."""

    status: int
    body: Any


def call(
    method: str,
    path: str,
    *,
    port: int,
    ca_file: Path,
    token: str,
    body: object = None,
    content_type: str = "application/json",
    timeout: float = 10.0,
) -> Answer:
    """Send `body` as JSON. Raises OSError or http.client.HTTPException when no answer comes."""
    context = ssl.create_default_context(cafile=ca_file)
    connection = http.client.HTTPSConnection(LOOPBACK, port, context=context, timeout=timeout)
    try:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": content_type}
        connection.request(method, path, body=None if body is None else json.dumps(body), headers=headers)
        return _read(connection.getresponse())
    finally:
        connection.close()


def _read(response: http.client.HTTPResponse) -> Answer:
    text = response.read().decode()
    is_json = response.getheader("Content-Type", "").startswith("application/json")
    return Answer(status=response.status, body=json.loads(text) if is_json else text)


def is_established(definition: Mapping[str, Any]) -> bool:
    """Whether the server serves the kind of a CustomResourceDefinition; one just made has no conditions yet."""
    conditions = definition.get("status", {}).get("conditions") or []
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)
