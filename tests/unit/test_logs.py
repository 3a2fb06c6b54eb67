"""One JSON object per line, whatever is logged."""

import io
import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.common.trace_context import TraceContext, current_trace
from core.logs import LOGGER_NAME, ONCE_A_SECOND, JsonFormatter, TerminalFormatter, configure_logging
from core.settings import Settings


class Lines(io.StringIO):
    """What a handler wrote, decoded."""

    @property
    def entries(self) -> list[Any]:
        return [json.loads(line) for line in self.getvalue().splitlines()]

    @property
    def entry(self) -> Any:
        (entry,) = self.entries
        return entry


@pytest.fixture
def lines():
    return Lines()


@pytest.fixture
def logger(lines):
    handler = logging.StreamHandler(lines)
    handler.setFormatter(JsonFormatter())
    logger = logging.Logger("sluice.test")  # noqa: LOG001 - one that no other test sees
    logger.addHandler(handler)
    return logger


@pytest.fixture
def sluice_logger():
    """The process's logger, put back afterwards."""
    logger = logging.getLogger(LOGGER_NAME)
    before = logger.handlers, logger.level, logger.propagate
    yield logger
    logger.handlers, logger.level, logger.propagate = before


def test_record_becomes_one_line_in_the_fields_that_collectors_read(logger, lines):
    before = datetime.now(UTC)
    logger.warning("%d alerts were\ncut off", 3)
    assert lines.getvalue().count("\n") == 1
    entry = lines.entry
    written = datetime.fromisoformat(entry.pop("time"))
    assert before.replace(microsecond=0) <= written <= datetime.now(UTC)
    assert entry == {"severity": "WARNING", "message": "3 alerts were\ncut off", "logger": "sluice.test"}


def test_extras_become_fields(logger, lines):
    logger.info("stored", extra={"fingerprint": "abc", "attempt": 2, "labels": {"a": "b"}, "none": None})
    entry = lines.entry
    assert (entry["fingerprint"], entry["attempt"], entry["labels"], entry["none"]) == ("abc", 2, {"a": "b"}, None)


def test_extras_never_replace_the_fields_of_the_record(logger, lines):
    logger.info("stored", extra={"severity": "nonsense", "time": "never", "logger": "other"})
    entry = lines.entry
    assert (entry["severity"], entry["logger"]) == ("INFO", "sluice.test")
    assert entry["time"] != "never"


def test_exception_becomes_a_field_of_the_same_line(logger, lines):
    nothing: dict[str, str] = {}
    try:
        nothing["lost"]
    except KeyError:
        logger.exception("unforeseen")
    entry = lines.entry
    assert (entry["severity"], entry["message"]) == ("ERROR", "unforeseen")
    assert entry["stack_trace"].startswith("Traceback (most recent call last):\n")
    assert entry["stack_trace"].endswith("KeyError: 'lost'")


def test_line_without_an_exception_has_no_stack_trace(logger, lines):
    logger.error("refused")
    assert "stack_trace" not in lines.entry


def test_trace_of_the_request_stands_in_its_lines_only(logger, lines):
    token = current_trace.set(TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", sampled=True))
    logger.info("inside")
    current_trace.reset(token)
    logger.info("outside")
    inside, outside = lines.entries
    assert inside["logging.googleapis.com/trace"] == "0af7651916cd43dd8448eb211c80319c"
    assert inside["logging.googleapis.com/spanId"] == "b7ad6b7169203331"
    assert inside["logging.googleapis.com/trace_sampled"] is True
    assert not [key for key in outside if key.startswith("logging.googleapis.com/")]


def test_trace_names_its_project_where_that_is_known(logger, lines, monkeypatch):
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "shop-prod")
    token = current_trace.set(TraceContext("0af7651916cd43dd8448eb211c80319c"))
    logger.info("inside")
    current_trace.reset(token)
    entry = lines.entry
    assert entry["logging.googleapis.com/trace"] == "projects/shop-prod/traces/0af7651916cd43dd8448eb211c80319c"
    assert "logging.googleapis.com/spanId" not in entry


class Unprintable:
    """Something that not even str() can write."""

    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


def cyclic() -> list[Any]:
    items: list[Any] = []
    items.append(items)
    return items


def nested(depth: int) -> list[Any]:
    items: list[Any] = []
    for _ in range(depth):
        items = [items]
    return items


@pytest.mark.parametrize(
    "value",
    [
        float("inf"),
        float("nan"),
        10**400,
        b"\xff\x00",
        "half a pair: \ud800",
        {"half \udfff": 1},
        {b"\xff": 1},
        {(1, 2): 3},
        object(),
        ValueError("an error"),
        Path("/a"),
        datetime(2026, 1, 1, tzinfo=UTC),
        {1, 2},
        Unprintable(),
        [Unprintable()],
        cyclic(),
        nested(2000),
        lambda: None,
    ],
    ids=lambda value: type(value).__name__,
)
def test_extra_that_json_does_not_know_never_loses_the_line(logger, lines, value, capsys):
    logger.warning("still here", extra={"value": value, "fingerprint": "abc"})
    entry = lines.entry
    assert (entry["severity"], entry["message"], entry["fingerprint"]) == ("WARNING", "still here", "abc")
    assert "value" in entry
    assert capsys.readouterr().err == ""  # where logging writes its own failures


