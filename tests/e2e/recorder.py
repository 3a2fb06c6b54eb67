"""Stands between senders and functions: passes every webhook on and writes down what became of it."""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import dataclass
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import TYPE_CHECKING, Any, Self

from tests.support.http import Answer, send
from tests.support.waiting import HANGS_AFTER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

UNREACHABLE = 502


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One POST. `status` is the function's, UNREACHABLE where it gave none; `lost`: the sender did not see it."""

    sender: str
    webhook: dict[str, Any]
    status: int
    retry_after: str = ""
    lost: bool = False

    @property
    def acknowledged(self) -> bool:
        return 200 <= self.status < 300

    @property
    def firing(self) -> list[dict[str, str]]:
        """Labels of the alerts that fire."""
        return [alert["labels"] for alert in self.webhook["alerts"] if alert["status"] == "firing"]

    @property
    def resolved(self) -> list[dict[str, str]]:
        """Labels of the alerts that are over."""
        return [alert["labels"] for alert in self.webhook["alerts"] if alert["status"] == "resolved"]


class Recorder:
    """A context manager that listens inside it, or until `close`. Targets take turns, as behind a Service."""

    def __init__(self) -> None:
        self.targets: list[str] = []
        self.deliveries: list[Delivery] = []
        self._turn = count()
        self._answers_to_lose = 0
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = False  # so that `close` waits for what is on its way
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Wait for webhooks on their way, and take no more: `deliveries` is complete then."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def url(self, sender: str) -> str:
        """What `sender` posts to."""
        return f"http://127.0.0.1:{self._server.server_port}/{sender}"

    def lose_answers(self, number: int) -> None:
        """Pass the next webhooks on, but cut the connection instead of answering."""
        with self._changed:
            self._answers_to_lose = number

    def wait_for(self, condition: Callable[[Sequence[Delivery]], object], *, what: str, within: float = 20.0) -> None:
        """Wait until the deliveries fulfil `condition`; `within` as for tests.support.waiting."""
        within = max(within, HANGS_AFTER)
        with self._changed:
            fulfilled = self._changed.wait_for(lambda: condition(self.deliveries), timeout=within)
            seen = Counter((each.sender, each.status) for each in self.deliveries)
        assert fulfilled, f"waited {within:g} s in vain for {what}; deliveries by sender and status: {dict(seen)}"

    def mark(self) -> int:
        """How many deliveries there are; those after it are `deliveries[mark:]`."""
        with self._changed:
            return len(self.deliveries)

    def pass_on(self, sender: str, body: bytes, headers: dict[str, str]) -> Answer | None:
        """Deliver a webhook; None where the sender is to get no answer."""
        answer = self._forward(body, headers)
        with self._changed:
            lost = self._answers_to_lose > 0
            self._answers_to_lose -= lost
            delivery = Delivery(
                sender=sender,
                webhook=json.loads(body),
                status=answer.status,
                retry_after=answer.headers.get("retry-after", ""),
                lost=lost,
            )
            self.deliveries.append(delivery)
            self._changed.notify_all()
        return None if lost else answer

    def _forward(self, body: bytes, headers: dict[str, str]) -> Answer:
        target = self.targets[next(self._turn) % len(self.targets)]
        try:
            return send("POST", target, body, headers=headers)
        except (OSError, HTTPException):
            return Answer(status=UNREACHABLE, headers={}, body=b"")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            """Speaks HTTP/1.0: a connection for each request."""

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                kept = {name: self.headers[name] for name in ("Content-Type", "Authorization") if name in self.headers}
                answer = recorder.pass_on(self.path.strip("/"), body, kept)
                if answer is not None:
                    self._reply(answer)

            def _reply(self, answer: Answer) -> None:
                try:
                    self.send_response(answer.status)
                    self.end_headers()
                    self.wfile.write(answer.body)
                except OSError:  # the sender has ended meanwhile
                    self.close_connection = True

            def log_request(self, code: object = "-", size: object = "-") -> None:
                """Say nothing."""

        return Handler
