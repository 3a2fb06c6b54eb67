"""A cluster for people: `python -m tests.cluster` starts it, with Sluice as shipped, until Ctrl-C.

`--build` only builds what it needs.
"""

from __future__ import annotations

import signal
import sys
import time

from tests.cluster.images import all_images, kube_controllers
from tests.cluster.knative import install_eventing, install_serving
from tests.cluster.machine import KubectlError, Machine, why_impossible
from tests.cluster.product import ALERTMANAGER, SHIPPED, SIGNALS, deploy, host_of, wait_for_events
from tests.gobuild import BuildError

_HOW_TO = """
Knative and Sluice are ready. In another terminal:

  export KUBECONFIG={kubeconfig}
  kubectl get pods -A                      # functions rest at zero, {rest} after the last alert
  kubectl -n sluice-system get remediationrequests

An alert, as Alertmanager sends it:

  TOKEN=$(kubectl -n monitoring create token alertmanager)
  curl -i {gateway}{path} -H "Host: {host}" \\
    -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" -d '{{"version": "4", "groupKey": "g",
    "status": "firing", "receiver": "sluice", "groupLabels": {{}}, "commonLabels": {{}}, "commonAnnotations": {{}},
    "externalURL": "http://alertmanager", "alerts": [{{"status": "firing", "startsAt": "2026-01-01T00:00:00Z",
    "labels": {{"alertname": "PodCrashLooping", "severity": "critical", "namespace": "shop", "pod": "cart-1"}},
    "annotations": {{}}, "fingerprint": "1", "generatorURL": "http://prometheus"}}]}}'

An Event, through ApiServerSource, Broker and Trigger:

  kubectl create namespace shop
  kubectl create -f - <<EOF
  {{apiVersion: v1, kind: Event, metadata: {{name: web-1.1, namespace: shop}}, type: Warning, reason: BackOff,
   message: Back-off restarting failed container, count: 1, source: {{component: kubelet}},
   firstTimestamp: "{now}", lastTimestamp: "{now}",
   involvedObject: {{apiVersion: v1, kind: Pod, namespace: shop, name: web-1}}}}
  EOF

What programs write: {folder}/pods; the life of each pod: {folder}/kubelet.log.
Ctrl-C ends it, and nothing of it is left.
"""


def build() -> int:
    """Build all programs; 1 and a sentence where one cannot be had."""
    try:
        kube_controllers()
        all_images()
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def main() -> int:
    """Run the cluster until it is interrupted."""
    if failed := build():
        return failed
    if reason := why_impossible():
        sys.stderr.write(f"{reason}\n")
        return 1
    try:
        with Machine() as machine:
            _install(machine)
            _say(
                _HOW_TO.format(
                    kubeconfig=machine.kubeconfig,
                    gateway=machine.gateway_url,
                    path=SIGNALS,
                    host=host_of(ALERTMANAGER),
                    folder=machine.folder,
                    rest="7 minutes",
                    now=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                )
            )
            signal.pause()
    except KeyboardInterrupt:
        _say("ended")
    except KubectlError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _install(machine: Machine) -> None:
    _say("API server, controllers and a node run; installing Knative Serving…")
    install_serving(machine)
    _say("installing Knative Eventing…")
    install_eventing(machine)
    _say("applying knative/base…")
    deploy(machine, SHIPPED)
    wait_for_events(machine)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main() if sys.argv[1:] != ["--build"] else build())
