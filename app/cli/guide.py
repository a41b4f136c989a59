"""Walks through the HTTP API of a running gateway: one call, one line, and the look whether it is as promised."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from rich.console import Console
from rich.text import Text

from app.cli.logbook import Entry, Logbook

_PATH_COLUMNS = 60
_POLL = 0.1  # seconds


class Unexpected(Exception):
    """An answer is not what the contract promises; the message says in what."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway answered."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def data(self) -> Any:
        """What was asked for, out of its envelope."""
        return self.body["data"]

    @property
    def meta(self) -> Any:
        """What is known about the answer."""
        return self.body["meta"]


Note = Callable[[Answer], str]
"""Gives the telling part of an answer in a few words; raises `Unexpected` where the decisive field is wrong."""


def require(holds: object, otherwise: str) -> None:
    """Go on only when something holds.

    Raises:
        Unexpected: it does not.
    """
    if not holds:
        raise Unexpected(otherwise)


class Guide:
    """One caller on a tour; counts what was wrong."""

    def __init__(self, http: httpx.Client, console: Console) -> None:
        self._http = http
        self._console = console
        self.calls = 0
        self.failures = 0
        self.logbook = Logbook()

    def ask(
        self,
        method: str,
        path: str,
        note: Note,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
        json: Any = None,
    ) -> Answer:
        """Send one request and print what came of it. `key` is an Idempotency-Key.

        Raises:
            Unexpected: another status was answered, or `note` found something wrong; it has been printed.
        """
        sent = dict(headers or {}) | ({"Idempotency-Key": key} if key else {})
        started = time.perf_counter()
        try:
            response = self._http.request(method, path, headers=sent, json=json)
        except httpx.HTTPError as error:
            self._print(False, (method, path, "-", "-", "-"), f"{type(error).__name__}: {error}")
            raise Unexpected(str(error)) from error
        seconds = time.perf_counter() - started
        shown = (
            method,
            path,
            str(response.status_code),
            response.headers.get("X-Cache", "-"),
            f"{seconds * 1000:.0f} ms",
        )
        try:
            answer = _read(response, status)
            told = note(answer)
        except (Unexpected, LookupError, TypeError, ValueError, StopIteration) as error:
            self.logbook.note(method, path, Entry(shown[2], seconds, as_promised=False))
            self._print(False, shown, _complaint(error))
            raise Unexpected(str(error)) from error
        self.logbook.note(method, path, Entry(shown[2], seconds, as_promised=True))
        self._print(True, shown, told)
        return answer

    def wait(self, path: str, is_over: Callable[[Answer], bool], note: Note, *, within: float) -> Answer:
        """Ask until something is over, at most `within` seconds, then once more and print what came of it.

        Raises:
            Unexpected: as in `ask`; that it is not over is for `note` to find.
        """
        deadline = time.monotonic() + within
        with self._console.status("waiting …"):
            while time.monotonic() < deadline and not self._holds(path, is_over):
                time.sleep(_POLL)
        return self.ask("GET", path, note)

    def check(self, holds: bool, told: str) -> None:
        """Print what was seen elsewhere than in an answer.

        Raises:
            Unexpected: it is not as promised; it has been printed.
        """
        self.failures += not holds
        sign = Text("✓" if holds else "✗", style="green" if holds else "bold red")
        self._console.print(Text.assemble(sign, " ", (told, "cyan")), soft_wrap=True)
        require(holds, told)

    def tell(self, what: str) -> None:
        """Print what happens meanwhile."""
        self._console.print(Text(f"• {what}", style="yellow"), soft_wrap=True)

    def miss(self, about: str) -> Unexpected:
        """Print that something cannot be shown at all, and give the error to raise."""
        self._print(False, ("-", "-", "-", "-", "-"), about)
        return Unexpected(about)

    def say(self, heading: str) -> None:
        """Print what comes next."""
        self._console.print(Text(f"\n{heading}", style="bold"), soft_wrap=True)

    def _holds(self, path: str, is_over: Callable[[Answer], bool]) -> bool:
        try:
            return is_over(_read(self._http.get(path), 200))
        except (httpx.HTTPError, Unexpected, LookupError, TypeError, ValueError):
            return True  # `ask` says what is wrong

    def _print(self, ok: bool, shown: tuple[str, str, str, str, str], told: str) -> None:
        self.calls += 1
        self.failures += not ok
        method, path, status, cache, duration = shown
        sign = Text("✓" if ok else "✗", style="green" if ok else "bold red")
        facts, asked = f" {status} {cache:<5} {duration:>6}  ", f"{method:<5} {path:<{_PATH_COLUMNS}}  "
        self._console.print(Text.assemble(sign, (facts, "dim"), asked, (told, "cyan")), soft_wrap=True)


def _read(response: httpx.Response, status: int) -> Answer:
    body = response.json() if response.content else None
    if response.status_code != status:
        said = body if isinstance(body, dict) else {}
        raise Unexpected(f"expected {status}; {said.get('code', '')}: {said.get('detail', 'no problem document')}")
    return Answer(response.status_code, response.headers, body)


def _complaint(error: Exception) -> str:
    return str(error) if isinstance(error, Unexpected) else f"the answer lacks something: {error!r}"
