"""Those who ask: voice agents that repeat themselves, and remember what they were told."""

import asyncio
import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.chaos.pace import Pace
from tests.chaos.writes import Manner, Write

MOST_TRIES = {Manner.PATIENT: 30, Manner.HASTY: 8, Manner.ASYNC: 30, Manner.ONCE: 1}
CONFLICT_RUNNING = "operation_in_progress"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request got; a status of 0 is no answer at all."""

    status: int
    code: str = ""
    operation_id: str | None = None
    detail: str = ""

    @property
    def is_done(self) -> bool:
        """Whether it says that the write is in effect."""
        return self.status in {200, 201}

    @property
    def is_refusal(self) -> bool:
        """Whether it says that this request did nothing."""
        return self.status >= 400 and not self.is_running

    @property
    def is_final(self) -> bool:
        """Whether a caller needs not ask again."""
        return self.status in {200, 201, 202} or (
            400 <= self.status < 500 and self.status not in {408, 429} and not self.is_running
        )

    @property
    def is_running(self) -> bool:
        """Whether it says that the same request runs."""
        return self.code == CONFLICT_RUNNING


@dataclass
class Told:
    """All that the caller of one write was told."""

    write: Write
    answers: list[Answer] = field(default_factory=list)

    @property
    def last(self) -> Answer:
        """The last answer; that counts."""
        return self.answers[-1]

    @property
    def was_accepted(self) -> bool:
        """Whether it was told 202."""
        return any(one.status == 202 for one in self.answers)

    @property
    def is_told_failed(self) -> bool:
        """Whether its caller has to believe that nothing was done.

        A refusal that names no operation speaks of its own request alone (api.md: before the intent was stored); of
        an earlier one that got no answer it says nothing.
        """
        if not self.last.is_refusal or self.was_accepted:
            return False
        return self.last.operation_id is not None or all(one.is_refusal for one in self.answers)

    @property
    def operation_id(self) -> str | None:
        """The operation that it was told of last."""
        return next((one.operation_id for one in reversed(self.answers) if one.operation_id), None)


class Callers:
    """Many clients at once, each doing one write after the other at whichever gateway answers."""

    def __init__(self, urls: Sequence[str], token: str, hotel_id: str, pace: Pace, *, seed: int) -> None:
        self._urls = list(urls)
        self._turns = itertools.cycle(self._urls)
        self._hotel_id = hotel_id
        self._pace = pace
        self._seed = seed
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.AsyncClient(
            headers=headers, timeout=pace.patience * 2, limits=httpx.Limits(max_connections=100)
        )
        self.told: list[Told] = []

    async def aclose(self) -> None:
        """Hang up."""
        await self._http.aclose()

    async def ask_all(self, writes: Sequence[Write], *, at_once: int) -> None:
        """Have so many clients ask for all these writes."""
        waiting = iter(writes)

        async def client() -> None:
            for write in waiting:
                told = Told(write)
                await self._ask(told)
                self.told.append(told)

        await asyncio.gather(*(client() for _ in range(at_once)))

    async def register(self, body: Mapping[str, Any]) -> None:
        """Register the hotel."""
        answer = await self._http.put(f"{self._urls[0]}/v1/hotels/{self._hotel_id}", json=dict(body))
        assert answer.status_code == 201, answer.text

    async def get(self, path: str, **params: Any) -> Any:
        """Read something of ours, at whichever gateway answers; nothing where there is no such thing."""
        for _ in range(100):
            try:
                answer = await self._http.get(next(self._turns) + path, params=params)
            except httpx.TransportError:
                await asyncio.sleep(0.1)
                continue
            if answer.status_code in {200, 404}:
                return answer.json() if answer.status_code == 200 else None
            await asyncio.sleep(0.1)
        raise RuntimeError(f"no gateway answers {path}")

    async def _ask(self, told: Told) -> None:
        write = told.write
        chance = random.Random(f"caller {self._seed} {write.number}")  # noqa: S311 - repeatable on purpose
        for attempt in range(MOST_TRIES[write.manner]):
            told.answers.append(await self._send(write, chance.choice(self._urls)))
            if told.last.is_final:
                break
            await asyncio.sleep(min(1.0, 0.05 * 2**attempt) * chance.uniform(0.5, 1.5))
        if told.last.status == 202 and write.manner is not Manner.ONCE and chance.random() < 0.3:
            await asyncio.sleep(chance.uniform(0.1, 1.0))
            told.answers.append(await self._send(write, chance.choice(self._urls)))

    async def _send(self, write: Write, url: str) -> Answer:
        headers = {**write.wanted.headers, "Idempotency-Key": write.key}
        patience = 0.3 if write.manner is Manner.HASTY else self._pace.patience
        headers["X-Request-Timeout"] = f"{patience:.2f}"
        if write.manner is Manner.ASYNC:
            headers["Prefer"] = "respond-async, wait=0" if write.number % 2 else "respond-async"
        path = f"{url}/v1/hotels/{self._hotel_id}{write.wanted.path}"
        try:
            answer = await self._http.request(
                write.wanted.method, path, json=write.wanted.body, headers=headers, timeout=patience + 1
            )
            return _answer(answer.status_code, answer.json())
        except (httpx.TransportError, ValueError) as error:
            return Answer(0, type(error).__name__)


def _answer(status: int, body: dict[str, Any]) -> Answer:
    if status >= 400:
        return Answer(status, body.get("code", ""), body.get("operation_id"), body.get("detail", ""))
    named = body["data"]["id"] if status == 202 else body["meta"]["operation_id"]
    return Answer(status, body["data"].get("status", "") if status == 202 else "", named)
