"""Tokens and heads: whatever is sent, nobody gets in who should not, and nothing but a refusal comes of it."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any
from unittest.mock import MagicMock

import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.server import ServerState

from core.admission.gate import BearerGate
from core.admission.id_tokens import IdTokenAuthenticator
from core.admission.issuers import Issuer
from core.common.clock import MockClock
from core.common.resilience import Deadline
from core.errors import AccessError
from functions._connections import MAX_HEAD_BYTES, BoundedConnection
from tests.fuzz.effort import effort
from tests.fuzz.mutations import JSON, mutated_bytes
from tests.unit.admission.issuing import Key, LocalIssuer, claims, signed, token_part

ISSUER = "https://issuer.example"
KEY = Key("first")
GOOD = signed(KEY, claims(ISSUER))


def let_in(authorization: str) -> bool:
    """Tell whether the header's value lets in; what is raised must be a refusal."""
    clock = MockClock(datetime(2026, 1, 1, tzinfo=UTC))
    issuer = Issuer(source=LocalIssuer(ISSUER, KEY), clock=clock, warn=lambda _: None)
    gate = BearerGate(
        authenticators=[IdTokenAuthenticator(senders={issuer: frozenset({"alertmanager"})}, audiences=["sluice"])]
    )
    try:
        asyncio.run(gate.admit(authorization, deadline=Deadline(clock=clock, seconds=8)))
    except AccessError:
        return False
    return True


def test_good_token_lets_in() -> None:
    assert let_in(f"Bearer {GOOD}")


@given(mutated_bytes(st.just(GOOD.encode())))
@effort(40)
def test_mutated_token_lets_in_only_with_the_same_claims(token: bytes) -> None:
    text = token.decode("latin-1")
    if let_in(f"Bearer {text}"):
        assert text.strip().split(".")[:2] == GOOD.split(".")[:2]


@given(st.text(max_size=200))
@effort(50)
def test_any_header_without_the_token_is_refused(text: str) -> None:
    assert not let_in(text)


@given(JSON, JSON)
@effort(40)
def test_any_header_and_claims_under_a_signature_that_is_none_are_refused(header: Any, content: Any) -> None:
    assert not let_in(f"Bearer {token_part(header)}.{token_part(content)}.{GOOD.split('.')[2]}")


@given(st.dictionaries(st.sampled_from(["iss", "aud", "sub", "exp", "nbf", "iat", "email", "email_verified"]), JSON))
@effort(40)
def test_any_claim_that_the_issuer_signs_is_answered(changed: dict[str, Any]) -> None:
    content = claims(ISSUER) | changed
    token = signed(KEY, {}, payload=json.dumps(content).encode())
    if let_in(f"Bearer {token}"):
        assert content["iss"] == ISSUER
        assert content["aud"] == "sluice" or "sluice" in content["aud"]
        assert content["sub"] == "alertmanager" or content["email"] == "alertmanager"


HEAD = b"POST / HTTP/1.1\r\nHost: sluice\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def fed(pieces: list[bytes]) -> tuple[BoundedConnection, bytes]:
    transport = MagicMock()
    transport.is_closing.return_value = False
    config = uvicorn.Config(app, interface="asgi3", log_config=None)
    connection = BoundedConnection(config=config, server_state=ServerState(), app_state={})
    connection.connection_made(transport)
    for piece in pieces:
        connection.data_received(piece)
        await asyncio.sleep(0)
    await asyncio.gather(*connection.tasks)
    connection.connection_lost(None)
    return connection, b"".join(call.args[0] for call in transport.write.call_args_list)


@given(st.lists(mutated_bytes(st.just(HEAD)) | st.binary(max_size=100), max_size=6))
@effort(40)
def test_any_bytes_are_answered_by_http_or_not_at_all(pieces: list[bytes]) -> None:
    _, written = asyncio.run(fed(pieces))
    assert written[:9] in (b"", b"HTTP/1.1 ")


@given(st.lists(st.binary(min_size=1, max_size=9000), min_size=8, max_size=12))
@effort(25)
def test_no_head_is_kept_beyond_its_bound(pieces: list[bytes]) -> None:
    safe = [piece.replace(b"\r", b"x").replace(b"\n", b"x").replace(b"\0", b"x") for piece in pieces]
    connection, written = asyncio.run(fed([b"GET / HTTP/1.1\r\nX: ", *safe]))
    if sum(map(len, safe)) > MAX_HEAD_BYTES:
        assert written.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))
        assert not connection.tasks
