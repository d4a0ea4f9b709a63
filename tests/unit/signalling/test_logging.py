import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from aiohttp.http_exceptions import BadHttpMessage

from signalling.logging import configure_logging
from signalling.settings import LogSettings


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def logged(settings: LogSettings) -> io.StringIO:
    stream = io.StringIO()
    configure_logging(settings, stream)
    return stream


def test_our_events_and_those_of_libraries_have_one_shape() -> None:
    stream = logged(LogSettings(format="json"))
    structlog.get_logger("signalling.test").info("room_created", room_id=1)
    logging.getLogger("some.library").warning("odd %s", "thing")
    ours, theirs = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (ours["event"], ours["room_id"], ours["level"]) == ("room_created", 1, "info")
    assert (theirs["event"], theirs["logger"], theirs["level"]) == ("odd thing", "some.library", "warning")
    assert ours.keys() - {"room_id"} == theirs.keys()


def test_without_a_terminal_auto_means_json() -> None:
    stream = logged(LogSettings())
    structlog.get_logger().info("hello")
    assert json.loads(stream.getvalue())["event"] == "hello"


def test_what_is_below_the_level_is_not_logged() -> None:
    stream = logged(LogSettings(level="warning", format="json"))
    structlog.get_logger().info("quiet")
    logging.getLogger("sqlalchemy.engine").info("noise")
    assert stream.getvalue() == ""


def test_libraries_do_not_chatter_at_info() -> None:
    stream = logged(LogSettings(level="info", format="json"))
    logging.getLogger("alembic.runtime").info("noise")
    assert stream.getvalue() == ""


def test_an_exception_is_one_line_of_json() -> None:
    stream = logged(LogSettings(format="json"))
    try:
        raise ValueError("boom")
    except ValueError:
        structlog.get_logger().exception("failed")
    (line,) = stream.getvalue().splitlines()
    assert "ValueError: boom" in json.loads(line)["exception"]


def test_a_bad_http_request_is_logged_without_its_bytes() -> None:
    stream = logged(LogSettings(format="json"))
    try:
        raise BadHttpMessage("Invalid header value char: b'Authorization: Bearer secret'")
    except BadHttpMessage:
        logging.getLogger("aiohttp.server").exception("Error handling request from %s", "192.0.2.7")
    (line,) = stream.getvalue().splitlines()
    entry = json.loads(line)
    assert (entry["event"], entry["level"]) == ("bad_http_request", "info")
    assert "secret" not in line
    assert "exception" not in entry


def test_the_console_format_is_for_people() -> None:
    stream = logged(LogSettings(format="console"))
    structlog.get_logger().info("room_created", room_id=1)
    assert "room_created" in stream.getvalue()
    assert "room_id=1" in stream.getvalue()
