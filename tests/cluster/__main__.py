"""A cluster for people: `python -m tests.cluster` starts it, with Sluice as shipped, until Ctrl-C.

`--build` only builds what it needs.
"""

from __future__ import annotations

import signal
import sys

from tests.cluster.images import all_images, kube_controllers
from tests.cluster.instructions import instructions
from tests.cluster.knative import install_eventing, install_serving
from tests.cluster.machine import KubectlError, Machine, why_impossible
from tests.cluster.product import SHIPPED, deploy, wait_for_events
from tests.gobuild import BuildError


def build() -> int:
    """Build all programs; 1 and a sentence where one cannot be had."""
    try:
        kube_controllers()
        all_images()
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def main() -> int:
    """Run the cluster until it is interrupted."""
    if failed := build():
        return failed
    if reason := why_impossible():
        sys.stderr.write(f"{reason}\n")
        return 1
    try:
        with Machine() as machine:
            _install(machine)
            _say(instructions(machine))
            signal.pause()
    except KeyboardInterrupt:
        _say("ended")
    except KubectlError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _install(machine: Machine) -> None:
    _say("API server, controllers and a node run; installing Knative Serving…")
    install_serving(machine)
    _say("installing Knative Eventing…")
    install_eventing(machine)
    _say("applying knative/base…")
    deploy(machine, SHIPPED)
    wait_for_events(machine)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main() if sys.argv[1:] != ["--build"] else build())
