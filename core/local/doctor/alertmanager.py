"""Alertmanager's configuration: does every alert arrive, whole and in time, and nothing that is about no object?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from core.local.doctor.findings import Finding, failure, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from core.settings import Settings

SIGNALS_PATH = "/api/v1/signals"
SECRET = "<secret>"  # noqa: S105 - what Alertmanager's API shows in a URL's place

UNTARGETED = ("Watchdog", "InfoInhibitor", "AlertmanagerFailedToSendAlerts", "AlertmanagerClusterFailedToSendAlerts")
"""Alerts of the usual rules that are about no object, or about a delivery that fails."""

_MATCHER = re.compile(r"""\s*([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*"?((?:[^"\\]|\\.)*?)"?\s*\Z""", re.ASCII)
_DURATION = re.compile(r"(\d+)(ms|[smhdwy])")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}
_AUTHORIZED_BY = ("authorization", "oauth2", "bearer_token", "bearer_token_file", "basic_auth")


def check_alertmanager(config: Mapping[str, Any], settings: Settings) -> list[Finding]:
    """Look at a configuration as it stands in alertmanager.yml."""
    ours = dict(_our_webhooks(config))
    if not ours:
        remedy = f"add one whose url ends in {SIGNALS_PATH}/prometheus (knative/examples/alertmanager.yml)"
        return [failure("alertmanager", "no receiver has a webhook_config of Sluice's", remedy)]
    found = [fault for name, webhook in ours.items() for fault in _faults(name, webhook, config, settings)]
    found += _routes(config, set(ours))
    return found or [ok("alertmanager", f"receiver {', '.join(ours)}: every alert arrives, whole and in time")]


def _our_webhooks(config: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for receiver in _mappings(config.get("receivers")):
        name = str(receiver.get("name", ""))
        for webhook in _mappings(receiver.get("webhook_configs")):
            url = str(webhook.get("url", webhook.get("url_file", "")))
            if SIGNALS_PATH in url or "sluice" in url or (url == SECRET and "sluice" in name):
                yield name, webhook


def _faults(name: str, webhook: Mapping[str, Any], config: Mapping[str, Any], settings: Settings) -> Iterator[Finding]:
    if most := webhook.get("max_alerts"):
        message = f"receiver {name} has max_alerts: {most}: what is above is cut off, and counts as delivered"
        yield failure("alertmanager", message, "set max_alerts: 0")
    if webhook.get("send_resolved") is False:
        message = f"receiver {name} has send_resolved: false: nobody learns that an alert has ended"
        yield warning("alertmanager", message, "set send_resolved: true")
    timeout = _seconds(webhook.get("timeout"))
    if 0 < timeout < settings.request_deadline:
        deadline = f"SLUICE_REQUEST_DEADLINE={settings.request_deadline:g}"
        message = f"receiver {name} gives up after {timeout:g} s, before {deadline}"
        yield failure("alertmanager", message, "leave timeout out, or set it above; else alerts are counted twice")
    http = webhook.get("http_config") or (config.get("global") or {}).get("http_config") or {}
    if "none" not in settings.auth_ways and not any(http.get(way) for way in _AUTHORIZED_BY):
        message = f"receiver {name} sends no token, and SLUICE_AUTH={settings.auth} wants one: all is refused with 401"
        remedy = "set http_config.authorization.credentials_file to its service account's token"
        yield failure("alertmanager", message, remedy)


def _routes(config: Mapping[str, Any], ours: set[str]) -> list[Finding]:
    route = config.get("route")
    if not isinstance(route, dict):
        return [failure("alertmanager", "there is no route", "add one to Sluice's receiver")]
    if not ours & {str(each.get("receiver")) for each in _all_routes(route)}:
        return [failure("alertmanager", f"no route leads to {', '.join(sorted(ours))}", "name it in a route")]
    stray = [name for name in UNTARGETED if ours & set(_receivers(route, {"alertname": name, "severity": "none"}, ""))]
    if not stray:
        return []
    message = f"{', '.join(stray)} come here: they are about no object, or about a delivery to us that fails"
    remedy = "route them elsewhere before, as knative/examples/alertmanager.yml does; Sluice ignores most of them"
    return [warning("alertmanager", message, remedy)]


def _all_routes(route: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield route
    for child in _mappings(route.get("routes")):
        yield from _all_routes(child)


def _receivers(route: Mapping[str, Any], labels: Mapping[str, str], inherited: str) -> Iterator[str]:
    """Yield who gets an alert: of the children that match the first, and those after it while they say `continue`."""
    receiver = str(route.get("receiver") or inherited)
    matched = False
    for child in _mappings(route.get("routes")):
        if _matches(child, labels):
            matched = True
            yield from _receivers(child, labels, receiver)
            if not child.get("continue"):
                return
    if not matched:
        yield receiver


def _matches(route: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    equal = all(labels.get(key, "") == str(text) for key, text in (route.get("match") or {}).items())
    alike = all(_fits(str(text), labels.get(key, "")) for key, text in (route.get("match_re") or {}).items())
    return equal and alike and all(_holds(str(matcher), labels) for matcher in route.get("matchers") or ())


def _holds(matcher: str, labels: Mapping[str, str]) -> bool:
    parsed = _MATCHER.match(matcher)
    if parsed is None:  # Alertmanager itself says what is wrong with it
        return False
    label, operator, text = parsed.groups()
    value = labels.get(label, "")
    same = _fits(text, value) if "~" in operator else text == value
    return same != operator.startswith("!")


def _fits(pattern: str, value: str) -> bool:
    try:
        return re.fullmatch(pattern, value) is not None
    except re.error:  # Go's expressions are almost Python's
        return False


def _seconds(duration: object) -> float:
    return sum(int(number) * _SECONDS[unit] for number, unit in _DURATION.findall(str(duration or "")))


def _mappings(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
