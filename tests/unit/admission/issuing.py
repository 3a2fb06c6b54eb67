"""An issuer of ID tokens made in the test: keys, documents, tokens."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

if TYPE_CHECKING:
    from core.common.resilience import Deadline

_RSA_KEYS = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]
_EC_KEY = ec.generate_private_key(ec.SECP256R1())


class Key:
    """A private key, and how the public one is published."""

    def __init__(self, kid: str, *, kind: str = "RSA", number: int = 0, **fields: Any) -> None:
        self.kid = kid
        self.algorithm = "RS256" if kind == "RSA" else "ES256"
        self.private: Any = _RSA_KEYS[number] if kind == "RSA" else _EC_KEY
        publish: Any = RSAAlgorithm.to_jwk if kind == "RSA" else ECAlgorithm.to_jwk
        self.public = publish(self.private.public_key(), as_dict=True) | {"kid": kid, "use": "sig"} | fields

    @property
    def pem(self) -> bytes:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        encoded: bytes = self.private.public_key().public_bytes(serialization.Encoding.PEM, form)
        return encoded


class LocalIssuer:
    """Source of documents, as core.admission.issuers reads them; counts the readings."""

    def __init__(self, name: str, *keys: Key, known: bool = True) -> None:
        self.name = name if known else ""
        self._called = name
        self.published = [key.public for key in keys]
        self.readings = 0
        self.fails_with: Exception | None = None
        self.held = asyncio.Event()
        self.held.set()

    async def discover(self, *, deadline: Deadline) -> tuple[str, str]:
        self.readings += 1
        await self.held.wait()
        if self.fails_with:
            raise self.fails_with
        return self._called, "keys"

    async def keys(self, where: str, *, deadline: Deadline) -> dict[str, Any]:
        assert where == "keys"
        return {"keys": self.published}


def claims(issuer: str, **changed: Any) -> dict[str, Any]:
    """What a good token says; None takes a claim out."""
    now = int(time.time())
    good = {"iss": issuer, "aud": "sluice", "sub": "alertmanager", "iat": now, "exp": now + 600}
    return {name: value for name, value in (good | changed).items() if value is not None}


def signed(key: Key, content: dict[str, Any], *, payload: bytes = b"", **header: Any) -> str:
    """A token; `payload` stands for claims that the library would not write."""
    written = payload or json.dumps(content).encode()
    return jwt.PyJWS().encode(written, key.private, algorithm=key.algorithm, headers={"kid": key.kid} | header)


def token_part(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()
