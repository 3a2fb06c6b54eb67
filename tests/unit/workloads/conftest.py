import pytest

from tests.unit.workloads.objects import Objects


@pytest.fixture
def objects() -> Objects:
    return Objects()


@pytest.fixture
def shop(objects: Objects) -> Objects:
    """A Pod of a Deployment in a namespace, none of them labelled or silenced."""
    objects.add("Namespace", "shop")
    objects.add("Pod", "p", owner=("Deployment", "d"))
    objects.add("Deployment", "d")
    return objects
