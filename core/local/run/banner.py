"""What `sluice run` shows. Lines to copy stand alone, unwrapped and without a frame around them."""

from __future__ import annotations

import json
import shlex
import sysconfig
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import getproxies, proxy_bypass

from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from core.common.text import rfc3339
from core.local.web import DEFAULT_PORT, SIGNAL_PATH

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import Console

    from core.local.cluster import Cluster

_ALERTMANAGER = """\
route:
  receiver: sluice
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
    """Return an alertmanager.yml that sends everything to `url`, uncut."""
    return _ALERTMANAGER.format(url=url + SIGNAL_PATH)


def _past_proxy() -> list[str]:
    # A proxy set in the environment would be asked for its own loopback.
    proxied = "http" in getproxies() and not proxy_bypass("127.0.0.1")
    return ["--noproxy", "127.0.0.1"] if proxied else []


_WIDTH_OF_TEXT = 100

_SHAPE = """\
{"summary": {"received": 1, "created": 1, ...},
 "results": [{"status": "created", "fingerprint": "...",
              "remediationRequestName": "rr-...", "duplicate": false,
              "metadata": {"count": 1, ...}}]}"""


def show_starting(console: Console, cluster: Cluster, *, url: str) -> None:
    """Say what is about to run where."""
    if not cluster.embedded:
        line = f"Using your cluster ({cluster.label}): every alert becomes a remediation request there."
        console.print(line, style="bold yellow", markup=False, soft_wrap=True)
    console.print(f"Starting the alertmanager function on {url} ...", style="dim", markup=False)


def show_banner(console: Console, cluster: Cluster, *, url: str, namespace: str, now: datetime, page: str = "") -> None:
    """Say what runs, and what to do with it; `page` is the console's URL, where there is one."""
    console.print()
    _rule(console, "Sluice is ready", style="bold green")
    console.print(_addresses(cluster, url, namespace, page))
    _step(console, "1. Send it an alert, from another terminal:")
    _verbatim(console, curl_line(url, now=now))
    console.print()
    _note(console, "The first time it answers 201: a RemediationRequest was created.")
    console.print(Text(_SHAPE), style="cyan", soft_wrap=True)
    _note(console, "Sent again it answers 202: the same remediation request, counted once more.")
    _step(console, "2. Look at the remediation requests:")
    _verbatim(console, _kubectl(cluster, namespace))
    if cluster.kubeconfig:
        _note(console, "Without kubectl, and as they come:")
        _verbatim(console, _watch(cluster, namespace))
    _step(console, "3. Send it a burst of some hundred alerts:")
    port = url.rpartition(":")[2]
    _verbatim(console, _demo(cluster, port))
    _step(console, "4. Point an Alertmanager at it (alertmanager.yml):")
    _verbatim(console, receiver_snippet(url))
    console.print()
    _rule(console, "Logs follow; Ctrl-C stops", style="dim")


def _addresses(cluster: Cluster, url: str, namespace: str, page: str) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    api = f"{cluster.server} (embedded, in memory: it ends with this command)" if cluster.embedded else cluster.server
    rows = {
        "console": page and f"{page} (open it: it shows RRs as they come)",
        "function": url,
        "healthz": f"{url}/healthz",
        "readyz": f"{url}/readyz",
        "metrics": f"{url}/metrics",
        "Kubernetes API": api,
        "context": "" if cluster.embedded else cluster.context,
        "namespace": namespace,
        "senders": "not checked (SLUICE_AUTH=none): only this machine can reach the function",
    }
    for name, value in rows.items():
        if value:
            table.add_row(name, Text(value))
    return table


def _demo(cluster: Cluster, port: str) -> str:
    options = {"PORT": "" if port == str(DEFAULT_PORT) else port, "YES": "" if cluster.embedded else "1"}
    return " ".join(["make demo", *(f"{name}={value}" for name, value in options.items() if value)])


def _kubectl(cluster: Cluster, namespace: str) -> str:
    kubeconfig = f"KUBECONFIG={shlex.quote(cluster.kubeconfig)} " if cluster.kubeconfig else ""
    return f"{kubeconfig}kubectl -n {namespace} get remediationrequests"


def _watch(cluster: Cluster, namespace: str) -> str:
    """Return the command of this environment that finds them; the embedded API it finds by itself."""
    sluice = shlex.quote(str(Path(sysconfig.get_path("scripts")) / "sluice"))
    if cluster.embedded:
        return f"{sluice} watch"
    return f"KUBECONFIG={shlex.quote(cluster.kubeconfig)} {sluice} watch -n {namespace}"


def _rule(console: Console, title: str, *, style: str) -> None:
    rule = Rule(Text(title, style=style), style=style, align="left")
    console.print(rule, width=min(console.width, _WIDTH_OF_TEXT))


def _step(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, style="bold"))


def _note(console: Console, text: str) -> None:
    console.print(Text(text), soft_wrap=True)


def _verbatim(console: Console, text: str) -> None:
    console.print(Text(text), style="cyan", soft_wrap=True)
