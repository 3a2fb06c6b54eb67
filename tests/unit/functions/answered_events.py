"""What the senders of CloudEvents are answered, and what is stored of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from core.kube.client import path_of
from core.kube.transport import ApiRequest
from tests.support.instances import RRS
from tests.support.wire import deliver
from tests.unit.functions.conftest import NAMESPACE

if TYPE_CHECKING:
    from tests.support.wire import Wire
    from tests.unit.functions.asgi import Answered


def acknowledged(answer: Answered) -> None:
    """2xx of those that Pub/Sub takes too, and nothing that a Broker would take for a reply."""
    assert answer.status in (200, 201, 202), answer.body
    assert (answer.body, answer.headers["Content-Length"]) == (b"", "0")
    assert "Content-Type" not in answer.headers
    _check(answer)


def refused(answer: Answered) -> str:
    """400, which a Broker sends to its dead letter sink; returns the sentence."""
    assert "Retry-After" not in answer.headers
    _check(answer)
    return answer.problem(400)


def comes_again(answer: Answered) -> str:
    """503, which all senders retry; returns the sentence."""
    assert int(answer.headers["Retry-After"]) >= 1
    _check(answer)
    return answer.problem(503)


async def stored(wire: Wire) -> list[Any]:
    """All RemediationRequests."""
    answer = await deliver(wire.app, ApiRequest(method="GET", path=path_of(RRS, namespace=NAMESPACE)))
    return list(json.loads(answer.body)["items"])


def logged(capsys: Any) -> list[Any]:
    """All log lines since the last look."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def _check(answer: Answered) -> None:
    assert not [name for name in answer.headers if name.lower().startswith("ce-")]
    assert "X-Google-Status" not in answer.headers
