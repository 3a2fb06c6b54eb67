"""What a newcomer pastes: one alert for curl, one receiver for Alertmanager."""

import json
import shlex
from datetime import datetime
from urllib.request import getproxies, proxy_bypass

from core.local.web import SIGNAL_PATH
from core.timestamps import rfc3339

_RECEIVER = """\
receivers:
  - name: sluice
    webhook_configs:
      - url: {url}
        send_resolved: true
        max_alerts: 0"""


def curl_line(url: str, *, now: datetime) -> str:
    """Return a shell command that posts one firing alert to `url` and shows the answer and its code."""
    alert = {
        "status": "firing",
        "labels": {
            "alertname": "KubePodCrashLooping",
            "namespace": "shop",
            "pod": "checkout-7d9c6bdf5-x2x7k",
            "severity": "critical",
        },
        "startsAt": rfc3339(now.replace(microsecond=0)),
    }
    webhook = json.dumps({"version": "4", "status": "firing", "alerts": [alert]}, separators=(",", ":"))
    parts = ["curl", "-sS", *_past_proxy(), "-w", r"\n%{http_code}\n", "-H", "Content-Type: application/json"]
    return shlex.join([*parts, "-d", webhook, url + SIGNAL_PATH])


def receiver_snippet(url: str) -> str:
    """Return the part of an alertmanager.yml that sends everything to `url`, uncut."""
    return _RECEIVER.format(url=url + SIGNAL_PATH)


def _past_proxy() -> list[str]:
    # A proxy set in the environment would be asked for its own loopback.
    proxied = "http" in getproxies() and not proxy_bypass("127.0.0.1")
    return ["--noproxy", "127.0.0.1"] if proxied else []
