"""The function `dead_letters`: a Broker's dead letter sink that keeps each event, once, for a while."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from core.kube.client import path_of
from core.kube.errors import ApiUnreachableError
from core.kube.transport import ApiRequest
from core.local.embedded import EmbeddedApi, load_crd
from core.triggers.dead_letter import DEAD_LETTERS, MOST_DATA_BYTES, MOST_EXTENSIONS, from_object, to_request
from tests.support.cloud_events import Sent, binary, structured
from tests.support.scripted import DATE, answered
from tests.support.scripted import refused as refusal
from tests.support.wire import Wire, deliver
from tests.unit.functions.answered_events import acknowledged, comes_again, logged, refused
from tests.unit.functions.conftest import NAMESPACE, SOURCES, Function

if TYPE_CHECKING:
    from tests.support.scripted import Scripted

TYPE = "dev.knative.apiserver.resource.add"
CRD = SOURCES.parent / "knative" / "cluster" / "dead-letter-crd.yaml"
CREATE, LIST, DELETE = "CREATE deadletters", "LIST deadletters consistently", "DELETE deadletters"
FAILURE = {"knativeerrordest": "http://function/", "knativeerrorcode": "400", "knativeerrordata": "why"}
NONE_YET = answered(200, {"metadata": {}, "items": []})
FULL = refusal(403, "Forbidden", message="exceeded quota: sluice-dead-letters")


@pytest.fixture
def target() -> str:
    return "dead_letters"


@pytest.fixture
def wire(function: Function) -> Wire:
    definition = load_crd(CRD, group=DEAD_LETTERS.group)
    wire = Wire(EmbeddedApi(crds=[definition], namespaces=[NAMESPACE]).app)
    function.talks_to(wire)
    return wire


async def kept(wire: Wire) -> list[Any]:
    answer = await deliver(wire.app, ApiRequest(method="GET", path=path_of(DEAD_LETTERS, namespace=NAMESPACE)))
    return list(json.loads(answer.body)["items"])


def outcome(text: str, name: str) -> float:
    line = next(
        line for line in text.splitlines() if line.startswith(f'gateway_dead_letters_total{{outcome="{name}"}}')
    )
    return float(line.rpartition(" ")[2])


def aged(name: str, *, created: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": f"uid-of-{name}", "creationTimestamp": created}}


class TestAnEvent:
    async def test_is_kept_whole_with_what_the_broker_says_of_it(self, function: Function, wire: Wire) -> None:
        sent = binary(TYPE, {"a": [1, 2]}, subject="/apis/v1/pods/x", namespace="shop", **FAILURE)
        acknowledged(await function.send(sent))
        (obj,) = await kept(wire)
        assert obj["spec"] == {
            "specversion": "1.0",
            "type": TYPE,
            "source": sent.headers["ce-source"],
            "id": sent.headers["ce-id"],
            "time": sent.headers["ce-time"],
            "subject": "/apis/v1/pods/x",
            "extensions": {"namespace": "shop"},
            "dataContentType": "application/json",
            "data": sent.body.decode(),
            "size": len(sent.body),
            "failure": {"destination": "http://function/", "code": "400", "answer": "why"},
        }

    @pytest.mark.parametrize("cut", [0, 1, 2, 3])
    async def test_shows_the_answer_that_a_channel_encoded_and_cut(
        self, function: Function, wire: Wire, cut: int
    ) -> None:
        said = '{"title": "Bad Request", "detail": "ä"}'
        encoded = base64.b64encode(said.encode() * 2).decode()
        given = FAILURE | {"knativeerrordata": encoded[: len(encoded) - cut]}
        acknowledged(await function.send(binary(TYPE, {"a": 1}, **given)))
        (obj,) = await kept(wire)
        assert obj["spec"]["failure"]["answer"].startswith(said)

    async def test_that_comes_again_is_kept_once(self, function: Function, wire: Wire) -> None:
        sent = binary(TYPE, {"a": 1})
        again = Sent(dict(sent.headers) | {f"ce-{name}": text for name, text in FAILURE.items()}, sent.body)
        acknowledged(await function.send(sent))
        acknowledged(await function.send(again))
        assert len(await kept(wire)) == 1
        metrics = (await function.get("/metrics")).body.decode()
        assert (outcome(metrics, "kept"), outcome(metrics, "repeated")) >= (1, 1)

    async def test_with_an_id_that_its_sender_used_before_is_kept_too(self, function: Function, wire: Wire) -> None:
        for data in ({"a": 1}, {"a": 2}):
            acknowledged(await function.send(binary(TYPE, data, id="1")))
        assert len(await kept(wire)) == 2

    async def test_of_another_type_does_not_stand_for_it(self, function: Function, wire: Wire) -> None:
        for event_type in ("made.up", TYPE):
            acknowledged(await function.send(binary(event_type, {"a": 1}, id="1")))
        assert len(await kept(wire)) == 2

    @pytest.mark.parametrize("data", [b"\xff\xfe", b"\x00" * 1000, b"", b"{", "ä".encode()])
    async def test_of_any_bytes_is_kept_as_it_came(self, function: Function, wire: Wire, data: bytes) -> None:
        acknowledged(await function.send(binary(TYPE, data, content_type="application/octet-stream")))
        (obj,) = await kept(wire)
        assert from_object(obj).data == data
        if "dataBase64" in obj["spec"]:
            assert base64.b64decode(obj["spec"]["dataBase64"]) == data

    async def test_in_structured_mode_is_kept_too(self, function: Function, wire: Wire) -> None:
        acknowledged(await function.send(structured(TYPE, {"a": 1}, subject="s", **FAILURE)))
        (obj,) = await kept(wire)
        assert json.loads(obj["spec"]["data"]) == {"a": 1}
        assert obj["spec"]["failure"]["code"] == "400"

    async def test_that_is_too_long_is_cut_and_says_so(self, function: Function, wire: Wire) -> None:
        acknowledged(await function.send(binary(TYPE, b'"' + b"\x01" * MOST_DATA_BYTES + b'"')))
        (obj,) = await kept(wire)
        assert (obj["spec"]["cut"], obj["spec"]["size"]) == (True, MOST_DATA_BYTES + 2)
        assert len(json.dumps(obj)) < 400_000

    async def test_with_many_or_long_extensions_is_cut_and_says_so(self, function: Function, wire: Wire) -> None:
        many = {f"x{number}": "y" for number in range(MOST_EXTENSIONS + 1)}
        acknowledged(await function.send(structured(TYPE, {}, id="1", **many)))
        acknowledged(await function.send(structured(TYPE, {}, id="2", x="y" * 5000)))
        assert [obj["spec"]["cut"] for obj in await kept(wire)] == [True, True]

    async def test_is_sent_again_as_it_came(self, function: Function, wire: Wire) -> None:
        acknowledged(await function.send(binary(TYPE, {"a": 1}, subject="ä", **FAILURE)))
        (obj,) = await kept(wire)
        headers, body = to_request(from_object(obj))
        acknowledged(await function.send(Sent(headers, body)))
        assert len(await kept(wire)) == 1
        assert "knativeerror" not in body.decode()

    @pytest.mark.parametrize("body", [b"{}", b"", b"[]"])
    async def test_that_is_none_is_refused(self, function: Function, wire: Wire, body: bytes) -> None:
        refused(await function.post(body))
        assert await kept(wire) == []

    async def test_leaves_a_line_in_the_log_that_names_its_object(
        self, function: Function, wire: Wire, capsys: Any
    ) -> None:
        await function.send(binary(TYPE, {"a": 1}, id="7"))
        (obj,) = await kept(wire)
        (line,) = [each for each in logged(capsys) if "a dead letter is kept" in each["message"]]
        assert line["dead_letter"] == obj["metadata"]["name"]
        assert " 7 of " in line["message"]


class TestWhenTheQuotaIsFull:
    async def test_the_event_comes_again_and_the_answer_says_why(self, function: Function, scripted: Scripted) -> None:
        for call, answer in ((LIST, NONE_YET), (CREATE, FULL), (LIST, NONE_YET)):
            scripted.then(call, answer)
        said = comes_again(await function.send(binary(TYPE, {})))
        assert "exceeded quota: sluice-dead-letters" in said
        assert "sluice dead-letters list" in said
        assert outcome((await function.get("/metrics")).body.decode(), "refused") >= 1

    async def test_what_is_too_old_makes_room(self, function: Function, scripted: Scripted) -> None:
        old = answered(200, {"metadata": {}, "items": [aged("old", created="2025-01-01T00:00:00Z")]})
        for call, answer in ((LIST, NONE_YET), (CREATE, FULL), (LIST, old), (DELETE, answered(200))):
            scripted.then(call, answer)
        scripted.then(CREATE, answered(201))
        acknowledged(await function.send(binary(TYPE, {})))


class TestAge:
    async def test_what_is_older_than_the_setting_is_deleted_and_nothing_else(
        self, function: Function, scripted: Scripted
    ) -> None:
        function.set(dead_letter_max_age=3600)
        items = [aged("old", created="2026-01-02T02:04:04Z"), aged("young", created="2026-01-02T02:04:06Z")]
        assert DATE == "Fri, 02 Jan 2026 03:04:05 GMT"
        for call, answer in ((LIST, answered(200, {"metadata": {}, "items": items})), (DELETE, answered(200))):
            scripted.then(call, answer)
        scripted.then(CREATE, answered(201))
        acknowledged(await function.send(binary(TYPE, {})))
        assert scripted.requests[1].path.endswith("/deadletters/old")
        assert scripted.bodies[0]["preconditions"] == {"uid": "uid-of-old"}

    async def test_is_looked_at_once_in_a_while(self, function: Function, wire: Wire) -> None:
        for number in range(3):
            acknowledged(await function.send(binary(TYPE, {"a": number})))
        assert wire.log == [LIST, CREATE, CREATE, CREATE]

    async def test_that_cannot_be_looked_at_keeps_no_event_out(self, function: Function, scripted: Scripted) -> None:
        scripted.then(LIST, refusal(403, "Forbidden"))
        scripted.then(CREATE, answered(201))
        acknowledged(await function.send(binary(TYPE, {})))

    async def test_reads_names_and_ages_alone(self, function: Function, scripted: Scripted) -> None:
        scripted.then(LIST, NONE_YET)
        scripted.then(CREATE, answered(201))
        acknowledged(await function.send(binary(TYPE, {})))
        assert "as=PartialObjectMetadataList" in scripted.requests[0].accept


@pytest.mark.parametrize("said", [ApiUnreachableError("no answer"), refusal(500), refusal(429), answered(404, b"no")])
async def test_event_that_cannot_be_kept_now_comes_again(function: Function, scripted: Scripted, said: Any) -> None:
    scripted.then(LIST, NONE_YET)
    scripted.then(CREATE, said)
    comes_again(await function.send(binary(TYPE, {})))


async def test_missing_definition_is_named_with_its_file(function: Function, scripted: Scripted) -> None:
    scripted.then("LIST deadletters", answered(404, b"404 page not found\n"))
    said = (await function.get("/readyz")).problem(503)
    assert "apply knative/cluster/dead-letter-crd.yaml" in said


async def test_function_is_ready_where_dead_letters_can_be_read(function: Function, wire: Wire) -> None:
    assert (await function.get("/readyz")).status == 200
    assert wire.log == ["LIST deadletters"]


async def test_sender_without_a_token_is_refused_unread(function: Function, scripted: Scripted) -> None:
    function.set(auth="kubernetes")
    assert (await function.send(binary(TYPE, {}))).status == 401
