"""The environment of a container, from its manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cluster.api import Api, Object

CLUSTER_ADDRESS = "10.0.0.1"  # of the Service `kubernetes`, and in the API server's certificate


class UnknownSourceError(Exception):
    """A manifest takes a variable from what this kubelet does not know."""


async def environment(container: Object, *, pod: Object, address: str, node_address: str, api: Api) -> dict[str, str]:
    """What the manifest gives. Raises UnknownSourceError."""
    values = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOSTNAME": pod["metadata"]["name"],
        # Straight to the server's port: a relay of all API traffic would be the machine's bottleneck.
        "KUBERNETES_SERVICE_HOST": CLUSTER_ADDRESS,
        "KUBERNETES_SERVICE_PORT": api.port,
    }
    fields = {
        "metadata.name": pod["metadata"]["name"],
        "metadata.namespace": pod["metadata"]["namespace"],
        "metadata.uid": pod["metadata"]["uid"],
        "status.podIP": address,
        "status.hostIP": node_address,
        "spec.nodeName": pod["spec"]["nodeName"],
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", "default"),
    }
    namespace = pod["metadata"]["namespace"]
    for source in container.get("envFrom", []):
        values |= await _config_map(api, namespace, source["configMapRef"]["name"])
    for each in container.get("env", []):
        source = each.get("valueFrom")
        if source is None:
            values[each["name"]] = each.get("value", "")
        elif "fieldRef" in source:
            values[each["name"]] = fields[source["fieldRef"]["fieldPath"]]
        elif "configMapKeyRef" in source:
            wanted = source["configMapKeyRef"]
            values[each["name"]] = (await _config_map(api, namespace, wanted["name"])).get(wanted["key"], "")
        elif "resourceFieldRef" in source:
            values[each["name"]] = "0"  # no limit
        else:
            raise UnknownSourceError(f"variable {each['name']} of container {container['name']}: {source}")
    return values


async def _config_map(api: Api, namespace: str, name: str) -> dict[str, str]:
    _, found = await api.call("GET", f"/api/v1/namespaces/{namespace}/configmaps/{name}")
    return dict(found.get("data") or {})
