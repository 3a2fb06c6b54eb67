"""What `make cluster` tells people to paste: an alert and an Event, and where to look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cluster.product import ALERTMANAGER, SIGNALS, host_of
from tests.knative.programs import kubectl

if TYPE_CHECKING:
    from tests.cluster.machine import Machine

# Pasted with its indentation: so no here-document, whose end must stand at the start of a line, and nothing that
# begins with a brace, which kubectl would read as JSON.
_TEXT = """
Knative and Sluice are ready. In another terminal:

  export KUBECONFIG={kubeconfig}
  alias kubectl={kubectl}
  kubectl create namespace shop            # the source of Events starts anew for it, which takes some seconds
  kubectl get pods -A                      # functions rest at zero, 7 minutes after the last alert

An alert, as Alertmanager sends it:

  TOKEN=$(kubectl -n monitoring create token alertmanager)
  curl -i {gateway}{path} -H "Host: {host}" \\
    -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" -d '{{"version": "4", "groupKey": "g",
    "status": "firing", "receiver": "sluice", "groupLabels": {{}}, "commonLabels": {{}}, "commonAnnotations": {{}},
    "externalURL": "http://alertmanager", "alerts": [{{"status": "firing", "startsAt": "2026-01-01T00:00:00Z",
    "labels": {{"alertname": "PodCrashLooping", "severity": "critical", "namespace": "shop", "pod": "cart-1"}},
    "annotations": {{}}, "fingerprint": "1", "generatorURL": "http://prometheus"}}]}}'

An Event, through ApiServerSource, Broker and Trigger:

  NOW=$(date -u +%Y-%m-%dT%H:%M:%SZ)
  echo "apiVersion: v1
  kind: Event
  metadata: {{generateName: web-1., namespace: shop}}
  type: Warning
  reason: BackOff
  message: Back-off restarting failed container
  count: 1
  source: {{component: kubelet}}
  firstTimestamp: '$NOW'
  lastTimestamp: '$NOW'
  involvedObject: {{apiVersion: v1, kind: Pod, namespace: shop, name: web-1}}" | sed 's/^  //' | kubectl create -f -

What came of them, a few seconds later:

  kubectl -n sluice-system get remediationrequests

What programs write: {folder}/pods; the life of each pod: {folder}/kubelet.log.
Ctrl-C ends it, and nothing of it is left.
"""


def instructions(machine: Machine) -> str:
    """The text; the lines to paste begin with two spaces."""
    return _TEXT.format(
        kubeconfig=machine.kubeconfig,
        kubectl=kubectl(),
        gateway=machine.gateway_url,
        path=SIGNALS,
        host=host_of(ALERTMANAGER),
        folder=machine.folder,
    )
