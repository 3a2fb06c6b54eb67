"""RFC 3339 in both directions."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.common.text import micro_time, parse_rfc3339, rfc3339

WHOLE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FIRST = datetime(1970, 1, 2)  # noqa: DTZ001 - hypothesis wants the bounds without a zone
LAST = datetime(2200, 1, 1)  # noqa: DTZ001
ZONES = st.sampled_from([timezone(timedelta(hours=hours)) for hours in range(-12, 15)])


def test_whole_second_is_written_without_decimals():
    assert rfc3339(WHOLE) == "2026-01-02T03:04:05Z"


def test_part_of_a_second_is_written_with_six_decimals():
    assert rfc3339(WHOLE.replace(microsecond=120)) == "2026-01-02T03:04:05.000120Z"


def test_micro_time_always_has_six_decimals():
    assert micro_time(WHOLE) == "2026-01-02T03:04:05.000000Z"
    assert micro_time(WHOLE.replace(microsecond=7)) == "2026-01-02T03:04:05.000007Z"


@pytest.mark.parametrize("write", [rfc3339, micro_time])
def test_other_zones_are_written_in_utc(write):
    eastern = WHOLE.astimezone(timezone(timedelta(hours=-5)))
    assert write(eastern) == write(WHOLE)


@pytest.mark.parametrize("text", ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000Z", "2026-01-02T05:04:05+02:00"])
def test_times_of_the_api_server_are_read(text):
    assert parse_rfc3339(text) == WHOLE


def test_nanoseconds_are_cut_to_microseconds():
    assert parse_rfc3339("2026-01-02T03:04:05.123456789Z") == WHOLE.replace(microsecond=123456)


def test_time_without_a_zone_is_refused_by_name():
    with pytest.raises(ValueError, match=r"time '2026-01-02T03:04:05' has no zone; RFC 3339 wants one"):
        parse_rfc3339("2026-01-02T03:04:05")


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-02T03:04:05Z"])
def test_text_that_is_no_time_is_refused(text):
    with pytest.raises(ValueError):
        parse_rfc3339(text)


@given(st.datetimes(min_value=FIRST, max_value=LAST, timezones=ZONES))
def test_what_is_written_reads_back_the_same(moment):
    assert parse_rfc3339(rfc3339(moment)) == parse_rfc3339(micro_time(moment)) == moment
