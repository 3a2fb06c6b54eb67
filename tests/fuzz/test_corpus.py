"""Each entry of the corpus is answered as it should be."""

import pytest

from tests.fuzz.checks import check_event, check_http
from tests.fuzz.corpus import entries


@pytest.mark.parametrize("entry", entries("alertmanager"), ids=str)
def test_webhook_is_answered_as_expected(webhooks, entry):
    outcome = webhooks.ask(entry.body, entry.headers)
    body = check_http(outcome, sent=entry.body)
    assert (outcome.answer.status, len(outcome.stored)) == (entry.expected["code"], entry.expected["stored"])
    assert [line["status"] for line in body["results"]] == entry.expected["results"]


@pytest.mark.parametrize("entry", entries("kubernetes_event"), ids=str)
def test_kubernetes_event_is_answered_as_expected(kubernetes_events, entry):
    outcome = kubernetes_events.ask(entry.body, entry.headers)
    check_event(outcome, sent=entry.body)
    assert (outcome.answer.status, len(outcome.stored)) == (entry.expected["code"], entry.expected["stored"])


@pytest.mark.parametrize("entry", entries("pubsub"), ids=str)
def test_message_is_answered_as_expected(messages, entry):
    outcome = messages.ask(entry.body, entry.headers)
    check_event(outcome, sent=entry.body)
    assert (outcome.answer.status, len(outcome.stored)) == (entry.expected["code"], entry.expected["stored"])
