import pytest

from tests.unit.workloads.objects import Objects


@pytest.fixture
def objects() -> Objects:
    return Objects()
