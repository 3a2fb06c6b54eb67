"""Kinds and their paths."""

import pytest

from core.kube.client import path_of
from core.kube.resources import LEASES, SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS, Resource, remediation_requests

PODS = Resource("", "v1", "pods", "Pod")
RRS = remediation_requests(group="kubernaut.ai", version="v1alpha1")


@pytest.mark.parametrize(
    ("resource", "parts", "path"),
    [
        (PODS, {"namespace": "ops"}, "/api/v1/namespaces/ops/pods"),
        (PODS, {"namespace": "ops", "name": "web"}, "/api/v1/namespaces/ops/pods/web"),
        (LEASES, {"namespace": "ops"}, "/apis/coordination.k8s.io/v1/namespaces/ops/leases"),
        (
            RRS,
            {"namespace": "ops", "name": "rr-1", "subresource": "status"},
            "/apis/kubernaut.ai/v1alpha1/namespaces/ops/remediationrequests/rr-1/status",
        ),
        (TOKEN_REVIEWS, {}, "/apis/authentication.k8s.io/v1/tokenreviews"),
        (SUBJECT_ACCESS_REVIEWS, {}, "/apis/authorization.k8s.io/v1/subjectaccessreviews"),
    ],
)
def test_path_has_the_parts_that_are_given(resource, parts, path):
    assert path_of(resource, **parts) == path


def test_group_and_version_name_the_api():
    assert (PODS.api_version, LEASES.api_version) == ("v1", "coordination.k8s.io/v1")
    assert (RRS.api_version, RRS.kind) == ("kubernaut.ai/v1alpha1", "RemediationRequest")


def test_full_name_is_the_one_that_rbac_and_crds_use():
    assert (PODS.full_name, RRS.full_name) == ("pods", "remediationrequests.kubernaut.ai")
