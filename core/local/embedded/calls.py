"""A request and its answer, free of any HTTP library, so that a simulation can call the API as a function."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request: `path` and `query` are unescaped, header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One complete answer."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
