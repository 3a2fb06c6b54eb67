"""Matchers are read as Alertmanager reads them."""

import re

import pytest

from core.signals.rules import LONGEST_REGULAR_EXPRESSION, parse_matchers


def accepts(text: str, **labels: str) -> bool:
    return all(matcher.matches(labels) for matcher in parse_matchers(text))


@pytest.mark.parametrize(
    ("text", "labels", "accepted"),
    [
        ('alertname="Watchdog"', {"alertname": "Watchdog"}, True),
        ("alertname=Watchdog", {"alertname": "Watchdog"}, True),
        ('alertname="Watch"', {"alertname": "Watchdog"}, False),
        ('{alertname="a", severity!="none"}', {"alertname": "a", "severity": "critical"}, True),
        ('{alertname="a", severity!="none",}', {"alertname": "a", "severity": "none"}, False),
        ('"alertname" = "a"', {"alertname": "a"}, True),
        ('team=""', {}, True),
        ('team!=""', {}, False),
        ('alertname=~"Watchdog|InfoInhibitor"', {"alertname": "InfoInhibitor"}, True),
        ('alertname=~"Watch"', {"alertname": "Watchdog"}, False),
        ('alertname=~"Watch.*"', {"alertname": "Watchdog"}, True),
        ('alertname=~"Watch.*"', {"alertname": "AWatchdog"}, False),
        ('alertname=~"Watch.+dog"', {"alertname": "Watchxdog"}, True),
        ('alertname!~"Kube(Pod|Node).*"', {"alertname": "KubeNodeNotReady"}, False),
        ('alertname!~"Kube(Pod|Node).*"', {"alertname": "KubeJobFailed"}, True),
        ('team=~""', {}, True),
        ('team=~".+"', {}, False),
        (r'path="C:\\x"', {"path": "C:\\x"}, True),
        (r'words="a \"b\""', {"words": 'a "b"'}, True),
        (r'words="a\nb"', {"words": "a\nb"}, True),
        ('"größe"="ü"', {"größe": "ü"}, True),
        ('größe="ü, {x}"', {"größe": "ü, {x}"}, True),
        ('a=~"x.*"', {"a": "x\ny"}, False),
    ],
)
def test_list_accepts_what_alertmanagers_would(text, labels, accepted):
    assert accepts(text, **labels) is accepted


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("alertname", "follows 'alertname' where one of = != =~ !~ belongs"),
        ('alertname="a" severity="b"', "where a comma belongs"),
        ('{alertname="a"', "one brace where two belong"),
        ("alertname=", "the value of 'alertname' belongs"),
        ('="a"', "a label's name belongs"),
        ('alertname=~"("', "cannot be read"),
        (r'alertname="\q"', "is no escape"),
        (f'alertname=~"{"x?" * LONGEST_REGULAR_EXPRESSION}"', "longer than 1000 characters"),
        ('a="b",' * 3000, "longer than 10000 characters"),
    ],
)
def test_what_cannot_be_read_is_told(text, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        parse_matchers(text)


def test_expression_that_would_take_for_ever_elsewhere_takes_a_moment():
    # Python's own engine needs 2^40 steps for it.
    assert not accepts('a=~"(x+x+)+y"', a="x" * 40)


def test_text_of_a_matcher_is_that_of_its_parts():
    (matcher,) = parse_matchers("alertname =~ A.*")
    assert matcher.text == 'alertname=~"A.*"'
