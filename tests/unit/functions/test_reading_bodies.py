"""Bodies are read only of the right type, never past the limit, and not for ever."""

import pytest

from tests.unit.functions.webhooks import alert, webhook

LIMIT = 2048


@pytest.fixture(autouse=True)
def limit(function):
    function.set(max_body=LIMIT)


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "json",
    ],
)
async def test_other_content_types_are_refused_unread(function, scripted, content_type):
    answered = await function.post(webhook(alert()), Content_Type=content_type)
    assert answered.problem(415) == f"Content-Type is {content_type!r}; send application/json"
    assert answered.chunks_read == 0


@pytest.mark.parametrize("charset", ["latin-1", "utf-16", '"utf-7"'])
async def test_other_charsets_are_refused_unread(function, scripted, charset):
    answered = await function.post(webhook(alert()), Content_Type=f"application/json; charset={charset}")
    assert "JSON is sent as utf-8" in answered.problem(415)
    assert answered.chunks_read == 0


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
async def test_other_encodings_that_nobody_named_are_refused(function, scripted, encoding):
    answered = await function.post('{"alerts": []}'.encode(encoding))
    assert answered.problem(400) == "the body is no JSON in UTF-8 (RFC 8259, section 8.1)"


async def test_identity_is_no_encoding(function, wire):
    assert (await function.post(webhook(alert()), Content_Encoding="Identity")).status == 201


async def test_body_announced_too_large_is_not_read_at_all(function, scripted):
    answered = await function.post([b"x"] * 10, Content_Length=str(LIMIT + 1))
    detail = answered.problem(413)
    assert detail == (
        f"the body has {LIMIT + 1} bytes, the limit is {LIMIT}; split the group by group_by, or raise SLUICE_MAX_BODY"
    )
    assert answered.chunks_read == 0


async def test_body_that_grows_too_large_is_not_read_past_the_limit(function, scripted):
    answered = await function.post([b" " * 1000] * 1_000_000)
    assert f"the body has more than {LIMIT} bytes" in answered.problem(413)
    assert answered.chunks_read == 3


async def test_body_that_lies_about_its_length_is_not_read_past_the_limit_either(function, scripted):
    answered = await function.post([b" " * 1000] * 1_000_000, Content_Length="10")
    assert answered.problem(413)
    assert answered.chunks_read == 3


async def test_body_of_exactly_the_limit_is_taken(function, wire):
    body = webhook(alert())
    whole = body + b" " * (LIMIT - len(body))
    answered = await function.post(whole, Content_Length=str(LIMIT))
    assert answered.status == 201
    assert (await function.post([whole[:1], whole[1:]])).status == 202


@pytest.mark.parametrize("length", ["", "-1", "many", "1e3", "\xb2"])
async def test_length_that_is_no_number_is_passed_over(function, wire, length):
    assert (await function.post(webhook(alert()), Content_Length=length)).status == 201


async def test_slow_sender_is_told_to_come_again_when_the_time_is_over(function, scripted):
    function.set(request_deadline=0.2)
    answered = await function.post([webhook(alert())[:20]], then="stall")
    assert answered.problem(503) == "the body did not arrive within 0.2 s"
    assert answered.headers["Retry-After"] == "1"


@pytest.mark.parametrize("chunks", [[], [b'{"alerts": [']])
async def test_sender_that_goes_away_stores_nothing(function, scripted, chunks, capsys):
    answered = await function.post(chunks, then="away")
    assert answered.problem(503) == "the sender went away before its body was complete"
    assert answered.headers["Retry-After"] == "1"
    assert "stack_trace" not in capsys.readouterr().out
