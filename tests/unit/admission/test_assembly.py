"""What the settings of admission make, and which of them stop the start."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from core.admission.assembly import build_gate, check_admission
from core.common.clock import MockClock
from core.errors import ConfigurationError
from core.kube.resources import remediation_requests
from core.settings import Settings
from functions._worker import listening_host

GOOGLE = "https://accounts.google.com#push@project.iam.gserviceaccount.com"


def check(host: str = "0.0.0.0", **settings: Any) -> list[str]:
    return check_admission(Settings(**settings), host=host)


class TestNone:
    @pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
    def test_needs_no_consent_where_only_this_machine_reaches_it(self, host):
        assert check(host, auth="none") == []

    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "10.0.0.1", "127.0.0.1.example.com"])
    def test_does_not_start_elsewhere_without_consent(self, host):
        with pytest.raises(ConfigurationError, match="SLUICE_AUTH_NONE=i-have-another-gate"):
            check(host, auth="none")

    def test_with_consent_is_said_in_the_log(self):
        (sentence,) = check(auth="none", auth_none="i-have-another-gate")
        assert "everybody who reaches 0.0.0.0 is let in" in sentence

    @pytest.mark.parametrize(
        ("argv", "environ", "host"),
        [
            ([], {}, "0.0.0.0"),
            (["functions-framework", "--host", "127.0.0.1"], {}, "127.0.0.1"),
            (["functions-framework", "--host=::1", "--asgi"], {"HOST": "0.0.0.0"}, "::1"),
            (["functions-framework", "--host"], {"HOST": "10.1.2.3"}, "10.1.2.3"),
            ([], {"HOST": ""}, "0.0.0.0"),
        ],
    )
    def test_host_is_what_functions_framework_was_told(self, argv, environ, host):
        assert listening_host(argv, environ) == host


class TestIdTokens:
    def test_need_senders(self):
        with pytest.raises(ConfigurationError, match="SLUICE_OIDC_SENDERS is empty"):
            check(auth="oidc", audiences="sluice")

    def test_need_an_audience(self):
        with pytest.raises(ConfigurationError, match="SLUICE_AUDIENCES is empty"):
            check(auth="kubernetes,oidc", oidc_senders=GOOGLE)

    @pytest.mark.parametrize("issuer", ["http://idp.example.com", "http://127.0.0.1.example.com:80"])
    def test_need_an_issuer_that_nobody_can_change_on_the_way(self, issuer):
        with pytest.raises(ConfigurationError, match="use https://"):
            check(auth="oidc", audiences="sluice", oidc_senders=f"{issuer}#a")

    def test_need_the_library(self, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "jwt", None)
        with pytest.raises(ConfigurationError, match="needs PyJWT and cryptography"):
            check(auth="oidc", audiences="sluice", oidc_senders=GOOGLE)

    def test_of_many_issuers_may_send(self):
        senders = f"{GOOGLE}, cluster#system:serviceaccount:a:b,http://127.0.0.1:8080#me"
        assert check(auth="oidc", audiences="sluice", oidc_senders=senders) == []


class TestSecret:
    def test_needs_a_file(self):
        with pytest.raises(ConfigurationError, match="SLUICE_SECRET_FILE names no file"):
            check(auth="secret")

    def test_needs_a_file_that_can_be_read(self, tmp_path):
        with pytest.raises(ConfigurationError, match=r"SLUICE_SECRET_FILE=.*/none cannot be used: .*No such file"):
            check(auth="secret", secret_file=str(tmp_path / "none"))

    def test_needs_one_that_nobody_guesses(self, tmp_path):
        (tmp_path / "secret").write_text("hunter2")
        with pytest.raises(ConfigurationError, match="openssl rand -hex 32") as caught:
            check(auth="secret", secret_file=str(tmp_path / "secret"))
        assert "hunter2" not in str(caught.value)

    def test_is_fine(self, tmp_path):
        (tmp_path / "secret").write_text("a" * 64)
        assert check(auth="secret", secret_file=str(tmp_path / "secret")) == []


class TestGate:
    def gate(self, **settings: Any) -> Any:
        return build_gate(
            settings=Settings(**settings),
            client=None,  # type: ignore[arg-type] # nobody calls it
            resource=remediation_requests(group="remediation.kubernaut.ai", version="v1alpha1"),
            clock=MockClock(datetime(2026, 1, 1, tzinfo=UTC)),
            warn=logging.getLogger().warning,
        )

    def test_asks_those_that_cost_no_call_first(self):
        gate = self.gate(auth="kubernetes, oidc,secret", audiences="sluice", oidc_senders=GOOGLE, secret_file="/x")
        assert [type(way).__name__ for way in gate._authenticators] == [
            "SharedSecret",
            "IdTokenAuthenticator",
            "KubernetesReviews",
        ]

    def test_is_the_clusters_by_default(self):
        assert [type(each).__name__ for each in self.gate()._authenticators] == ["KubernetesReviews"]

    def test_is_open_for_none(self):
        assert self.gate(auth="none") is None

    def test_issuers_senders_are_theirs_alone(self):
        senders = "https://a.example#x,https://b.example#y,https://a.example#z"
        (way,) = self.gate(auth="oidc", audiences="sluice", oidc_senders=senders)._authenticators
        named = {issuer.known_name: accounts for issuer, accounts in way._senders.items()}
        assert named == {"https://a.example": {"x", "z"}, "https://b.example": {"y"}}
