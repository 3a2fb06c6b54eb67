"""What a pod's containers share: a network namespace with an address, a mount namespace with its volumes."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from typing import TYPE_CHECKING

from tests.cluster.images import needed_folders
from tests.cluster.links import connect

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.cluster.api import Api, Object

_SECRETS = "/run/secrets/kubernetes.io/serviceaccount"
_TOKEN_SECONDS = 7200


class SandboxError(Exception):
    """The namespaces of a pod cannot be made; the message has what the kernel's tools said."""


class Sandbox:
    """A process that does nothing but keep the namespaces of one pod.

    Args:
        pod: the object.
        folder: of the pod, for its token and its volumes.
        shared: the folder with the machine's `hosts` and `resolv.conf`.
    """

    def __init__(self, *, pod: Object, folder: Path, shared: Path, api: Api) -> None:
        self._pod, self._folder, self._shared, self._api = pod, folder, shared, api
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, *, address: str, number: int) -> None:
        """Make the namespaces. Raises SandboxError or LinkError."""
        await self._write_service_account()
        await self._write_config_maps()
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *("unshare", "--net", "--mount", "sh", "-ec", "\n".join(self._script())),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=pipe,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if line != b"ready\n":
            raise SandboxError(line.decode() + (await self._process.stdout.read()).decode())
        await connect(process=self._process.pid, address=address, number=number)

    def enter(self, *, folder: str) -> list[str]:
        """What to write before a command that is to run inside."""
        assert self._process is not None
        return ["nsenter", "-t", str(self._process.pid), "-n", "-m", f"--wd={folder}"]

    async def end(self) -> None:
        """Take the namespaces away, once their processes are gone."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    def _script(self) -> Iterable[str]:
        yield "mount -t tmpfs run /run"
        yield from _bind_folder(self._folder / "serviceaccount", _SECRETS)
        for name in ("hosts", "resolv.conf"):
            yield f"mount --bind {shlex.quote(str(self._shared / name))} /etc/{name}"
        for mount in self._mounts():
            yield from self._mount(mount)
        if all(
            each.get("securityContext", {}).get("readOnlyRootFilesystem") for each in self._pod["spec"]["containers"]
        ):
            yield "mount -o remount,bind,ro /"
        yield "echo ready"
        yield "exec sleep infinity"

    def _mounts(self) -> list[Object]:
        """All volumeMounts; containers of one pod share them here."""
        found = [each for container in self._pod["spec"]["containers"] for each in container.get("volumeMounts", [])]
        return list({each["mountPath"]: each for each in found}.values())

    def _mount(self, mount: Object) -> Iterable[str]:
        volume = next(each for each in self._pod["spec"].get("volumes", []) if each["name"] == mount["name"])
        path = mount["mountPath"].rstrip("/")
        if "configMap" in volume:
            # The root is the machine's own: what is not there can be made in memory only.
            if not path.startswith(("/run/", "/tmp/")):
                raise SandboxError(
                    f"volumeMount {mount['name']}: this kubelet mounts ConfigMaps below /run and /tmp only"
                )
            yield from _bind_folder(self._folder / "config-maps" / volume["configMap"]["name"], path)
        elif "emptyDir" in volume:
            yield from empty_volume(path)
        else:
            raise SandboxError(f"volume {volume['name']}: this kubelet knows emptyDir and configMap only")

    async def _write_service_account(self) -> None:
        meta, account = self._pod["metadata"], self._pod["spec"].get("serviceAccountName", "default")
        status, got = await self._api.call(
            "POST",
            f"/api/v1/namespaces/{meta['namespace']}/serviceaccounts/{account}/token",
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {"expirationSeconds": _TOKEN_SECONDS},
            },
        )
        if status != 201:
            raise SandboxError(f"no token for service account {account}: {got}")
        folder = self._folder / "serviceaccount"
        folder.mkdir(exist_ok=True)
        (folder / "token").write_text(got["status"]["token"])
        (folder / "namespace").write_text(meta["namespace"])
        (folder / "ca.crt").write_bytes(self._api.ca_file.read_bytes())

    async def _write_config_maps(self) -> None:
        namespace = self._pod["metadata"]["namespace"]
        names = [each["configMap"]["name"] for each in self._pod["spec"].get("volumes", []) if "configMap" in each]
        for name in names:
            status, found = await self._api.call("GET", f"/api/v1/namespaces/{namespace}/configmaps/{name}")
            if status != 200:
                raise SandboxError(f'configmap "{name}" not found')
            folder = self._folder / "config-maps" / name
            folder.mkdir(parents=True, exist_ok=True)
            for key, text in (found.get("data") or {}).items():
                (folder / key).write_text(text)


def empty_volume(path: str) -> Iterable[str]:
    """Commands that mount an empty folder in memory; programs of ours that are below it stay. /run is writable."""
    kept = [str(each) for each in needed_folders() if str(each).startswith(f"{path}/")]
    for number, each in enumerate(kept):
        yield from _bind_folder(each, f"/run/kept/{number}")
    yield f"mkdir -p {path} && mount -t tmpfs -o mode=1777 empty {path}"
    for number, each in enumerate(kept):
        yield from _bind_folder(f"/run/kept/{number}", each)


def _bind_folder(source: object, target: str) -> Iterable[str]:
    yield f"mkdir -p {shlex.quote(target)}"
    yield f"mount --bind {shlex.quote(str(source))} {shlex.quote(target)}"
