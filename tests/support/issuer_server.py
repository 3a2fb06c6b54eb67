"""An issuer of ID tokens on this machine: its metadata and keys, as OpenID Connect Discovery 1.0 has them."""

from __future__ import annotations

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_KEYS = "/oauth2/v3/certs"  # where Google has them


@contextmanager
def issuer_server(*public_keys: Mapping[str, Any]) -> Iterator[str]:
    """Serve the public keys (RFC 7517) of one issuer; yields its URL, which is its name."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers = {
                "/.well-known/openid-configuration": {"issuer": url, "jwks_uri": url + _KEYS},
                _KEYS: {"keys": public_keys},
            }
            found = answers.get(self.path)
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(found).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        serving = Thread(target=server.serve_forever)
        serving.start()
        try:
            yield url
        finally:
            server.shutdown()
            serving.join()
