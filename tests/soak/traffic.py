"""What a busy day sends: new alerts, repeats, resolved ones, whole groups, and bodies that can never work."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from tests.e2e.function import alert, webhook

if TYPE_CHECKING:
    import random

STEADY_PODS = 200
"""Pods that alert again and again; their RRs end meanwhile and are opened again."""

_KINDS = {"repeat": 50, "new": 15, "group": 10, "resolved": 10, "bad": 10, "probe": 5}
_BAD_BODIES = (
    b"",
    b"{",
    b"[]",
    b'{"alerts": 1}',
    b'{"version": "4", "alerts": [{"status": "firing", "labels": {}}]}',
    b'"' + b"x" * 100_000,
    b"\xff\xfe",
)


@dataclass(frozen=True, kw_only=True)
class Post:
    """One request to the function. `pods` are those whose alerts fire in it, once for each alert."""

    kind: str
    body: bytes = b""
    pods: tuple[str, ...] = ()


@dataclass
class Traffic:
    """Draws posts from one source of random numbers, and keeps count of what was sent and acknowledged."""

    random: random.Random
    sent: Counter[str] = field(default_factory=Counter)
    acknowledged: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    _fresh: int = 0

    def draw(self) -> Post:
        """Return the next post."""
        (kind,) = self.random.choices(list(_KINDS), list(_KINDS.values()))
        if kind == "probe":
            return Post(kind=kind)
        if kind == "bad":
            return Post(kind=kind, body=self.random.choice(_BAD_BODIES))
        pods = [self._steady()]
        if kind == "new":
            pods = [self._new()]
        elif kind == "group":
            pods = [self._steady() for _ in range(self.random.randint(2, 10))] + [self._new()]
        status = "resolved" if kind == "resolved" else "firing"
        body = json.dumps(webhook(*(alert(pod, status=status) for pod in pods))).encode()
        return Post(kind=kind, body=body, pods=() if kind == "resolved" else tuple(pods))

    def note_sent(self, post: Post) -> None:
        """Say that a post is on its way."""
        self.sent.update(map(fingerprint, post.pods))

    def note_answer(self, post: Post, status: int) -> None:
        """Say what the function answered; 0 where it gave no answer."""
        self.statuses[f"{post.kind} {status}"] += 1
        if 200 <= status < 300:
            self.acknowledged.update(map(fingerprint, post.pods))

    def _steady(self) -> str:
        return f"steady-{self.random.randrange(STEADY_PODS)}"

    def _new(self) -> str:
        self._fresh += 1
        return f"new-{self._fresh}"


def fingerprint(pod: str) -> str:
    """The fingerprint of an alert on a pod that has no owner."""
    return sha256(f"prod:Pod:{pod}".encode()).hexdigest()
