"""The commands' HTTP: every status is an answer, everything else is one sentence."""

import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from core.local.shell import CommandError
from core.local.web import HttpAnswer, UnansweredError, call, check_url, is_loopback


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status = int(self.path.rpartition("/")[2])
        self._answer(status, b'{"detail": "not now"}')

    def do_POST(self) -> None:
        self._answer(201, self.rfile.read(int(self.headers["Content-Length"])))

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("status", [200, 404, 503])
def test_every_status_is_an_answer(url: str, status: int) -> None:
    answer = call(f"{url}/{status}", timeout=60)
    assert answer == HttpAnswer(status, b'{"detail": "not now"}')
    assert answer.sentence == "not now"


def test_body_is_posted(url: str) -> None:
    assert call(url, body=b'{"a": 1}', timeout=60).json() == {"a": 1}


def test_loopback_is_reached_past_any_proxy(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert call(f"{url}/200", timeout=60).status == 200


def test_elsewhere_is_reached_through_the_proxy_of_the_environment(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", url)
    assert call("http://gateway.invalid/200", timeout=60).status == 200


def test_refused_connection_is_a_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening
        with pytest.raises(UnansweredError, match=r"http://127.0.0.1:\d+/ did not answer: Connection refused"):
            call(f"http://127.0.0.1:{taken.getsockname()[1]}/", timeout=60)


def test_silence_is_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(UnansweredError, match="timed out"):
        call(f"http://127.0.0.1:{silent.getsockname()[1]}/", timeout=0.05)


def test_what_is_no_json_is_shown_as_it_is() -> None:
    answer = HttpAnswer(502, b"<html>Bad Gateway</html>\n")
    assert answer.json() == {}
    assert answer.sentence == "<html>Bad Gateway</html>"
    assert HttpAnswer(200, b"[1]").json() == {}


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://x", "http://", "", "file:///etc/passwd"])
def test_what_is_no_url_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(CommandError, match=r"is no URL to post to; give one such as http://127\.0\.0\.1:8080"):
        check_url(url)


def test_slash_at_the_end_is_cut_off() -> None:
    assert check_url("http://127.0.0.1:8080/") == "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:1", True),
        ("http://localhost", True),
        ("http://[::1]:1", True),
        ("http://10.0.0.1", False),
        ("http://example.com", False),
    ],
)
def test_loopback_is_known_by_address_or_name(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected
