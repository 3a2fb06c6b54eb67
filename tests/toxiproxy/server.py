"""A Toxiproxy on loopback, and the links it breaks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.apiserver.process import ServerProcess, wait_until_up
from tests.gobuild import GoProgram, Report, to_stderr
from tests.support.http import send, send_json

if TYPE_CHECKING:
    from tests.support.http import Answer

STARTS_WITHIN = 15.0  # seconds; 0.01 on an idle core
_LISTENING = re.compile(r"listening at (http://127\.0\.0\.1:\d+)")
_TOXIPROXY = GoProgram(name="toxiproxy", sources=Path(__file__).parent, module="github.com/Shopify/toxiproxy/v2")


def build_toxiproxy(*, report: Report = to_stderr) -> Path:
    """The binary; compiled when the user's cache does not hold it yet. Raises BuildError."""
    return _TOXIPROXY.build(report=report)


@dataclass(frozen=True)
class Link:
    """One port that leads to another. `api` is where it is steered."""

    api: str
    port: int

    def add(self, toxic: str, *, share: float = 1.0, stream: str = "downstream", **attributes: int) -> None:
        """Break connections, those that are open included.

        Args:
            toxic: latency, bandwidth, slow_close, timeout, reset_peer, slicer or limit_data.
            share: of the connections that are broken so.
            stream: downstream is what the server sends, upstream what the client sends.
            attributes: of the toxic, as Toxiproxy documents them.
        """
        body = {"name": f"{toxic}-{stream}", "type": toxic, "stream": stream, "toxicity": share}
        _agreed(send_json("POST", f"{self.api}/toxics", body | {"attributes": attributes}))

    def cut(self) -> None:
        """Close all connections and take no more."""
        _agreed(send_json("POST", self.api, {"enabled": False}))

    def mend(self) -> None:
        """Break nothing any more."""
        _agreed(send_json("POST", self.api, {"enabled": True}))
        for toxic in send("GET", f"{self.api}/toxics").json:
            _agreed(send("DELETE", f"{self.api}/toxics/{toxic['name']}"))


class Toxiproxy:
    """A context manager: inside it the server runs, after it no process is left. `folder` is for its log."""

    def __init__(self, folder: Path) -> None:
        self.url = ""
        self._process = ServerProcess([str(build_toxiproxy())], log_file=folder / "toxiproxy.log")

    def __enter__(self) -> Self:
        try:
            self._process.start()
            found = wait_until_up(self._listening, self._process, what="Toxiproxy", within=STARTS_WITHIN)
        except BaseException:
            self._process.kill()
            raise
        self.url = found[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()

    def link(self, name: str, *, to_port: int) -> Link:
        """Open a port of loopback that leads to another one."""
        body = {"name": name, "listen": "127.0.0.1:0", "upstream": f"127.0.0.1:{to_port}"}
        listen: str = _agreed(send_json("POST", f"{self.url}/proxies", body)).json["listen"]
        return Link(f"{self.url}/proxies/{name}", int(listen.rpartition(":")[2]))

    def _listening(self) -> Any:
        return _LISTENING.search(self._process.log_tail())


def _agreed(answer: Answer) -> Answer:
    assert answer.status < 300, answer.body
    return answer
