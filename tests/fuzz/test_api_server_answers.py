"""Whatever stands where the API server should: 503 or another documented code, and no 2xx for what is not stored."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from itertools import cycle
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from core.kube.errors import ApiUnreachableError
from core.kube.transport import ApiRequest, ApiResponse
from tests.fuzz.checks import check_event, check_http
from tests.fuzz.corpus import entries
from tests.fuzz.effort import effort
from tests.fuzz.mutations import JSON, encoded
from tests.fuzz.served import serve
from tests.support.wire import deliver, describe
from tests.unit.functions.webhooks import alert, webhook

if TYPE_CHECKING:
    from collections.abc import Callable

    Change = Callable[[ApiResponse], ApiResponse]

DATES = [
    "Fri, 02 Jan 2026 03:04:05 GMT", "Fri, 02 Jan 2026 03:04:05 -0000", "Fri, 02 Jan 2026 03:04:05 +9999",
    "Fri, 02 Jan 99999 03:04:05 GMT", "yesterday", "", "2026-01-02T03:04:05Z", "Thu, 01 Jan 1970 00:00:00 GMT",
    "Fri, 31 Dec 9999 23:59:59 -2359",
]  # fmt: skip
RETRY_AFTER = ["1", "17", "0", "-1", "", "soon", "1.5", "9" * 400, "²", "٣", "Fri, 02 Jan 2026 03:04:05 GMT"]
HEADERS = st.fixed_dictionaries(
    {}, optional={"Date": st.sampled_from(DATES), "Retry-After": st.sampled_from(RETRY_AFTER)}
)
CODES = st.sampled_from(
    [200, 201, 202, 204, 206, 300, 301, 302, 304, 307, 400, 401, 403, 404, 405, 409, 410, 413, 418, 422, 429,
     500, 501, 502, 503, 504, 507, 599, 600, 999]
)  # fmt: skip
STATUS = st.fixed_dictionaries(
    {"kind": st.just("Status"), "apiVersion": st.just("v1")},
    optional={
        "reason": st.sampled_from(["AlreadyExists", "Conflict", "NotFound", "Invalid", "Forbidden", "TooManyRequests"])
        | JSON,
        "details": st.fixed_dictionaries(
            {}, optional={"name": st.just("x") | JSON, "kind": st.just("namespaces") | JSON}
        )
        | JSON,
        "message": st.text(max_size=30) | JSON,
        "code": JSON,
    },
)
OBJECT = st.fixed_dictionaries(
    {}, optional={"metadata": JSON, "spec": JSON, "status": JSON, "items": st.lists(JSON) | JSON, "resources": JSON}
)
BODIES = st.binary(max_size=60) | (JSON | STATUS | OBJECT).map(encoded) | st.just(b"<html>gateway timeout</html>")


@dataclass(frozen=True)
class Behaviour:
    """What becomes of one call: is it carried out, and what is answered in place of the truth."""

    deliver: bool
    change: Any = None

    async def answer(self, api: Any, request: ApiRequest) -> ApiResponse:
        """Play it."""
        await asyncio.sleep(0.001)
        response = await deliver(api, request) if self.deliver else ApiResponse(200, CIMultiDict(), b"{}")
        if isinstance(self.change, Exception):
            raise self.change
        return self.change(response) if self.change else response


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """Mutates the true answer, in its bytes or in its fields."""
    in_bytes, code, headers = draw(st.booleans()), draw(st.none() | CODES), draw(HEADERS)
    seed = draw(st.integers(0, 2**32))
    places = draw(st.lists(JSON, min_size=1, max_size=3))

    def change(response: ApiResponse) -> ApiResponse:
        random = Random(seed)  # what is changed is not known before it is answered
        body = response.body
        if in_bytes:
            start = random.randrange(len(body) + 1)
            body = body[:start] + random.choice([b"", b"\x00", body[start + 7 :]])
        else:
            body = _changed(body, random, places)
        return ApiResponse(code or response.status, CIMultiDict({**response.headers, **headers}), body)

    return change


def _changed(body: bytes, random: Any, values: list[Any]) -> bytes:
    """Replace or drop fields anywhere in a document."""
    try:
        document = {"": json.loads(body)}
    except ValueError:
        return body
    for value in values:
        holder, key = random.choice(list(_places(document)))
        if random.random() < 0.3 and key:
            del holder[key]
        else:
            holder[key] = value
    return encoded(document[""])


def _places(value: Any) -> Any:
    if isinstance(value, dict):
        for key in value:
            yield value, key
            yield from _places(value[key])
    elif isinstance(value, list):
        for each in value:
            yield from _places(each)


ANYTHING = st.builds(
    lambda code, headers, body: lambda _: ApiResponse(code, CIMultiDict(headers), body), CODES, HEADERS, BODIES
)
BEHAVIOUR = (
    st.builds(Behaviour, st.booleans(), ANYTHING)
    | st.builds(Behaviour, st.booleans(), st.just(ApiUnreachableError("no answer")))
    | st.builds(Behaviour, st.just(True), changes())
    | st.just(Behaviour(True))
)


def api_that(behaviours: list[Behaviour]) -> Any:
    """Return what answers calls in turn with `behaviours`, again and again."""
    turns = cycle(behaviours)

    async def over(api: Any, request: ApiRequest) -> ApiResponse:
        return await next(turns).answer(api, request)

    return over


@pytest.fixture(scope="module")
def cold(tmp_path_factory):
    """The function that remembers nothing and looks up owners: each alert makes all kinds of calls."""
    with serve("alertmanager", tmp_path_factory.mktemp("f"), memory_rrs="0", owners="resolve") as served:
        yield served


@pytest.fixture(scope="module")
def reading_events(tmp_path_factory):
    with serve("kubernetes_event", tmp_path_factory.mktemp("f"), owners="resolve") as served:
        yield served


_TELLS = b"Traceback (most"  # what the API server says may be passed on, and this is among what it says here


@given(st.lists(BEHAVIOUR, min_size=1, max_size=12))
@effort(110)
def test_any_answer_leaves_new_alerts_stored_or_to_be_sent_again(cold, behaviours):
    check_http(cold.ask(webhook(alert("web-1"), alert("web-2")), {}, over=api_that(behaviours)), sent=_TELLS)


@given(st.lists(BEHAVIOUR, min_size=1, max_size=8))
@effort(50)
def test_any_answer_leaves_repeats_counted_or_to_be_sent_again(cold, behaviours):
    repeated = webhook(alert("web-1"))
    check_http(cold.ask(repeated, {}, over=api_that(behaviours), before=repeated), sent=_TELLS)


@given(st.lists(BEHAVIOUR, min_size=1, max_size=8))
@effort(50)
def test_any_answer_about_a_remembered_rr_is_withstood(webhooks, behaviours):
    repeated = webhook(alert("web-1"))
    check_http(webhooks.ask(repeated, {}, over=api_that(behaviours), before=repeated), sent=_TELLS)


@given(st.lists(BEHAVIOUR, min_size=1, max_size=4))
@effort(50)
def test_any_answer_about_an_event_is_withstood(reading_events, behaviours):
    entry = next(entry for entry in entries("kubernetes_event") if entry.name == "reference-core-v1-binary")
    check_event(reading_events.ask(entry.body, entry.headers, over=api_that(behaviours)), sent=_TELLS)


@given(st.lists(BEHAVIOUR, min_size=1, max_size=2))
@effort(50)
def test_ready_or_not_is_told_whatever_is_answered(webhooks, behaviours):
    outcome = webhooks.ask(b"", {}, method="GET", path="/readyz", over=api_that(behaviours))
    assert outcome.answer.status in (200, 503)
    if outcome.answer.status == 503:
        check_http(outcome, sent=_TELLS)


@pytest.mark.parametrize("entry", entries("api_server"), ids=str)
def test_answer_that_once_did_harm_does_none(webhooks, entry):
    """The same call is answered so each time, carried out or not."""
    told = ApiResponse(int(entry.headers["Status"]), CIMultiDict(entry.headers), entry.body)
    behaviour = Behaviour(entry.headers["Carried-Out"] == "yes", lambda _: told)

    async def over(api: Any, request: ApiRequest) -> ApiResponse:
        lies = describe(request) == entry.headers["Call"]
        return await (behaviour if lies else Behaviour(deliver=True)).answer(api, request)

    outcome = webhooks.ask(webhook(alert("web-1")), {}, over=over)
    check_http(outcome, sent=_TELLS)
    assert (outcome.answer.status, len(outcome.stored)) == (entry.expected["code"], entry.expected["stored"])


@pytest.mark.parametrize("digits", [9, 10, 400, 5000])
def test_readiness_is_told_however_long_the_wait_is(webhooks, digits):
    async def over(_api: Any, _request: ApiRequest) -> ApiResponse:
        return ApiResponse(503, CIMultiDict({"Retry-After": "9" * digits}), b"{}")

    check_http(webhooks.ask(b"", {}, method="GET", path="/readyz", over=over))
