"""The machine from outside: starts it, talks to its API server and its gateway, and leaves nothing of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

import aiohttp

from tests.apiserver.credentials import kubeconfig
from tests.apiserver.ports import LOOPBACK, ReservedPort
from tests.apiserver.process import ServerError, ServerProcess, wait_until_up
from tests.apiserver.rest import Answer, call, is_established
from tests.cluster.node import API_SOCKET, CONTROL_SOCKET, GATEWAY_SOCKET
from tests.knative.programs import kubectl
from tests.support.waiting import HANGS_AFTER, wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
STARTS_WITHIN = 90.0  # seconds; 6 on two idle cores
SETTLES_WITHIN = 600.0  # seconds until what was applied works; 9 on two idle cores, 60 and more beside other work
_NAMESPACES = ("--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_TRIAL = "mount -t tmpfs none /run && ip link add v0 type veth peer name v1 && ip link add b0 type bridge"


class KubectlError(Exception):
    """kubectl failed; the message has its command and what it said."""


def why_impossible() -> str:
    """A sentence where this kernel or user cannot have such a machine, else nothing."""
    for tool in ("unshare", "nsenter", "setpriv", "ip"):
        if shutil.which(tool, path=_path()) is None:
            return f"The cluster of tests/cluster needs the program `{tool}` (Debian: util-linux, iproute2)."
    tried = subprocess.run(
        [_tool("unshare"), *_NAMESPACES, "sh", "-ec", _TRIAL],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PATH": _path()},
    )
    if tried.returncode:
        return f"The cluster of tests/cluster needs namespaces, which this kernel forbids: {tried.stderr.strip()}"
    return ""


class Machine:
    """A cluster of one node; a context manager, after which neither processes nor files are left."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="sluice-cluster-")
        self._ports = {API_SOCKET: ReservedPort(), GATEWAY_SOCKET: ReservedPort()}
        environment = os.environ | {"PATH": _path(), "TMPDIR": str(self.folder)}
        self._node = ServerProcess(
            [_tool("unshare"), *_NAMESPACES, sys.executable, "-m", "tests.cluster.node", str(self.folder)],
            log_file=self.folder / "node.log",
            environment=environment,
            folder=ROOT,
        )
        links = [f"{port.number}>{self.folder / socket}" for socket, port in self._ports.items()]
        self._border = ServerProcess(
            [sys.executable, "-m", "tests.knative.border", *links], log_file=self.folder / "border.log", folder=ROOT
        )

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def folder(self) -> Path:
        """Logs: node.log, kubelet.log, pods/NAMESPACE_POD/CONTAINER.log."""
        return Path(self._folder.name)

    @property
    def kubeconfig(self) -> Path:
        """Of the admin, for use outside the machine."""
        return self.folder / "outside.kubeconfig"

    @property
    def gateway_url(self) -> str:
        """Of the ingress, on loopback; the Host header chooses the Knative Service."""
        return f"http://{LOOPBACK}:{self._ports[GATEWAY_SOCKET].number}"

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl as admin; return its output. Raises KubectlError."""
        command = [str(kubectl()), f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            raise KubectlError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def get(self, path: str) -> Any:
        """The body of a GET that must succeed."""
        answer = self.request("GET", path)
        assert answer.status == 200, answer.body
        return answer.body

    def request(self, method: str, path: str, body: object = None, *, content_type: str = "application/json") -> Answer:
        """One call to the API server as admin."""
        port = self._ports[API_SOCKET].number
        token = (self.folder / "token").read_text()
        return call(
            method,
            path,
            port=port,
            ca_file=self.folder / "ca.crt",
            token=token,
            body=body,
            content_type=content_type,
            timeout=HANGS_AFTER,
        )

    def token(self, *, namespace: str, account: str, audience: str = "") -> str:
        """A new token of a service account; for the API server unless an audience is named."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        spec = {"audiences": [audience]} if audience else {}
        return str(self.request("POST", path, {"spec": spec}).body["status"]["token"])

    def connect(self) -> aiohttp.ClientSession:
        """A client of the gateway: give each request the Host of a Knative Service."""
        return self._client(GATEWAY_SOCKET)

    def control(self) -> aiohttp.ClientSession:
        """A client of control.py."""
        return self._client(CONTROL_SOCKET)

    def log_of(self, *, namespace: str, pod: str, container: str) -> str:
        """What the containers of all pods whose names begin so have written."""
        logs = (self.folder / "pods").glob(f"{namespace}_{pod}*/{container}.log")
        return "".join(each.read_text(errors="replace") for each in logs)

    def close(self) -> None:
        """End all processes and remove all files; SLUICE_KEEP_CLUSTER_LOGS names a folder for a copy of the logs."""
        self._border.kill()
        self._node.kill()
        if kept := os.environ.get("SLUICE_KEEP_CLUSTER_LOGS"):
            ignored = shutil.ignore_patterns("*.sock", "sluice-kube-apiserver-*", "serviceaccount")
            shutil.copytree(self.folder, kept, ignore=ignored, dirs_exist_ok=True)
        for port in self._ports.values():
            port.release()
        self._folder.cleanup()

    def _client(self, socket: str) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            "http://machine",
            connector=aiohttp.UnixConnector(str(self.folder / socket), limit=0),
            timeout=aiohttp.ClientTimeout(total=60),
        )

    def _start(self) -> None:
        self._node.start()
        wait_until_up(self._is_ready, self._node, what="the machine", within=STARTS_WITHIN)
        self._border.start()
        wait_until_up(self._leads_in, self._border, what="a way into the machine", within=STARTS_WITHIN)
        token = (self.folder / "token").read_text()
        url = f"https://{LOOPBACK}:{self._ports[API_SOCKET].number}"
        self.kubeconfig.write_text(
            kubeconfig(url=url, ca_file=self.folder / "ca.crt", token=token, namespace="default")
        )

    def _leads_in(self) -> bool:
        return "ready" in self._border.log_tail()

    def _is_ready(self) -> bool:
        return (self.folder / CONTROL_SOCKET).exists() and (self.folder / "token").exists()


