"""Google's metadata server, as a function finds it: who it is, and access tokens."""

from __future__ import annotations

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

_ACCOUNT = "/computeMetadata/v1/instance/service-accounts/default"
_FLAVOR = {"Metadata-Flavor": "Google"}  # without it, neither side answers
_TOKEN_SECONDS = 3599


@contextmanager
def metadata_server(*, email: str, token: str) -> Iterator[str]:
    """Serve the tokens of one service account; yields host and port.

    Paths and fields: https://cloud.google.com/compute/docs/metadata/predefined-metadata-keys.
    """
    answers: dict[str, Any] = {
        "/": "computeMetadata/",
        "/computeMetadata/v1/project/project-id": "shop",
        f"{_ACCOUNT}/": {"email": email, "aliases": ["default"], "scopes": []},
        f"{_ACCOUNT}/email": email,
        f"{_ACCOUNT}/token": {"access_token": token, "expires_in": _TOKEN_SECONDS, "token_type": "Bearer"},
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = answers.get(urlsplit(self.path).path)
            status = 200 if found is not None else 404
            if self.headers.get("Metadata-Flavor") != "Google":
                status, found = 403, "missing Metadata-Flavor"
            is_text = isinstance(found, str) or found is None
            self.send_response(status)
            for name, value in _FLAVOR.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/text" if is_text else "application/json")
            self.end_headers()
            self.wfile.write((found or "").encode() if is_text else json.dumps(found).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            serving.join()