def test_message_with_half_a_surrogate_pair_is_still_written(logger, lines, capsys):
    logger.warning("label is %s", "\ud800")
    assert lines.entry["message"] == "label is \\ud800"
    assert capsys.readouterr().err == ""


def test_known_values_are_written_as_people_read_them(logger, lines):
    logger.info("m", extra={"path": Path("/a"), "error": ValueError("an error"), "ratio": float("inf")})
    entry = lines.entry
    assert (entry["path"], entry["error"], entry["ratio"]) == ("/a", "an error", "Infinity")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_terminal_gets_colours_and_fields_a_person_can_read(sluice_logger, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.delenv("NO_COLOR", raising=False)
    configure_logging(settings()).warning("%d alerts", 3, extra={"alertname": "Disk", "labels": {"pod": "web"}})
    line = terminal.getvalue()
    assert '\033[33mWARNING\033[0m 3 alerts  \033[2malertname=Disk labels={"pod":"web"}\033[0m\n' in line


def test_no_color_is_honoured(sluice_logger, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    configure_logging(settings()).error("three")
    assert terminal.getvalue().endswith(" ERROR   three\n")
    assert "\033" not in terminal.getvalue()


def test_senders_words_cannot_steer_a_terminal():
    record = logging.makeLogRecord({"msg": "label is \033[2J\nforged", "levelname": "ERROR", "alertname": "a\rb"})
    line = TerminalFormatter(colours=False).format(record)
    assert line.endswith("label is \\x1b[2J\\nforged  alertname=a\\rb")


def test_terminal_shows_the_stack_trace_below(logger, lines):
    logger.handlers[0].setFormatter(TerminalFormatter(colours=False))
    nothing: dict[str, str] = {}
    try:
        nothing["lost"]
    except KeyError:
        logger.exception("unforeseen", extra={"value": Unprintable()})
    first, *rest = lines.getvalue().splitlines()
    assert "ERROR   unforeseen  value=" in first
    assert rest[-1] == "KeyError: 'lost'"


def test_errors_of_an_overload_are_written_once_a_second(sluice_logger, capsys):
    logger = configure_logging(settings())
    for number in range(1000):
        logger.error("no answer to LIST %d", number, extra=ONCE_A_SECOND)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0]["message"] == "no answer to LIST 0"
    assert len(lines) < 20  # one, and two for each second that a slow machine takes
    assert "once_a_second" not in lines[0]


def settings(**values: Any) -> Settings:
    return Settings(namespace="ops", **values)


def test_process_logs_lines_to_standard_output(sluice_logger, capsys):
    logger = configure_logging(settings())
    assert logger is sluice_logger
    logger.info("hello", extra={"fingerprint": "abc"})
    captured = capsys.readouterr()
    assert json.loads(captured.out)["message"] == "hello"
    assert captured.err == ""


def test_least_severity_is_a_setting(sluice_logger, capsys):
    logger = configure_logging(settings(log_level="ERROR"))
    logger.warning("quiet")
    logger.error("loud")
    assert [json.loads(line)["message"] for line in capsys.readouterr().out.splitlines()] == ["loud"]


def test_configuring_again_replaces_the_handler(sluice_logger, capsys):
    configure_logging(settings())
    configure_logging(settings()).info("once")
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_lines_are_not_written_twice_by_the_root_logger(sluice_logger, capsys, caplog):
    configure_logging(settings()).warning("once")
    assert caplog.records == []


def test_cloud_sink_uses_the_handler_of_googles_client(sluice_logger, monkeypatch):
    from google.cloud import logging as cloud_logging

    handler = logging.NullHandler()

    class Client:
        def get_default_handler(self) -> logging.Handler:
            return handler

    monkeypatch.setattr(cloud_logging, "Client", Client)
    assert configure_logging(settings(log_sink="cloud-logging")).handlers == [handler]


def test_standard_sink_does_not_load_googles_client(sluice_logger, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.cloud.logging", None)
    configure_logging(settings())


@pytest.mark.parametrize("length", [4096, 4097, 1_000_000])
def test_no_text_is_logged_whole_that_is_longer_than_4096_characters(logger, lines, length):
    logger.warning("%s", "m" * length, extra={"sent": "s" * length, "number": 7})
    entry = lines.entry
    if length == 4096:
        assert (entry["message"], entry["sent"]) == ("m" * length, "s" * length)
    else:
        assert entry["message"] == f"{'m' * 4096}... (cut, {length} characters)"
        assert entry["sent"] == f"{'s' * 4096}... (cut, {length} characters)"
    assert entry["number"] == 7
