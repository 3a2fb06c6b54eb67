"""The machine from inside: `unshare … python -m tests.cluster.node STATE`, in namespaces of its own.

It is the first process of a process namespace: when it ends, all that runs on the machine ends.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.apiserver import KubeApiserver
from tests.apiserver.process import ServerProcess
from tests.cluster.api import Api
from tests.cluster.control import serve_control
from tests.cluster.images import all_images, kube_controllers
from tests.cluster.ingress import Ingress
from tests.cluster.kubelet import Kubelet
from tests.cluster.links import make_bridge
from tests.cluster.services import Services, write_in_place
from tests.knative.border import relay_from_path

API_SOCKET, GATEWAY_SOCKET, CONTROL_SOCKET = "api.sock", "gateway.sock", "control.sock"
_RESOLVER = "search cluster.local\noptions timeout:1 attempts:1\n"


async def main(state: Path) -> None:
    """Run the machine until the process is killed; `state/token` is written when it is ready for kubectl."""
    await make_bridge()
    write_in_place(state / "hosts", "127.0.0.1 localhost\n")
    write_in_place(state / "resolv.conf", _RESOLVER)
    # Pods reach it at the node's addresses; feature gates of the tests' own server play no part here.
    # Verifiers of tokens read the keys where its discovery document says; by default that is loopback.
    flags = ["--bind-address=0.0.0.0", "--service-account-jwks-uri=https://kubernetes.default.svc/openid/v1/jwks"]
    with KubeApiserver(flags=flags) as server:
        kubeconfig = server.write_kubeconfig(state / "kubeconfig")
        (state / "ca.crt").write_bytes(server.ca_file.read_bytes())
        controllers = ServerProcess([str(kube_controllers()), str(kubeconfig)], log_file=state / "controllers.log")
        controllers.start()
        try:
            async with Api(url=server.url, token=server.token, ca_file=server.ca_file) as api:
                kubelet = Kubelet(api=api, folder=state, images=all_images())
                services = Services(api=api, hosts=state / "hosts")
                ingress = Ingress(api=api, services=services, socket=state / GATEWAY_SOCKET)
                await relay_from_path(str(state / API_SOCKET), to_port=server.port)
                await serve_control(
                    server=server, kubelet=kubelet, hosts=state / "hosts", socket=state / CONTROL_SOCKET
                )
                (state / "token").write_text(server.token)
                sys.stdout.write("ready\n")
                sys.stdout.flush()
                await asyncio.gather(kubelet.run(), services.run(), ingress.run())
        finally:
            controllers.kill()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
