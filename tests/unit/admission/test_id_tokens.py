"""ID tokens: whose are taken, which attacks are not, and how often the issuer is asked for its keys."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from core.admission.gate import BearerGate
from core.admission.id_tokens import IdTokenAuthenticator
from core.admission.issuers import FRESH_SECONDS, REFRESH_SECONDS, STALE_SECONDS, Issuer
from core.common.clock import MockClock
from core.common.resilience import Deadline
from core.errors import DeadlineExceededError, PermissionDeniedError, TransientError, UnauthenticatedError
from tests.unit.admission.issuing import Key, LocalIssuer, claims, signed

GOOGLE = "https://accounts.google.com"
CLUSTER = "https://kubernetes.default.svc.cluster.local"
PUSH = "push@project.iam.gserviceaccount.com"


class Entrance:
    """A gate for ID tokens of two issuers made here."""

    def __init__(self) -> None:
        self.clock = MockClock(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
        self.key = Key("first")
        self.google = LocalIssuer(GOOGLE, self.key)
        self.cluster_key = Key("of-cluster", kind="EC")
        self.cluster = LocalIssuer(CLUSTER, self.cluster_key, known=False)
        self.warnings: list[str] = []
        senders = {
            self._issuer(self.google): frozenset({"alertmanager", PUSH}),
            self._issuer(self.cluster): frozenset({"system:serviceaccount:sluice-system:sender"}),
        }
        self.gate = BearerGate(
            authenticators=[IdTokenAuthenticator(senders=senders, audiences=["sluice", "https://sluice.example"])]
        )

    def _issuer(self, source: LocalIssuer) -> Issuer:
        return Issuer(source=source, clock=self.clock, warn=self.warnings.append)

    async def admit(self, token: str, *, seconds: float = 8.0) -> str:
        return await self.gate.admit(f"Bearer {token}", deadline=Deadline(clock=self.clock, seconds=seconds))

    def wait(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))


@pytest.fixture
def entrance():
    return Entrance()


def _part(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


class TestSenders:
    async def test_account_that_is_named_is_let_in(self, entrance):
        assert await entrance.admit(signed(entrance.key, claims(GOOGLE))) == f"{GOOGLE}#alertmanager"

    async def test_audience_may_be_any_of_ours_and_one_of_many(self, entrance):
        await entrance.admit(signed(entrance.key, claims(GOOGLE, aud=["other", "https://sluice.example"])))

    async def test_knatives_sender_is_let_in_by_the_clusters_own_issuer(self, entrance):
        sender = claims(CLUSTER, sub="system:serviceaccount:sluice-system:sender", aud=["sluice"])
        await entrance.admit(signed(entrance.cluster_key, sender))

    async def test_googles_account_is_let_in_by_its_verified_email(self, entrance):
        google = claims(GOOGLE, sub="112233445566778899", email=PUSH, email_verified=True)
        assert await entrance.admit(signed(entrance.key, google)) == f"{GOOGLE}#{PUSH}"

    @pytest.mark.parametrize("verified", [False, None, "true", 1])
    async def test_email_that_the_issuer_did_not_verify_is_nobodys(self, entrance, verified):
        google = claims(GOOGLE, sub="112233445566778899", email=PUSH, email_verified=verified)
        with pytest.raises(PermissionDeniedError, match="add it to SLUICE_OIDC_SENDERS"):
            await entrance.admit(signed(entrance.key, google))

    async def test_account_that_is_not_named_is_told_so(self, entrance):
        with pytest.raises(PermissionDeniedError, match=r"'mallory' of 'https://accounts\.google\.com' may not send"):
            await entrance.admit(signed(entrance.key, claims(GOOGLE, sub="mallory")))

    async def test_account_of_one_issuer_is_no_account_of_another(self, entrance):
        forged = claims(CLUSTER, sub="alertmanager")
        with pytest.raises(PermissionDeniedError):
            await entrance.admit(signed(entrance.cluster_key, forged))


class TestAttacks:
    async def refused(self, entrance, token: str, match: str) -> None:
        with pytest.raises(UnauthenticatedError, match=match):
            await entrance.admit(token)

    @pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE"])
    async def test_unsigned_token_is_refused(self, entrance, algorithm):
        token = f"{_part({'alg': algorithm, 'kid': 'first'})}.{_part(claims(GOOGLE))}."
        await self.refused(entrance, token, "which is not taken|no JSON Web Token")

    async def test_public_key_is_no_shared_key(self, entrance):
        head = f"{_part({'alg': 'HS256', 'kid': 'first', 'typ': 'JWT'})}.{_part(claims(GOOGLE))}"
        mac = hmac.new(entrance.key.pem, head.encode(), hashlib.sha256).digest()
        token = f"{head}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
        await self.refused(entrance, token, "signed by 'HS256', which is not taken")

    async def test_key_says_the_algorithm_and_not_the_token(self, entrance):
        token = jwt.encode(claims(GOOGLE), entrance.key.private, algorithm="RS512", headers={"kid": "first"})
        await self.refused(entrance, token, "cannot be taken")

    async def test_shared_key_that_an_issuer_publishes_is_no_key(self, entrance):
        entrance.google.published.append({"kty": "oct", "k": "c2VjcmV0", "kid": "shared", "alg": "HS256"})
        token = jwt.encode(claims(GOOGLE), b"secret" * 8, algorithm="HS256", headers={"kid": "shared"})
        await self.refused(entrance, token, "which is not taken")

    async def test_key_for_encryption_signs_nothing(self, entrance):
        other = Key("enc", number=1, use="enc")
        entrance.google.published.append(other.public)
        await self.refused(entrance, signed(other, claims(GOOGLE)), "has no key of the id")

    async def test_signature_by_another_key_under_a_known_id_is_refused(self, entrance):
        await self.refused(entrance, signed(Key("first", number=1), claims(GOOGLE)), "Signature verification failed")

    async def test_key_that_the_token_brings_along_is_not_taken(self, entrance):
        mine = Key("mine", number=1)
        token = signed(mine, claims(GOOGLE), jwk=mine.public, jku="https://mallory.example/keys")
        await self.refused(entrance, token, "has no key of the id")

    async def test_key_of_one_issuer_signs_nothing_for_another(self, entrance):
        await self.refused(entrance, signed(entrance.cluster_key, claims(GOOGLE)), "has no key of the id")

    async def test_changed_claims_are_noticed(self, entrance):
        head, _, signature = signed(entrance.key, claims(GOOGLE, sub="mallory")).split(".")
        await self.refused(entrance, f"{head}.{_part(claims(GOOGLE))}.{signature}", "Signature verification failed")

    @pytest.mark.parametrize(("claim", "seconds", "match"), [("exp", -31, "expired"), ("nbf", 600, "not yet valid")])
    async def test_token_is_refused_outside_its_time(self, entrance, claim: str, seconds: int, match: str):
        moment = int(time.time()) + seconds  # of now, not of the collection
        await self.refused(entrance, signed(entrance.key, claims(GOOGLE) | {claim: moment}), match)

    @pytest.mark.parametrize(
        ("changed", "match"),
        [
            ({"aud": "another"}, "[Aa]udience"),
            ({"aud": None}, "aud"),
            ({"aud": {}}, "aud"),
            ({"exp": None}, "exp"),
            ({"exp": "never"}, "exp|Expiration"),
            ({"sub": None}, "sub"),
            ({"sub": ["alertmanager"]}, "[Ss]ubject"),
            ({"iss": "https://mallory.example"}, "none that SLUICE_OIDC_SENDERS names"),
            ({"iss": None}, "none that SLUICE_OIDC_SENDERS names"),
            ({"iss": ""}, "none that SLUICE_OIDC_SENDERS names"),
            ({"iss": [GOOGLE]}, "none that SLUICE_OIDC_SENDERS names|no JSON Web Token"),
            ({"iss": "accounts.google.com"}, "none that SLUICE_OIDC_SENDERS names"),
        ],
    )
    async def test_wrong_claim_is_refused(self, entrance, changed: dict[str, Any], match):
        content = claims(GOOGLE) | changed
        token = jwt.PyJWS().encode(
            json.dumps({name: value for name, value in content.items() if value is not None}).encode(),
            entrance.key.private,
            algorithm="RS256",
            headers={"kid": "first"},
        )
        await self.refused(entrance, token, match)

    @pytest.mark.parametrize(
        "token", ["secret", "a.b.c", "..", "e30.e30.", "e30.e30.e30", "bnVsbA.bnVsbA.bnVsbA", "W10.W10.W10", "a" * 8000]
    )
    async def test_what_is_no_token_is_refused_and_the_issuer_is_not_asked(self, entrance, token):
        await self.refused(entrance, token, "no JSON Web Token|which is not taken")
        assert entrance.google.readings == entrance.cluster.readings == 0

    @pytest.mark.parametrize("kid", [None, 7, "", ["first"]])
    async def test_token_that_names_no_key_is_refused(self, entrance, kid):
        token = f"{_part({'alg': 'RS256', 'kid': kid})}.{_part(claims(GOOGLE))}.e30"
        await self.refused(entrance, token, "has no key of the id|no JSON Web Token")


class TestKeys:
    async def test_are_read_once_for_many_tokens_at_once(self, entrance):
        token = signed(entrance.key, claims(GOOGLE))
        await asyncio.gather(*(entrance.admit(token) for _ in range(100)))
        await entrance.admit(token)
        assert entrance.google.readings == 1

    async def test_new_one_is_found_at_once(self, entrance):
        await entrance.admit(signed(entrance.key, claims(GOOGLE)))
        new = Key("second", number=1)
        entrance.google.published.append(new.public)
        entrance.wait(REFRESH_SECONDS)
        await entrance.admit(signed(new, claims(GOOGLE)))
        assert entrance.google.readings == 2

    async def test_flood_of_unknown_ones_asks_the_issuer_once_in_thirty_seconds(self, entrance):
        await entrance.admit(signed(entrance.key, claims(GOOGLE)))
        entrance.wait(REFRESH_SECONDS)
        for number in range(1000):
            with pytest.raises(UnauthenticatedError, match="has no key of the id"):
                await entrance.admit(signed(Key(f"made-up-{number}"), claims(GOOGLE)))
            entrance.wait(0.029)
        assert entrance.google.readings == 2
        await entrance.admit(signed(entrance.key, claims(GOOGLE)))

    async def test_one_that_is_taken_back_is_good_for_an_hour_at_most(self, entrance):
        token = signed(entrance.key, claims(GOOGLE))
        await entrance.admit(token)
        entrance.google.published.clear()
        entrance.wait(FRESH_SECONDS)
        await entrance.admit(token)
        entrance.wait(1)
        with pytest.raises(UnauthenticatedError, match="has no key of the id"):
            await entrance.admit(token)

    async def test_known_ones_serve_while_the_issuer_cannot_be_reached(self, entrance):
        token = signed(entrance.key, claims(GOOGLE))
        await entrance.admit(token)
        entrance.google.fails_with = OSError("no route")
        entrance.wait(STALE_SECONDS)
        await entrance.admit(token)
        entrance.wait(1)
        with pytest.raises(TransientError, match="cannot be read at the moment"):
            await entrance.admit(token)

    async def test_issuer_that_cannot_be_reached_is_no_refusal(self, entrance):
        entrance.google.fails_with = OSError("no route to accounts.google.com")
        token = signed(entrance.key, claims(GOOGLE))
        for _ in range(10):
            with pytest.raises(TransientError) as caught:
                await entrance.admit(token)
        assert "no route" not in str(caught.value)
        assert entrance.warnings == [
            "the keys that senders' tokens are checked with cannot be read: no route to accounts.google.com"
        ]
        entrance.google.fails_with = None
        entrance.wait(REFRESH_SECONDS)
        await entrance.admit(token)

    async def test_one_issuers_failure_is_no_hindrance_for_anothers_tokens(self, entrance):
        entrance.cluster.fails_with = OSError("no route")
        await entrance.admit(signed(entrance.key, claims(GOOGLE)))

    @pytest.mark.parametrize("document", [[], {"kty": "RSA"}, {"kty": "RSA", "kid": "x", "n": "?", "e": 7}, "x", None])
    async def test_broken_one_is_left_out(self, entrance, document):
        entrance.google.published.insert(0, document)
        await entrance.admit(signed(entrance.key, claims(GOOGLE)))

    async def test_elliptic_ones_work_as_well(self, entrance):
        other = Key("elliptic", kind="EC")
        entrance.google.published.append(other.public)
        await entrance.admit(signed(other, claims(GOOGLE)))

    async def test_reading_that_takes_too_long_lets_the_sender_try_again(self, entrance):
        entrance.google.held.clear()
        with pytest.raises(DeadlineExceededError):
            await entrance.admit(signed(entrance.key, claims(GOOGLE)), seconds=0)
        entrance.google.held.set()
        await entrance.admit(signed(entrance.key, claims(GOOGLE)))
        assert entrance.google.readings == 1
