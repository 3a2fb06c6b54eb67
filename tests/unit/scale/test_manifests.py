"""The model reads the manifests that are shipped."""

import pytest
import yaml

from tests.bench.scale.manifests import ServiceSettings, base_service, overlay_service

SERVICE = """
spec:
  template:
    metadata:
      annotations: {autoscaling.knative.dev/target: "40", autoscaling.knative.dev/window: 2m}
    spec:
      containerConcurrency: 10
      containers: [{resources: {requests: {cpu: 250m}, limits: {cpu: "1"}}}]
"""


def test_the_base_is_read_from_its_annotations():
    assert base_service() == ServiceSettings(
        container_concurrency=80,
        timeout=30.0,
        target=40.0,
        target_burst_capacity=200.0,
        max_scale=4,
        retention=360.0,
        cpu_request=0.25,
    )


@pytest.mark.parametrize(("overlay", "least", "most"), [("dev", 0, 1), ("production", 2, 10)])
def test_overlays_change_what_they_patch(overlay, least, most):
    service = overlay_service(overlay)
    assert (service.min_scale, service.max_scale) == (least, most)
    assert service.target == base_service().target


@pytest.mark.parametrize("name", ["kubernetes-event", "pubsub"])
def test_the_other_functions_are_read_too(name):
    assert base_service(name).container_concurrency > 0


def test_a_target_is_never_more_than_the_concurrency():
    service = ServiceSettings.of(yaml.safe_load(SERVICE))
    assert (service.target, service.window) == (10.0, 120.0)


def test_an_unknown_annotation_is_named():
    service = yaml.safe_load(SERVICE.replace("window", "scale-down-delay"))
    with pytest.raises(ValueError, match=r"does not know autoscaling\.knative\.dev/scale-down-delay"):
        ServiceSettings.of(service)
