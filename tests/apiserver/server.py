"""A kube-apiserver that a test can start, stop, kill and start again."""

import http.client
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from tests.apiserver.binaries import Binaries, find_binaries
from tests.apiserver.commands import server_processes
from tests.apiserver.credentials import (
    StaticToken,
    kubeconfig,
    new_token,
    write_service_account_key,
    write_token_file,
)
from tests.apiserver.ports import LOOPBACK, ReservedPort
from tests.apiserver.process import ServerError, ServerProcess, wait_until_up
from tests.apiserver.rest import Answer, call

ADMIN = "admin"
READY_WITHIN = 180.0  # seconds; 5 on two idle cores


class KubeApiserver:
    """One server with its own data folder, ports and users, on loopback; RBAC on, no controllers.

    A context manager: inside it the server answers, after it neither process nor data is left. Data, port,
    tokens and certificate outlive `stop` and `kill` until then. `flags` are appended to the command line.
    """

    def __init__(self, *, binaries: Binaries | None = None, flags: Sequence[str] = ()) -> None:
        self._folder = TemporaryDirectory(prefix="sluice-kube-apiserver-")
        self._ports = {name: ReservedPort() for name in ("kube-apiserver", "etcd")}
        self._tokens: dict[str, StaticToken] = {}
        self._processes = server_processes(
            binaries or find_binaries(),
            folder=self.folder,
            port=self.port,
            etcd_port=self._ports["etcd"].number,
            flags=flags,
        )
        self.add_token(ADMIN, groups=["system:masters"])

    def __enter__(self) -> Self:
        try:
            write_service_account_key(self.folder / "service-account.key")
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def folder(self) -> Path:
        """Where data, logs and credentials are, until `close`."""
        return Path(self._folder.name)

    @property
    def port(self) -> int:
        """The one https port."""
        return self._ports["kube-apiserver"].number

    @property
    def url(self) -> str:
        """Without a slash at the end."""
        return f"https://{LOOPBACK}:{self.port}"

    @property
    def token(self) -> str:
        """Of the user `admin`, who may do everything."""
        return self.token_of(ADMIN)

    @property
    def ca_file(self) -> Path:
        """What to trust: the server writes a self-signed certificate at its first start."""
        return self.folder / "certificates" / "apiserver.crt"

    @property
    def log_file(self) -> Path:
        """Standard output and error of the server, all starts."""
        return self._server.log_file

    @property
    def pid(self) -> int | None:
        """Of the running server, else None."""
        return self._server.pid

    def add_token(self, user: str, *, groups: Sequence[str] = ()) -> str:
        """Let `user` in with the token returned. Raises ServerError when the server runs."""
        if self.pid is not None:
            raise ServerError(f"The server runs and would not learn user {user!r}; add tokens before it starts.")
        self._tokens[user] = new_token(user, groups=groups)
        return self.token_of(user)

    def token_of(self, user: str) -> str:
        """The token that `add_token` returned. Raises KeyError for a user it was not called for."""
        return self._tokens[user].token

    def start(self) -> None:
        """Start and wait until it answers. Raises ServerError, with the log's end, when it does not."""
        write_token_file(self.folder / "tokens.csv", list(self._tokens.values()))
        for process in self._processes:
            process.start()
        wait_until_up(self._is_ready, *self._processes, what="kube-apiserver", within=READY_WITHIN)

    def stop(self) -> None:
        """SIGTERM, SIGKILL where that does not help; data and port are kept."""
        for process in reversed(self._processes):
            process.stop()

    def kill(self) -> None:
        """SIGKILL, in the middle of whatever it does; data and port are kept."""
        for process in reversed(self._processes):
            process.kill()

    def restart(self) -> None:
        """Stop and start on the same data, port, tokens and certificate."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """The server accepts connections and answers nothing until `resume`."""
        self._server.pause()

    def resume(self) -> None:
        """Go on after `pause`."""
        self._server.resume()

    def close(self) -> None:
        """Stop the server at once and remove its data."""
        self.kill()
        for port in self._ports.values():
            port.release()
        self._folder.cleanup()

    def write_kubeconfig(
        self, path: Path, *, token: str | None = None, namespace: str = "default", port: int | None = None
    ) -> Path:
        """Write a kubeconfig for the holder of `token` (default: admin) and return its path.

        `port` is that of a proxy on loopback in front of the server, if there is one.
        """
        url = f"https://{LOOPBACK}:{port}" if port else self.url
        text = kubeconfig(url=url, ca_file=self.ca_file, token=token or self.token, namespace=namespace)
        path.write_text(text)
        return path

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        content_type: str = "application/json",
        timeout: float = 60.0,
    ) -> Answer:
        """One blocking call, as admin unless `token` says otherwise. Raises OSError when no answer comes."""
        return call(
            method,
            path,
            port=self.port,
            ca_file=self.ca_file,
            token=token or self.token,
            body=body,
            content_type=content_type,
            timeout=timeout,
        )

    @property
    def _server(self) -> ServerProcess:
        return self._processes[-1]

    def _is_ready(self) -> bool:
        try:
            return self.request("GET", "/readyz").status == http.client.OK
        except (OSError, http.client.HTTPException):  # no certificate yet, not listening yet, gone
            return False
