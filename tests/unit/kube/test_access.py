"""Which API server is found, with which credentials; each is then called over real TLS."""

import base64
import json
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import google.auth
import pytest
from google.auth.exceptions import DefaultCredentialsError

from core.common.clock import MockClock
from core.errors import ConfigurationError
from core.kube import access
from core.kube.access import NO_CLUSTER, Access, check_access, find_access
from core.kube.connection import Connection
from core.kube.errors import ApiUnreachableError
from core.kube.transport import ApiRequest, StaticToken
from core.settings import Settings
from tests.unit.kube.http_server import HttpServer, answers

GET = ApiRequest(method="GET", path="/version")
LONG = 600.0  # seconds; no test waits for its end


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch, tmp_path):
    """No cluster, whatever machine the tests run on."""
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(access, "_SERVICE_ACCOUNT", tmp_path / "serviceaccount")


@pytest.fixture
def clock():
    return MockClock(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


def settings(**values: Any) -> Settings:
    return Settings(namespace="ops", **values)


def pem_data(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class Kubeconfig:
    """Writes a kubeconfig with one context, and points KUBECONFIG to it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = folder / "kubeconfig"
        monkeypatch.setenv("KUBECONFIG", str(self.path))

    def write(self, *, cluster: dict[str, Any], user: dict[str, Any] | None = None) -> None:
        context = {"cluster": "test"} | ({"user": "test"} if user is not None else {})
        self.path.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "test",
                    "contexts": [{"name": "test", "context": context}],
                    "clusters": [{"name": "test", "cluster": cluster}],
                    "users": [{"name": "test", "user": user}] if user is not None else [],
                }
            )
        )


@pytest.fixture
def kubeconfig(tmp_path, monkeypatch):
    return Kubeconfig(tmp_path, monkeypatch)


class TestNothingConfigured:
    def test_start_says_what_to_set(self):
        with pytest.raises(ConfigurationError) as caught:
            check_access(settings())
        assert str(caught.value) == NO_CLUSTER
        for remedy in ("KUBECONFIG", "service account", "SLUICE_API_SERVER", "SLUICE_API_CA"):
            assert remedy in NO_CLUSTER

    async def test_looking_for_it_says_the_same(self, clock):
        with pytest.raises(ConfigurationError, match="no Kubernetes API is configured"):
            await find_access(settings(), clock=clock)

    @pytest.mark.parametrize("value", ["", "/does/not/exist", "/does/not/exist:", ":"])
    def test_kubeconfig_that_does_not_exist_counts_as_none(self, monkeypatch, value):
        monkeypatch.setenv("KUBECONFIG", value)
        with pytest.raises(ConfigurationError):
            check_access(settings())


class TestInCluster:
    @pytest.fixture
    def pod(self, monkeypatch, tmp_path, authority):
        """What the kubelet gives to a pod."""
        folder = tmp_path / "serviceaccount"
        folder.mkdir()
        (folder / "ca.crt").write_text(authority.pem)
        (folder / "token").write_text("pod-token\n")
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        return folder

    async def test_service_account_reaches_the_api_server(self, monkeypatch, pod, clock, authority, connect):
        check_access(settings())
        async with HttpServer(answers(), answers(), tls=authority.server_tls()) as server:
            monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
            transport = connect(await find_access(settings(), clock=clock))
            await transport.send(GET, timeout=LONG)
            (pod / "token").write_text("rotated")
            clock.advance(timedelta(seconds=61))
            await transport.send(GET, timeout=LONG)
        assert [sent.headers["authorization"] for sent in server.requests] == ["Bearer pod-token", "Bearer rotated"]

    async def test_another_authoritys_server_is_not_trusted(self, monkeypatch, pod, clock, stranger, connect):
        async with HttpServer(tls=stranger.server_tls()) as server:
            monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
            transport = connect(await find_access(settings(), clock=clock))
            with pytest.raises(ApiUnreachableError, match=r"(?i)certificate verify failed"):
                await transport.send(GET, timeout=LONG)
        assert server.requests == []

    async def test_last_good_token_serves_on_where_its_file_is_gone(self, monkeypatch, pod, clock, authority, connect):
        said: list[str] = []
        async with HttpServer(answers(), answers(), tls=authority.server_tls()) as server:
            monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
            transport = connect(await find_access(settings(), clock=clock, warn=said.append))
            await transport.send(GET, timeout=LONG)
            (pod / "token").unlink()
            clock.advance(timedelta(seconds=61))
            await transport.send(GET, timeout=LONG)
        assert [sent.headers["authorization"] for sent in server.requests] == ["Bearer pod-token"] * 2
        assert len(said) == 1

    async def test_port_is_443_where_none_is_told(self, pod, clock):
        assert (await find_access(settings(), clock=clock)).server == "https://127.0.0.1:443"

    async def test_ipv6_address_is_put_in_brackets(self, monkeypatch, pod, clock):
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
        assert (await find_access(settings(), clock=clock)).server == "https://[fd00::1]:443"

    @pytest.mark.parametrize("broken", [None, "no certificate", "", "\n"])
    async def test_authority_that_cannot_be_used_is_named(self, pod, clock, broken):
        (pod / "ca.crt").unlink()
        if broken is not None:
            (pod / "ca.crt").write_text(broken)
        with pytest.raises(ConfigurationError, match=r"the service account's .*ca\.crt cannot be used: "):
            await find_access(settings(), clock=clock)

    async def test_kubeconfig_comes_before_the_service_account(self, pod, kubeconfig, clock):
        kubeconfig.write(cluster={"server": "http://127.0.0.1:1"}, user={})
        assert (await find_access(settings(), clock=clock)).server == "http://127.0.0.1:1"


class TestKubeconfig:
    async def test_token_is_sent_and_read_again_when_the_file_changes(self, kubeconfig, clock, authority, connect):
        async with HttpServer(answers(), answers(), tls=authority.server_tls()) as server:
            cluster = {"server": server.url, "certificate-authority-data": pem_data(authority.pem)}
            kubeconfig.write(cluster=cluster, user={"token": "first"})
            check_access(settings())
            transport = connect(await find_access(settings(), clock=clock))
            await transport.send(GET, timeout=LONG)
            kubeconfig.write(cluster=cluster, user={"token": "second"})
            clock.advance(timedelta(seconds=61))
            await transport.send(GET, timeout=LONG)
        assert [sent.headers["authorization"] for sent in server.requests] == ["Bearer first", "Bearer second"]

    async def test_token_that_is_gone_is_not_replaced_by_no_token(self, kubeconfig, clock):
        cluster = {"server": "http://127.0.0.1:1"}
        kubeconfig.write(cluster=cluster, user={"token": "first"})
        found = await find_access(settings(), clock=clock)
        kubeconfig.write(cluster=cluster, user={})
        with pytest.raises(ConfigurationError, match="has no token any more"):
            await found.tokens.token()

    async def test_client_certificate_is_shown_to_the_server(self, kubeconfig, clock, authority, connect):
        pair = authority.sign("client")
        async with HttpServer(answers(), tls=authority.server_tls(ask_clients=True)) as server:
            kubeconfig.write(
                cluster={"server": server.url, "certificate-authority": str(authority.file)},
                user={"client-certificate": str(pair.certificate), "client-key": str(pair.key)},
            )
            await connect(await find_access(settings(), clock=clock)).send(GET, timeout=LONG)
        assert "authorization" not in server.requests[0].headers

    async def test_missing_client_certificate_is_refused_by_such_a_server(self, kubeconfig, clock, authority, connect):
        async with HttpServer(tls=authority.server_tls(ask_clients=True)) as server:
            cluster = {"server": server.url, "certificate-authority": str(authority.file)}
            kubeconfig.write(cluster=cluster, user={"token": "t"})
            with pytest.raises(ApiUnreachableError):
                await connect(await find_access(settings(), clock=clock)).send(GET, timeout=LONG)

    async def test_exec_plugins_token_is_sent(self, kubeconfig, tmp_path, clock, authority, connect):
        said = tmp_path / "credential.json"
        plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "cat", "args": [str(said)]}
        said.write_text(_exec_credential("from-plugin"))
        async with HttpServer(answers(), answers(), tls=authority.server_tls()) as server:
            cluster = {"server": server.url, "certificate-authority-data": pem_data(authority.pem)}
            kubeconfig.write(cluster=cluster, user={"exec": plugin})
            transport = connect(await find_access(settings(), clock=clock))
            await transport.send(GET, timeout=LONG)
            said.write_text(_exec_credential("fresh"))
            clock.advance(timedelta(seconds=61))
            await transport.send(GET, timeout=LONG)
        assert [sent.headers["authorization"] for sent in server.requests] == ["Bearer from-plugin", "Bearer fresh"]

    async def test_exec_plugin_that_failed_at_first_is_asked_again(self, kubeconfig, tmp_path, clock):
        said = tmp_path / "credential.json"
        plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "cat", "args": [str(said)]}
        kubeconfig.write(cluster={"server": "http://127.0.0.1:1"}, user={"exec": plugin})
        found = await find_access(settings(), clock=clock)
        with pytest.raises(ConfigurationError, match=r"the exec plugin cat of KUBECONFIG=.* gave no credentials"):
            await found.tokens.token()
        said.write_text(_exec_credential("late"))
        assert await found.tokens.token() == "late"

    async def test_exec_plugin_that_fails_later_is_an_error(self, kubeconfig, tmp_path, clock):
        said = tmp_path / "credential.json"
        plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "cat", "args": [str(said)]}
        said.write_text(_exec_credential("first"))
        kubeconfig.write(cluster={"server": "http://127.0.0.1:1"}, user={"exec": plugin})
        found = await find_access(settings(), clock=clock)
        said.unlink()
        with pytest.raises(ConfigurationError, match=r"the exec plugin cat of KUBECONFIG=.* gave no credentials"):
            await found.tokens.token()

    async def test_insecure_cluster_is_trusted_unseen(self, kubeconfig, clock, stranger, connect):
        async with HttpServer(answers(), tls=stranger.server_tls()) as server:
            cluster = {"server": server.url, "insecure-skip-tls-verify": True}
            kubeconfig.write(cluster=cluster, user={"token": "t"})
            assert (await connect(await find_access(settings(), clock=clock)).send(GET, timeout=LONG)).status == 200

    @pytest.mark.parametrize(
        ("cluster", "user", "danger"),
        [
            (
                {"server": "https://a.example", "insecure-skip-tls-verify": True},
                {"token": "t"},
                "insecure-skip-tls-ver",
            ),
            ({"server": "https://a.example"}, {"token": "t"}, "certificate-authority-data is empty: every public auth"),
            (
                {"server": "https://a.example", "certificate-authority-data": ""},
                {"token": "t"},
                "every public authority",
            ),
            ({"server": "http://a.example"}, {"token": "t"}, "server is http://a.example: the token goes over the net"),
        ],
    )
    async def test_dangerous_cluster_is_told(self, kubeconfig, clock, cluster, user, danger):
        said: list[str] = []
        kubeconfig.write(cluster=cluster, user=user)
        await find_access(settings(), clock=clock, warn=said.append)
        (sentence,) = said
        assert sentence.startswith(f"KUBECONFIG={kubeconfig.path}: ")
        assert danger in sentence

    @pytest.mark.parametrize("server", ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1"])
    async def test_token_that_stays_on_the_machine_is_no_danger(self, kubeconfig, clock, server):
        said: list[str] = []
        kubeconfig.write(cluster={"server": server}, user={"token": "t"})
        await find_access(settings(), clock=clock, warn=said.append)
        assert said == []

    async def test_usual_cluster_is_no_danger(self, kubeconfig, clock, authority):
        said: list[str] = []
        cluster = {"server": "https://a.example", "certificate-authority-data": pem_data(authority.pem)}
        for user in ({"token": "t"}, {"username": "u", "password": "p"}):
            kubeconfig.write(cluster=cluster, user=user)
            await find_access(settings(), clock=clock, warn=said.append)
        assert said == []

    async def test_proxy_is_refused_and_not_passed_by(self, kubeconfig, clock):
        cluster = {"server": "http://127.0.0.1:1", "proxy-url": "http://me:secret@proxy:3128"}
        kubeconfig.write(cluster=cluster, user={"token": "t"})
        with pytest.raises(ConfigurationError) as caught:
            await find_access(settings(), clock=clock)
        assert str(caught.value) == (
            f"KUBECONFIG={kubeconfig.path} cannot be used: the cluster's proxy-url is http://***@proxy:3128, and the "
            "API server is called directly, through no proxy: remove proxy-url, or give a cluster whose server can be "
            "reached without"
        )

    @pytest.mark.parametrize("name", ["127.0.0.1", "::1"])
    async def test_certificate_for_the_tls_server_name_is_trusted(self, kubeconfig, clock, authority, connect, name):
        async with HttpServer(answers(), tls=authority.server_tls()) as server:
            cluster = {"server": server.url.replace("127.0.0.1", "localhost"), "tls-server-name": name}
            kubeconfig.write(cluster=cluster | {"certificate-authority": str(authority.file)}, user={"token": "t"})
            assert (await connect(await find_access(settings(), clock=clock)).send(GET, timeout=LONG)).status == 200

    async def test_certificate_for_the_urls_host_alone_is_not(self, kubeconfig, clock, authority, connect):
        async with HttpServer(tls=authority.server_tls()) as server:
            cluster = {"server": server.url, "tls-server-name": "another.example"}
            kubeconfig.write(cluster=cluster | {"certificate-authority": str(authority.file)}, user={"token": "t"})
            with pytest.raises(ApiUnreachableError, match="certificate"):
                await connect(await find_access(settings(), clock=clock)).send(GET, timeout=LONG)

    async def test_without_it_the_certificate_is_to_be_for_the_urls_host(self, kubeconfig, clock, authority, connect):
        async with HttpServer(tls=authority.server_tls()) as server:
            cluster = {"server": server.url.replace("127.0.0.1", "localhost")}
            kubeconfig.write(cluster=cluster | {"certificate-authority": str(authority.file)}, user={"token": "t"})
            with pytest.raises(ApiUnreachableError, match="certificate"):
                await connect(await find_access(settings(), clock=clock)).send(GET, timeout=LONG)

    async def test_secure_cluster_is_not(self, kubeconfig, clock, authority, stranger, connect):
        async with HttpServer(tls=stranger.server_tls()) as server:
            cluster = {"server": server.url, "certificate-authority-data": pem_data(authority.pem)}
            kubeconfig.write(cluster=cluster, user={"token": "t"})
            with pytest.raises(ApiUnreachableError, match=r"(?i)certificate verify failed"):
                await connect(await find_access(settings(), clock=clock)).send(GET, timeout=LONG)

    async def test_plain_http_needs_neither_tls_nor_a_user(self, kubeconfig, clock, connect):
        async with HttpServer(answers()) as server:
            kubeconfig.write(cluster={"server": server.url})
            found = await find_access(settings(), clock=clock)
            await connect(found).send(GET, timeout=LONG)
        assert found.tls is None
        assert "authorization" not in server.requests[0].headers

    async def test_https_without_an_authority_is_verified_all_the_same(self, connect, stranger):
        async with HttpServer(answers(), tls=stranger.server_tls()) as server:
            with pytest.raises(ApiUnreachableError, match="certificate"):
                await connect(server.url).send(GET, timeout=LONG)
        assert server.requests == []

    async def test_list_of_files_is_merged(self, kubeconfig, monkeypatch, clock, tmp_path):
        kubeconfig.write(cluster={"server": "http://127.0.0.1:1"}, user={"token": "t"})
        monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'missing'}:{kubeconfig.path}")
        check_access(settings())
        found = await find_access(settings(), clock=clock)
        assert (found.server, await found.tokens.token()) == ("http://127.0.0.1:1", "t")

    @pytest.mark.parametrize("first", ["a", "b"])
    async def test_first_of_several_files_says_which_context_is_current(self, monkeypatch, clock, tmp_path, first):
        """As kubectl merges them; the library takes the last one's, and would act on another cluster."""
        for name in ("a", "b"):
            config = {
                "current-context": name,
                "contexts": [{"name": name, "context": {"cluster": name}}],
                "clusters": [{"name": name, "cluster": {"server": f"http://{name}.example"}}],
            }
            (tmp_path / name).write_text(json.dumps(config))
        order = sorted(("a", "b"), key=lambda name: name != first)
        monkeypatch.setenv("KUBECONFIG", ":".join(str(tmp_path / name) for name in order))
        assert (await find_access(settings(), clock=clock)).server == f"http://{first}.example"
        assert (await find_access(settings(), clock=clock, context="b")).server == "http://b.example"

    @pytest.mark.parametrize(
        "content",
        [
            "",
            "text",
            "- list",
            "{",
            "contexts: 7",
            "current-context: test",
            "\x00",
            "{current-context: a, contexts: [{name: b}], clusters: []}",
            "{current-context: a, contexts: [{name: a, context: {cluster: c}}], clusters: []}",
        ],
    )
    async def test_broken_file_is_named_in_a_sentence(self, kubeconfig, clock, content):
        kubeconfig.path.write_text(content)
        with pytest.raises(ConfigurationError) as caught:
            await find_access(settings(), clock=clock)
        sentence = str(caught.value)
        assert sentence.startswith(f"KUBECONFIG={kubeconfig.path} cannot be used: ")
        assert not sentence.endswith(": ")

    @pytest.mark.parametrize(
        ("cluster", "user"),
        [
            ({"certificate-authority": "/does/not/exist"}, {"token": "t"}),
            ({"certificate-authority-data": pem_data("no certificate")}, {"token": "t"}),
            ({}, {"client-certificate-data": pem_data("none"), "client-key-data": pem_data("none")}),
            ({}, {"tokenFile": "/does/not/exist"}),
        ],
    )
    async def test_file_that_names_what_cannot_be_used_is_named_itself(self, kubeconfig, clock, cluster, user):
        kubeconfig.write(cluster={"server": "https://127.0.0.1:1"} | cluster, user=user)
        with pytest.raises(ConfigurationError, match=f"KUBECONFIG={kubeconfig.path} cannot be used: "):
            await find_access(settings(), clock=clock)


def _exec_credential(token: str) -> str:
    return json.dumps(
        {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": token}}
    )


class GoogleCredentials:
    """Credentials that a refresh fills."""

    def __init__(self) -> None:
        self.token: str | None = None
        self.expiry: datetime | None = None
        self.requests: list[object] = []

    def refresh(self, request: object) -> None:
        self.requests.append(request)
        self.token = "google-token"


class TestGoogle:
    @pytest.fixture
    def credentials(self, monkeypatch):
        found = GoogleCredentials()

        def default(*, scopes: list[str]) -> tuple[GoogleCredentials, str]:
            assert scopes == ["https://www.googleapis.com/auth/cloud-platform"]
            return found, "project"

        monkeypatch.setattr(google.auth, "default", default)
        return found

    async def test_functions_service_account_reaches_the_endpoint(
        self, credentials, kubeconfig, clock, authority, connect
    ):
        kubeconfig.write(cluster={"server": "http://127.0.0.1:1"})
        async with HttpServer(answers(), tls=authority.server_tls()) as server:
            chosen = settings(api_server=server.url, api_ca=pem_data(authority.pem))
            check_access(chosen)
            await connect(await find_access(chosen, clock=clock)).send(GET, timeout=LONG)
        assert server.requests[0].headers["authorization"] == "Bearer google-token"
        assert len(credentials.requests) == 1

    async def test_endpoint_without_an_authority_is_checked_against_the_systems(self, credentials, clock):
        found = await find_access(settings(api_server="https://example.com"), clock=clock)
        assert found.tls is not None
        assert found.tls.verify_mode is ssl.CERT_REQUIRED
        assert found.tls.check_hostname

    @pytest.mark.parametrize(
        ("server", "dangers"),
        [
            (
                "https://a.example",
                ["SLUICE_API_CA is empty: every public authority of this machine is trusted"],
            ),
            ("https://gke-1.europe-west1.gke.goog", []),
            (
                "http://a.example",
                ["SLUICE_API_SERVER is http://a.example: the token goes over the"],
            ),
        ],
    )
    async def test_dangerous_endpoint_is_told(self, credentials, clock, server, dangers):
        said: list[str] = []
        await find_access(settings(api_server=server), clock=clock, warn=said.append)
        assert len(said) == len(dangers)
        assert all(map(str.startswith, said, dangers))

    @pytest.mark.parametrize("wrong", ["%%%", "bm8gY2VydGlmaWNhdGU=", "//79", "AAAA", "Cg=="])
    async def test_authority_that_is_no_certificate_is_named_at_the_start(self, credentials, clock, wrong):
        with pytest.raises(ConfigurationError, match="SLUICE_API_CA is no base64 of a PEM certificate: "):
            check_access(settings(api_server="https://example.com", api_ca=wrong))
        with pytest.raises(ConfigurationError, match="SLUICE_API_CA is no base64 of a PEM certificate: "):
            check_access(settings(api_server="https://example.com", api_ca=wrong))
        with pytest.raises(ConfigurationError, match="SLUICE_API_CA is no base64 of a PEM certificate: "):
            await find_access(settings(api_server="https://example.com", api_ca=wrong), clock=clock)

    async def test_missing_google_credentials_are_told_in_a_sentence(self, monkeypatch, clock):
        def default(**_: object) -> None:
            raise DefaultCredentialsError("Your default credentials were not found.")  # type: ignore[no-untyped-call]

        monkeypatch.setattr(google.auth, "default", default)
        with pytest.raises(
            ConfigurationError,
            match=r"SLUICE_API_SERVER=https://example\.com needs Google credentials: Your default credentials",
        ):
            await find_access(settings(api_server="https://example.com"), clock=clock)


@pytest.mark.parametrize(("call_timeout", "connect_timeout"), [(3.0, 2.0), (1.0, 2.0), (60.0, 40.0)])
async def test_connection_may_take_longer_where_calls_may(monkeypatch, call_timeout, connect_timeout):
    asked = []

    async def refused(**given: Any) -> Connection:
        asked.append(given["timeout"])
        raise ConnectionRefusedError

    monkeypatch.setattr(Connection, "open", refused)
    transport = Access("http://127.0.0.1:1", None, StaticToken()).transport(connections=1, call_timeout=call_timeout)

    with pytest.raises(ApiUnreachableError):
        await transport.send(GET, timeout=LONG)

    assert asked == [connect_timeout]
