"""A sink for CloudEvents in this process: takes them by POST as Knative's do, or refuses, or says nothing."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from cloudevents.http import from_http


@dataclass
class Sink:
    """Listens on a free port from `with` on. `answers` may hold a status for each of the next deliveries; with
    `silent` it takes them and never answers."""

    answers: list[int] = field(default_factory=list)
    silent: bool = False
    deliveries: list[list[dict[str, Any]]] = field(default_factory=list)
    """What came, the refused too: of each delivery the events, as the official SDK reads them."""

    targets: list[str] = field(default_factory=list)
    """Paths and queries of the deliveries."""

    def __enter__(self) -> Self:
        self._over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """What SLUICE_AUDIT_SINK is set to."""
        return f"http://127.0.0.1:{self._server.server_port}/events?from=sluice"

    @property
    def events(self) -> list[dict[str, Any]]:
        """All that came, in order; one that came again counts once, as the specification wants."""
        return list({event["id"]: event for delivery in self.deliveries for event in delivery}.values())

    @property
    def kinds(self) -> list[str]:
        """The types of all that came, without what is common to them."""
        return [event["type"].removeprefix("ai.kubernaut.gateway.") for event in self.events]

    def take(self, target: str, headers: dict[str, str], body: bytes) -> int:
        """Keep a delivery; return its answer."""
        self.targets.append(target)
        self.deliveries.append(_events(headers, body))
        if self.silent:
            self._over.wait()
        return self.answers.pop(0) if self.answers else 202


def _events(headers: dict[str, str], body: bytes) -> list[dict[str, Any]]:
    if headers["content-type"].startswith("application/cloudevents-batch+json"):
        single = {"content-type": "application/cloudevents+json"}
        return [_event(single, json.dumps(each).encode()) for each in json.loads(body)]
    return [_event(headers, body)]


def _event(headers: dict[str, str], body: bytes) -> dict[str, Any]:
    event: Any = from_http(headers, body)
    return {**event.get_attributes(), "data": event.get_data()}


def _handler_of(sink: Sink) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(sink.take(self.path, headers, body))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    return Handler
