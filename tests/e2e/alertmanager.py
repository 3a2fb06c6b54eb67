"""A real Alertmanager on loopback."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Self

from prometheus_client.parser import text_string_to_metric_families

from tests.apiserver.process import ServerProcess, wait_until_up
from tests.e2e.alertmanager_programs import alertmanager
from tests.support.http import send, send_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    Labels = Mapping[str, str]

READY_WITHIN = 15.0  # seconds; 0.1 on an idle core
_LISTENING = re.compile(r'msg="Listening on".* address=(127\.0\.0\.1:\d+)')


class Alertmanager:
    """One that stands alone. A context manager: after it neither process nor port is left.

    Args:
        folder: an empty one for its configuration, data and log.
        receiver: the `webhook_config` of the only receiver.
        route: of the root, such as `group_by` and the intervals.
    """

    def __init__(self, *, folder: Path, receiver: Mapping[str, Any], route: Mapping[str, Any]) -> None:
        self.url = ""
        config = folder / "alertmanager.yml"
        config.write_text(json.dumps(_configuration(receiver, route)))  # JSON is YAML too
        self._process = ServerProcess(
            [
                str(alertmanager()),
                f"--config.file={config}",
                f"--storage.path={folder / 'data'}",
                "--cluster.listen-address=",
                "--web.listen-address=127.0.0.1:0",
            ],
            log_file=folder / "alertmanager.log",
            folder=folder,
        )

    def __enter__(self) -> Self:
        try:
            self._process.start()
            found = wait_until_up(self._listening, self._process, what="Alertmanager", within=READY_WITHIN)
            self.url = f"http://{found[1]}"
        except BaseException:
            self._process.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Let it end in order: it sends nothing any more."""
        self._process.stop()

    def fire(self, *alerts: Labels) -> None:
        """Report alerts, as Prometheus does."""
        self._post([{"labels": dict(labels), "annotations": {"summary": "from a test"}} for labels in alerts])

    def resolve(self, *alerts: Labels) -> None:
        """Report that alerts are over."""
        now = datetime.now(UTC).isoformat()
        self._post([{"labels": dict(labels), "endsAt": now} for labels in alerts])

    def metric(self, name: str) -> float:
        """The sum of a metric's samples about webhooks."""
        families = text_string_to_metric_families(send("GET", f"{self.url}/metrics").body.decode())
        samples = [sample for family in families for sample in family.samples if sample.name == name]
        return sum(sample.value for sample in samples if sample.labels.get("integration") == "webhook")

    def _post(self, alerts: list[dict[str, Any]]) -> None:
        answer = send_json("POST", f"{self.url}/api/v2/alerts", alerts)
        assert answer.status == 200, answer.body

    def _listening(self) -> re.Match[str] | None:
        found = _LISTENING.search(self._process.log_tail())
        return found if found and self._is_ready(found[1]) else None

    def _is_ready(self, address: str) -> bool:
        try:
            return send("GET", f"http://{address}/-/ready").status == 200
        except (OSError, HTTPException):
            return False


def _configuration(receiver: Mapping[str, Any], route: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "route": {"receiver": "sluice", **route},
        "receivers": [{"name": "sluice", "webhook_configs": [dict(receiver)]}],
    }
