"""The kinds the gateway calls, and their paths."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind as its URL names it; the core group is an empty string. `definition`: the file to apply where a kind of
    ours is not served."""

    group: str
    version: str
    plural: str
    kind: str
    custom: bool = False
    definition: str = "knative/cluster/crd.yaml"

    @property
    def api_version(self) -> str:
        """The object's `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def full_name(self) -> str:
        """The name RBAC rules and error messages use, such as `leases.coordination.k8s.io`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def root(self) -> str:
        """The URL path of the API group's version."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def path(self, *, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Return the URL path; an empty part is left out."""
        scope = f"/namespaces/{namespace}" if namespace else ""
        return "".join(
            [
                self.root,
                scope,
                f"/{self.plural}",
                f"/{name}" if name else "",
                f"/{subresource}" if subresource else "",
            ]
        )


@dataclass(frozen=True, slots=True)
class ServedKind:
    """A kind, where it is read, and whether its objects are in a namespace."""

    resource: Resource
    namespaced: bool = True

    @property
    def kind(self) -> str:
        """Its name, such as `Deployment`."""
        return self.resource.kind

    @property
    def api_version(self) -> str:
        """The `apiVersion` that it is read with."""
        return self.resource.api_version


KINDS = {
    resource.kind: ServedKind(resource, namespaced=resource.kind not in ("PersistentVolume", "Node", "Namespace"))
    for resource in (
        Resource("", "v1", "pods", "Pod"),
        Resource("", "v1", "replicationcontrollers", "ReplicationController"),
        Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim"),
        Resource("", "v1", "persistentvolumes", "PersistentVolume"),
        Resource("", "v1", "nodes", "Node"),
        Resource("", "v1", "namespaces", "Namespace"),
        Resource("apps", "v1", "replicasets", "ReplicaSet"),
        Resource("apps", "v1", "deployments", "Deployment"),
        Resource("apps", "v1", "statefulsets", "StatefulSet"),
        Resource("apps", "v1", "daemonsets", "DaemonSet"),
        Resource("batch", "v1", "jobs", "Job"),
        Resource("batch", "v1", "cronjobs", "CronJob"),
        Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler"),
        Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget"),
    )
}
"""Kubernetes' own kinds that signals name, by kind: they are read without discovery. One version of each, whatever
version a signal names: the metadata is the same in all of them."""

CORE_EVENTS = Resource("", "v1", "events", "Event")
EVENTS = Resource("events.k8s.io", "v1", "events", "Event")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
TOKEN_REVIEWS = Resource("authentication.k8s.io", "v1", "tokenreviews", "TokenReview")
SELF_SUBJECT_RULES_REVIEWS = Resource("authorization.k8s.io", "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview")
SUBJECT_ACCESS_REVIEWS = Resource("authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview")


def remediation_requests(*, group: str, version: str) -> Resource:
    """Return the RemediationRequest kind of an API group: two are in the field."""
    return Resource(group, version, "remediationrequests", "RemediationRequest", custom=True)
