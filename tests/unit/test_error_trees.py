"""The trees drawn on top of the error modules are the trees that exist."""

import importlib
import pkgutil

import pytest

import core
from core import errors
from core.kube import errors as kube_errors
from tests.support.drawing import drawn_tree, real_tree


def test_tree_of_all_errors_is_drawn_as_it_is():
    drawn = drawn_tree(errors.__doc__ or "")
    assert drawn.pop("KubernetesError") == "SluiceError"
    assert len(drawn) > 10
    assert drawn == real_tree(errors.SluiceError, errors)


def test_tree_of_kubernetes_errors_is_drawn_as_it_is():
    drawn = drawn_tree(kube_errors.__doc__ or "")
    assert len(drawn) > 10
    assert drawn == real_tree(kube_errors.KubernetesError, kube_errors)
    assert kube_errors.KubernetesError.__bases__ == (errors.SluiceError,)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (errors.PayloadError, 400),
        (errors.PayloadTooLargeError, 413),
        (errors.UnsupportedPayloadError, 415),
        (errors.AccessError, 403),
        (errors.PermissionDeniedError, 403),
        (errors.UnauthenticatedError, 401),
    ],
)
def test_refusals_of_a_request_carry_the_status_that_the_tree_names(kind, status):
    assert kind.status == status
    assert str(status) in (errors.__doc__ or "")


def test_no_deployed_module_has_errors_of_its_own():
    deployed = [
        importlib.import_module(module.name)
        for module in pkgutil.walk_packages(core.__path__, "core.")
        if not module.name.startswith("core.local")
    ]
    drawn = drawn_tree(errors.__doc__ or "") | drawn_tree(kube_errors.__doc__ or "")
    assert set(real_tree(errors.SluiceError, *deployed)) == set(drawn)
