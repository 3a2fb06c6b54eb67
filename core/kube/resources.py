"""The kinds that the gateway calls. How a call is made of one is the client's (core.kube.client)."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind that the API server serves.

    Attributes:
        group: API group; the core group is an empty string.
        version: of the group.
        plural: as URLs and RBAC rules name it.
        kind: its name, such as `Deployment`.
        namespaced: whether its objects are in a namespace.
        custom: whether a definition has to be applied before it is served.
        definition: the file to apply where a kind of ours is not served.
        api_version: the objects' `apiVersion`.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    custom: bool = False
    definition: str = "knative/cluster/crd.yaml"
    api_version: str = field(init=False)

    def __post_init__(self) -> None:
        # Made once: the path of every call has it.
        object.__setattr__(self, "api_version", f"{self.group}/{self.version}" if self.group else self.version)

    @property
    def full_name(self) -> str:
        """The name RBAC rules and error messages use, such as `leases.coordination.k8s.io`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


KINDS = {
    resource.kind: resource
    for resource in (
        Resource("", "v1", "pods", "Pod"),
        Resource("", "v1", "replicationcontrollers", "ReplicationController"),
        Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim"),
        Resource("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False),
        Resource("", "v1", "nodes", "Node", namespaced=False),
        Resource("", "v1", "namespaces", "Namespace", namespaced=False),
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
TOKEN_REVIEWS = Resource("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", namespaced=False)
SELF_SUBJECT_RULES_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", namespaced=False
)
SUBJECT_ACCESS_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False
)


def remediation_requests(*, group: str, version: str) -> Resource:
    """Return the RemediationRequest kind of an API group: two are in the field."""
    return Resource(group, version, "remediationrequests", "RemediationRequest", custom=True)
