"""Nothing personal and no secret reaches standard output, whoever logs it and however.

Each test runs a process of its own: what counts is the bytes that come out of it.
"""

import json
import subprocess
import sys
import textwrap
from typing import Any

import pytest

PRELUDE = """
import asyncio, logging, sys
import structlog
from pydantic import SecretStr
from app.domain.errors import Outcome
from app.domain.guest import GuestContact
from app.domain.text import PersonalText
from app.telemetry import context, log
log.configure("INFO")
logger = structlog.get_logger()
"""


def run(code: str) -> tuple[str, list[dict[str, Any]]]:
    """Run code in a fresh process; give all that it wrote, and its log lines."""
    program = PRELUDE + textwrap.dedent(code)
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "logs go to standard output only"
    return done.stdout, [json.loads(line) for line in done.stdout.splitlines()]


def test_our_own_lines_keep_what_is_listed_and_name_what_is_not() -> None:
    out, lines = run("""
        guest = GuestContact(last_name=PersonalText("canary-name"))
        logger.info("vendor.call.succeeded", vendor="bridge", duration_ms=1.5, status=None, outcome=Outcome.UNKNOWN)
        logger.info("guest.seen", last_name="canary-unlisted", guest=guest, hotel_id="prime")
        logger.info("guest.named", name=PersonalText("canary-personal"), reason=SecretStr("canary-secret"))
        logger.info("listed.but.no.scalar", reason={"a": "canary-dict"}, path=["canary-list"], kind=b"canary-bytes")
        logger.info("fetched", endpoint="/things?name=canary-query&x=1 next", path="/v1?canary", reason="x" * 5000)
        logger.debug("below.the.level", reason="canary-debug")
    """)
    assert "canary" not in out
    first, second, third, fourth, fifth = lines
    assert {
        "vendor": "bridge",
        "duration_ms": 1.5,
        "outcome": "unknown",
        "event": "vendor.call.succeeded",
        "level": "info",
    }.items() <= first.items()
    assert first["timestamp"].endswith("Z")
    assert (second["redacted"], second["hotel_id"]) == (["guest", "last_name"], "prime")
    assert third["redacted"] == ["name", "reason"]
    assert fourth["redacted"] == ["kind", "path", "reason"]
    assert fifth["endpoint"] == "/things?… next"
    assert len(fifth["reason"]) == 500


def test_nothing_in_a_line_is_acted_upon_by_a_terminal_or_looks_like_another_line() -> None:
    out, lines = run("""
        odd = "a\\x1b[2J\\x9b31m\\r\\n\\x00\\u2028\\u2029\\u0085\\u202e\\ud800b"
        logger.info("odd", client=odd, reason='"}\\n{"event": "forged"}')
        logger.info("plain", client="Zoë in 東京")
    """)
    assert [line["event"] for line in lines] == ["odd", "plain"]
    assert lines[0]["client"].strip("ab[2J31m") == lines[0]["client"][1:-1].strip("ab[2J31m")
    assert all(line.isprintable() for line in out.split("\n"))
    assert lines[1]["client"] == "Zoë in 東京"


def test_exceptions_are_told_by_type_and_place_never_by_message() -> None:
    out, lines = run("""
        def fail():
            raise ValueError("canary-inner")
        try:
            try:
                fail()
            except ValueError as error:
                raise RuntimeError("canary-outer") from error
        except RuntimeError as error:
            logger.exception("operation.crashed", operation_id="op-1")
            logger.error("again", exc_info=error)
            logger.error("and.again", exc_info=(type(error), error, error.__traceback__))
    """)
    assert "canary" not in out
    assert [line["error_type"] for line in lines] == ["RuntimeError"] * 3
    assert lines[0]["operation_id"] == "op-1"
    assert all(line["stack"].startswith("<string>:") for line in lines)


