"""A call to the API server and its answer, and the way between them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """One call: `path` starts with a slash; neither it nor `query` is escaped yet."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = "application/json"
    accept: str = "application/json"


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """An answer, whatever its status; header names are case-insensitive."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """The way to the API server; the simulation and the embedded API bring their own."""

    async def send(self, request: ApiRequest, *, timeout: float) -> ApiResponse:
        """Send one call.

        Raises:
            ApiUnreachableError: no complete answer within `timeout` seconds.
        """

    async def close(self) -> None:
        """Close all connections."""
