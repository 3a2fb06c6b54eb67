"""The lock files hold every extra that is asked for: pip resolves an extra without a pin to the newest release."""

import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_PINNED = re.compile(r"^(?P<name>[\w.-]+)(?:\[(?P<extras>[^]]+)])?==", re.MULTILINE)


def pinned_extras(lock: str) -> dict[str, set[str]]:
    text = (Path(__file__).parents[2] / lock).read_text()
    return {canonicalize_name(pin["name"]): set((pin["extras"] or "").split(",")) for pin in _PINNED.finditer(text)}


def asked_extras(name: str) -> list[Requirement]:
    try:
        wanted = metadata.requires(name) or ()
    except metadata.PackageNotFoundError:  # pinned for another platform
        return []
    requirements = map(Requirement, wanted)
    return [
        each for each in requirements if each.extras and (each.marker is None or each.marker.evaluate({"extra": ""}))
    ]


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt", "requirements-otel.txt"])
def test_every_extra_that_a_package_asks_for_is_pinned_with_it(lock):
    pins = pinned_extras(lock)
    asked = {canonicalize_name(each.name): each.extras for name in pins for each in asked_extras(name)}

    assert asked
    assert {name: extras - pins[name] for name, extras in asked.items() if not extras <= pins[name]} == {}


def test_traces_change_no_pin_of_a_deployment() -> None:
    whole, traced = (pins(lock) for lock in ("requirements.txt", "requirements-otel.txt"))
    assert whole <= traced
    assert {pin.partition("==")[0] for pin in traced - whole} >= {"opentelemetry-exporter-otlp-proto-http"}


def pins(lock: str) -> set[str]:
    lines = (Path(__file__).parents[2] / lock).read_text().splitlines()
    return {line.removesuffix(" \\") for line in lines if "==" in line}
