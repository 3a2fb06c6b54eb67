"""The command lines of kube-apiserver and, where it has none inside, etcd."""

from collections.abc import Sequence
from pathlib import Path

from tests.apiserver.binaries import Binaries
from tests.apiserver.ports import LOOPBACK
from tests.apiserver.process import ServerProcess


def server_processes(
    binaries: Binaries, *, folder: Path, port: int, etcd_port: int, flags: Sequence[str]
) -> list[ServerProcess]:
    """In the order of their start, kube-apiserver last; `flags` are appended to its command line."""
    processes = []
    if binaries.etcd:
        etcd = etcd_command(binaries.etcd, folder=folder, port=etcd_port)
        processes.append(ServerProcess(etcd, log_file=folder / "etcd.log"))
    kube_apiserver = kube_apiserver_command(
        binaries.kube_apiserver, folder=folder, port=port, etcd_port=etcd_port if binaries.etcd else None
    )
    processes.append(ServerProcess([*kube_apiserver, *flags], log_file=folder / "kube-apiserver.log"))
    return processes


def kube_apiserver_command(binary: Path, *, folder: Path, port: int, etcd_port: int | None) -> list[str]:
    """Everything under `folder`; etcd on `etcd_port`, None: in the same process."""
    return [
        str(binary),
        *_storage_flags(folder=folder, etcd_port=etcd_port),
        f"--bind-address={LOOPBACK}",
        f"--advertise-address={LOOPBACK}",  # else it looks for an outer interface, which need not exist
        f"--secure-port={port}",
        "--permit-port-sharing",  # with the socket that reserves the port
        f"--cert-dir={folder / 'certificates'}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={folder / 'service-account.key'}",
        f"--service-account-signing-key-file={folder / 'service-account.key'}",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--endpoint-reconciler-type=none",  # nobody looks for this server through its own Service
        "--disable-admission-plugins=ServiceAccount",  # no controller makes the accounts that pods would need
    ]


def etcd_command(binary: Path, *, folder: Path, port: int) -> list[str]:
    """One member on loopback; its peer port is the kernel's choice, nobody connects there."""
    client_url, peer_url = f"http://{LOOPBACK}:{port}", f"http://{LOOPBACK}:0"
    return [
        str(binary),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={client_url}",
        f"--advertise-client-urls={client_url}",
        f"--listen-peer-urls={peer_url}",
        f"--initial-advertise-peer-urls={peer_url}",
        f"--initial-cluster=default={peer_url}",
        "--socket-reuse-port",
        "--log-level=warn",
        "--unsafe-no-fsync",  # a killed process loses nothing; only a power cut would
    ]


def _storage_flags(*, folder: Path, etcd_port: int | None) -> list[str]:
    if etcd_port is not None:
        return [f"--etcd-servers=http://{LOOPBACK}:{etcd_port}"]
    return [
        f"--embedded-etcd-data-dir={folder / 'etcd'}",
        f"--embedded-etcd-log-file={folder / 'etcd.log'}",
    ]
