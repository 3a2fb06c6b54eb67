"""An event that is sent again has the data that it came with."""

import json
from typing import Any

import pytest

from core.triggers.dead_letter import DeadLetter, to_request

ATTRIBUTES = {"id": "1", "source": "/here", "type": "x"}


def sent(data: bytes, content_type: str) -> dict[str, Any]:
    _, body = to_request(DeadLetter(attributes=ATTRIBUTES, data=data, content_type=content_type))
    return dict(json.loads(body))


@pytest.mark.parametrize(
    ("data", "content_type", "member"),
    [
        (b'{"a": 1}', "application/json", {"data": {"a": 1}}),
        (b"null", "application/json", {"data": None}),
        (b"{", "application/json", {"data_base64": "ew=="}),
        (b"<a/>", "text/xml", {"data_base64": "PGEvPg=="}),
        (b"", "application/json", {}),
        (b"", "text/xml", {}),
    ],
)
def test_data_is_sent_as_it_came(data: bytes, content_type: str, member: dict[str, Any]):
    document = sent(data, content_type)
    assert {key: document[key] for key in document if key.startswith("data") and key != "datacontenttype"} == member
    assert {key: document[key] for key in ATTRIBUTES} == ATTRIBUTES