def merge_patch(machine: Machine, kind: str, name: str, patch: object, *, namespace: str) -> None:
    """`kubectl patch`."""
    machine.kubectl("-n", namespace, "patch", kind, name, "--type=merge", f"--patch={json.dumps(patch)}")


def _path() -> str:
    """With the folders of system tools, which an ordinary user's PATH may lack."""
    return f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def _tool(name: str) -> str:
    found = shutil.which(name, path=_path())
    if found is None:
        raise ServerError(f"the program `{name}` is missing (Debian: util-linux, iproute2)")
    return found


def apply(machine: Machine, *files: Path, kustomize: bool = False) -> None:
    """`kubectl apply --server-side` of files and folders."""
    flag = "-k" if kustomize else "-f"
    arguments: Sequence[str] = [argument for file in files for argument in (flag, str(file))]
    machine.kubectl("apply", "--server-side", "--force-conflicts", *arguments)


def wait_until_served(machine: Machine) -> None:
    """Wait until the kinds of all definitions can be listed.

    `kubectl wait` fails at once on a definition that has no conditions yet, and the first LIST of an established
    kind is answered 429, "storage is (re)initializing".
    """
    for definition in machine.get(DEFINITIONS)["items"]:
        path = f"{DEFINITIONS}/{definition['metadata']['name']}"
        wait_for(partial(_is_established, machine, path), what=path, within=SETTLES_WITHIN)
        spec = definition["spec"]
        version = next(each["name"] for each in spec["versions"] if each["served"])
        path = f"/apis/{spec['group']}/{version}/{spec['names']['plural']}?limit=1"
        wait_for(partial(_is_listed, machine, path), what=path, within=SETTLES_WITHIN)


def _is_established(machine: Machine, path: str) -> bool:
    return is_established(machine.get(path))


def _is_listed(machine: Machine, path: str) -> bool:
    return machine.request("GET", path).status == 200
