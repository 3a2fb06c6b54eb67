"""What `make cluster` tells people to paste works as it stands."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.cluster.instructions import instructions
from tests.cluster.product import adapter_follows, remediation_requests
from tests.support.waiting import HANGS_AFTER, wait_for

if TYPE_CHECKING:
    from tests.cluster.machine import Machine


def test_alert_and_event_that_are_pasted_become_an_rr_each(machine: Machine) -> None:
    shown, event = instructions(machine).split("An Event, ")
    assert "HTTP/1.1 201 Created" in paste(shown)
    wait_for(lambda: adapter_follows(machine, ["shop"]), what="the source to follow", within=HANGS_AFTER)
    paste(shown.split("An alert, ")[0].replace("create namespace", "get namespace") + event)

    def targets() -> list[str]:
        rrs = remediation_requests(machine, namespace="shop")
        return sorted(each["spec"]["targetResource"]["name"] for each in rrs)

    wait_for(lambda: targets() == ["cart-1", "web-1"], what="both RRs", within=HANGS_AFTER)


def paste(text: str) -> str:
    """Run the lines that begin with two spaces, as they are, in a shell that knows aliases; return what they show."""
    lines = [line for line in text.splitlines() if line.startswith("  ")]
    command = ["bash", "-O", "expand_aliases", "-euc", "\n".join(lines)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
