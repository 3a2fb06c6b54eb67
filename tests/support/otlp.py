"""A collector of OpenTelemetry in this process: takes spans by OTLP over HTTP, and keeps them."""

from __future__ import annotations

import gzip
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.proto.common.v1.common_pb2 import KeyValue

PATH = "/v1/traces"


@dataclass(frozen=True, kw_only=True)
class ReceivedSpan:
    """One span as it came over the wire, decoded."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    links: tuple[str, ...]
    error: str | None
    """What is said of the failure; None: it did not fail."""
    start: int
    end: int
    resource: dict[str, Any]
    state: str


@dataclass
class Collector:
    """Listens on a free port from `with` on. `answers` may hold a status for each of the next deliveries."""

    answers: list[int] = field(default_factory=list)
    _spans: list[ReceivedSpan] = field(default_factory=list)
    _deliveries: int = 0

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """What OTEL_EXPORTER_OTLP_ENDPOINT is set to."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def spans(self) -> list[ReceivedSpan]:
        """All so far, by the time of their start."""
        return sorted(self._spans, key=lambda span: (span.start, -span.end))

    @property
    def deliveries(self) -> int:
        """Batches that came, the refused ones too."""
        return self._deliveries

    def one(self, name: str) -> ReceivedSpan:
        """The only span of that name."""
        (span,) = (each for each in self.spans if each.name == name)
        return span

    def wait_for(self, name: str) -> ReceivedSpan:
        """The only span of that name, as soon as it has come."""
        wait_for(lambda: any(each.name == name for each in self.spans), what=f"the span {name}", within=30.0)
        return self.one(name)

    def parts(self, of: ReceivedSpan) -> list[ReceivedSpan]:
        """Spans right under another."""
        return [each for each in self.spans if each.parent_id == of.span_id]

    def tree(self, of: ReceivedSpan) -> Any:
        """A span's name; with spans under it, a pair of it and their trees."""
        parts = self.parts(of)
        return (of.name, [self.tree(part) for part in parts]) if parts else of.name

    def take(self, body: bytes) -> int:
        """Keep the spans of a delivery; return its answer."""
        self._deliveries += 1
        if self.answers and (status := self.answers.pop(0)) != 200:
            return status
        request = ExportTraceServiceRequest.FromString(body)
        for of_resource in request.resource_spans:
            resource = _plain(of_resource.resource.attributes)
            for scope in of_resource.scope_spans:
                self._spans += [_received(message, resource) for message in scope.spans]
        return 200


def _received(message: Message, resource: dict[str, Any]) -> ReceivedSpan:
    failed = message.status.code == Status.STATUS_CODE_ERROR
    return ReceivedSpan(
        name=message.name,
        kind=Message.SpanKind.Name(message.kind).removeprefix("SPAN_KIND_").lower(),
        trace_id=message.trace_id.hex(),
        span_id=message.span_id.hex(),
        parent_id=message.parent_span_id.hex(),
        attributes=_plain(message.attributes),
        links=tuple(link.span_id.hex() for link in message.links),
        error=message.status.message if failed else None,
        start=message.start_time_unix_nano,
        end=message.end_time_unix_nano,
        resource=resource,
        state=message.trace_state,
    )


def _plain(attributes: Iterable[KeyValue]) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value") for each in attributes}


def _handler_of(collector: Collector) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            wrong = self.path != PATH or self.headers["Content-Type"] != "application/x-protobuf"
            answer = b"" if wrong else ExportTraceServiceResponse().SerializeToString()
            self.send_response(404 if wrong else collector.take(body))
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    return Handler