def test_what_a_request_is_about_is_on_every_line_inside_it() -> None:
    _, (inside, outside) = run("""
        with context.about(correlation_id="corr-1", operation="rates"):
            assert context.current("operation") == "rates"
            logger.info("inside")
        assert context.current("operation") is None
        logger.info("outside")
    """)
    assert (inside["correlation_id"], inside["operation"]) == ("corr-1", "rates")
    assert "correlation_id" not in outside


def test_libraries_are_told_by_name_and_template_never_by_what_they_filled_in() -> None:
    out, lines = run("""
        library = logging.getLogger("some.library")
        library.warning("guest %s arrived", "canary-argument")
        name = "canary-interpolated"
        library.warning(f"guest {name} arrived")
        library.error({"guest": "canary-object"})
        library.error("two lines\\ncanary-line")
        library.error("GET /guests?name=canary-query %s", 1)
        try:
            raise ValueError("canary-message")
        except ValueError:
            library.exception("failed for %s", "canary-argument")
        library.info("canary-info")
    """)
    assert "canary" not in out
    assert {line["logger"] for line in lines} == {"some.library"}
    assert lines[0]["reason"] == "guest %s arrived"
    assert lines[5]["error_type"] == "ValueError"
    assert [line["level"] for line in lines] == ["warning", "warning", "error", "error", "error", "error"]


def test_a_librarys_own_level_and_broken_arguments_are_no_crash() -> None:
    out, lines = run("""
        logging.getLogger("some.library").log(35, "odd level %s", 1)
        logging.getLogger("some.library").log(100, "odder level %s", 1)
        logging.getLogger("some.library").warning("too few %s %s", "canary")
    """)
    assert "canary" not in out
    assert len(lines) == 3
    assert [line["level"] for line in lines] == ["warning", "critical", "warning"]


def test_a_task_that_nobody_awaits_leaks_nothing() -> None:
    out, lines = run("""
        import gc
        async def fail():
            raise ValueError("canary-task")
        async def main():
            task = asyncio.create_task(fail())
            await asyncio.sleep(0)
            del task
            gc.collect()
        asyncio.run(main())
    """)
    assert "canary" not in out
    assert lines[0]["logger"] == "asyncio"
    assert lines[0]["error_type"] == "ValueError"


def test_the_servers_own_words_are_kept() -> None:
    _, (line,) = run("""logging.getLogger("uvicorn.error").info("Application startup complete.")""")
    assert line["reason"] == "Application startup complete."


def test_a_failed_vendor_call_tells_no_secret_no_id_and_no_body() -> None:
    out, lines = run("""
        from tests.core.vendor import Clients, answer, scripted_vendor
        from app.domain.errors import GatewayError
        async def main():
            async with scripted_vendor() as vendor:
                vendor.will(answer(422, {"code": "X1", "message": "no guest canary-words"}))
                clients = Clients.of(vendor.url)
                try:
                    await clients.make().ask(
                        "POST", "guests/{id}", answer=dict, at={"id": "canary-id"},
                        params={"q": "canary-query"}, json={"name": "canary-body"},
                    )
                except GatewayError:
                    pass
                await clients.services.pools.aclose()
        asyncio.run(main())
    """)
    assert "canary" not in out
    (line,) = lines
    told = {name: line[name] for name in ("event", "vendor", "endpoint", "outcome", "vendor_code", "error_type")}
    assert told == {
        "event": "vendor.call.failed",
        "vendor": "scripted",
        "endpoint": "guests/{id}",
        "outcome": "rejected",
        "vendor_code": "X1",
        "error_type": "VendorRejected",
    }


@pytest.mark.parametrize("level", ["WARNING", "warning"])
def test_the_level_is_kept(level: str) -> None:
    _, lines = run(f"""
        log.configure("{level}")
        structlog.get_logger().info("quiet")
        structlog.get_logger().warning("loud")
    """)
    assert [line["event"] for line in lines] == ["loud"]
