from typing import Any

import pytest

from app.core.operation import Operation, current_send
from app.domain.errors import CannotBeSeen, NotFound, NotSeen, OutcomeUnknown, VendorRejected
from app.domain.ids import OperationId
from app.domain.money import Money
from tests.core.vendor import Clients, ScriptedVendor, answer, write


async def test_a_finished_step_is_not_sent_again(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(answer(200, {"number": 1}), answer(200, {"number": 2}))
    operation, client = clients.operation(), clients.make()
    assert await write(client, operation, "guest") == {"number": 1}
    assert await write(client, operation, "guest") == {"number": 1}
    assert await write(client, operation, "reserve") == {"number": 2}
    assert len(vendor.seen) == 2


async def test_a_step_that_was_refused_is_sent_again_when_the_operation_resumes(
    vendor: ScriptedVendor, clients: Clients
) -> None:
    vendor.will(answer(200, {"guest": 1}), answer(400), answer(200, {"stay": 1}))
    operation, client = clients.operation(), clients.make()

    async def both() -> Any:
        await write(client, operation, "guest")
        return await write(client, operation, "reserve")

    with pytest.raises(VendorRejected):
        await both()
    assert await both() == {"stay": 1}
    assert len(vendor.seen) == 3


async def test_a_step_whose_answer_was_lost_is_looked_for_and_not_sent_again(
    vendor: ScriptedVendor, clients: Clients
) -> None:
    vendor.will(answer(500))
    operation, client = clients.operation(), clients.make()
    shown: list[dict[str, int]] = []

    async def find() -> dict[str, int] | None:
        return shown[0] if shown else None

    async def reserve() -> Any:
        call = lambda: client.act("POST", "x", answer=dict[str, int])  # noqa: E731 - as adapters write it
        return await operation.step("reserve", call, returns=dict[str, int], find=find)

    with pytest.raises(OutcomeUnknown):
        await reserve()
    with pytest.raises(NotSeen):
        await reserve()
    shown.append({"stay": 1})
    assert await reserve() == {"stay": 1}
    assert len(vendor.seen) == 1


async def test_what_nobody_can_look_for_is_for_a_person(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(answer(500))
    operation, client = clients.operation(), clients.make()
    with pytest.raises(OutcomeUnknown):
        await write(client, operation, "reserve")
    with pytest.raises(CannotBeSeen):
        await write(client, operation, "reserve")
    assert len(vendor.seen) == 1


async def test_what_is_seen_at_once_is_a_plain_success(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(answer(500))
    operation, client = clients.operation(), clients.make()

    async def find() -> dict[str, int]:
        return {"stay": 1}

    call = lambda: client.act("POST", "x", answer=dict[str, int])  # noqa: E731 - as adapters write it
    assert await operation.step("reserve", call, returns=dict[str, int], find=find) == {"stay": 1}
    assert operation.stands
    assert not operation.doubtful


async def test_what_was_read_before_is_read_once_and_stands_for_nothing(clients: Clients) -> None:
    operation = clients.operation()
    readings = iter([1, 2])

    async def read() -> int:
        return next(readings)

    assert [await operation.remember("before", read, returns=int) for _ in range(2)] == [1, 1]
    assert not operation.stands


async def test_a_recorded_result_comes_back_as_what_it_was() -> None:
    operation = Operation(OperationId("op"))
    money = Money.model_validate({"amount": "1.50", "currency": "EUR"})

    async def price() -> Money:
        return money

    await operation.step("price", price, returns=Money)
    assert await operation.step("price", price, returns=Money) == money


@pytest.mark.parametrize("result", [None, [], False, ""])
async def test_an_empty_result_is_a_result(result: Any) -> None:
    operation, calls = Operation(OperationId("op")), []

    async def call() -> Any:
        calls.append(1)
        return result

    for _ in range(2):
        assert await operation.step("empty", call, returns=object) == result
    assert len(calls) == 1


def test_a_reference_is_the_same_on_every_attempt_and_another_for_every_step_and_operation() -> None:
    one, again, other = (Operation(OperationId(name)) for name in ("op-1", "op-1", "op-2"))
    assert one.reference("reserve") == again.reference("reserve")
    assert len({one.reference("reserve"), one.reference("guest"), other.reference("reserve")}) == 3
    assert len(one.reference("reserve")) == 32
    assert one.reference("reserve").isalnum()


async def test_steps_are_taken_back_the_last_first_each_under_a_reference_of_its_own() -> None:
    operation, undone = Operation(OperationId("op")), []

    async def done() -> int:
        return 1

    def undo(name: str) -> Any:
        async def back() -> None:
            send = current_send()
            assert send is not None
            undone.append((name, send.reference))

        return back

    for name in ("guest", "reserve", "note"):
        await operation.step(name, done, returns=int, undo=undo(name) if name != "note" else None)
    assert operation.stands
    assert await operation.undo()
    assert undone == [(name, operation.reference(f"undo {name}")) for name in ("reserve", "guest")]
    assert operation.stands  # the note, which nothing takes back
    assert current_send() is None


async def test_an_undo_that_fails_is_told_and_leaves_the_earlier_steps_standing() -> None:
    operation = Operation(OperationId("op"))

    async def done() -> int:
        return 1

    async def refuse() -> None:
        raise NotFound("no")

    await operation.step("guest", done, returns=int, undo=done)
    await operation.step("reserve", done, returns=int, undo=refuse)
    assert not await operation.undo()
    assert operation.stands


async def test_what_is_undone_runs_anew() -> None:
    operation, calls = Operation(OperationId("op")), []

    async def done() -> int:
        calls.append(1)
        return len(calls)

    await operation.step("guest", done, returns=int, undo=done)
    await operation.undo()
    assert await operation.step("guest", done, returns=int) == 3


async def test_a_permission_to_send_ends_with_its_step(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(answer(500))
    with pytest.raises(OutcomeUnknown):
        await write(clients.make(), clients.operation())
    assert current_send() is None


async def test_giving_up_is_in_time_only_before_the_first_send(vendor: ScriptedVendor, clients: Clients) -> None:
    operation = clients.operation()
    await write(clients.make(), operation)
    assert not operation.give_up_waiting()
    assert operation.not_after > clients.clock.monotonic()


async def test_an_undo_whose_answer_is_lost_leaves_its_step_in_doubt(vendor: ScriptedVendor, clients: Clients) -> None:
    vendor.will(answer(200, {"stay": 1}), answer(500))
    operation, client = clients.operation(), clients.make()
    shown: list[dict[str, int]] = []

    async def find() -> dict[str, int] | None:
        return shown[0] if shown else None

    async def reserve() -> Any:
        call = lambda: client.act("POST", "x", answer=dict[str, int])  # noqa: E731 - as adapters write it
        cancel = lambda: client.act("POST", "x/cancel", answer=dict[str, int])  # noqa: E731 - as adapters write it
        return await operation.step("reserve", call, returns=dict[str, int], undo=cancel, find=find)

    await reserve()
    assert not await operation.undo()
    assert not operation.stands
    assert operation.is_resumed
    with pytest.raises(NotSeen):
        await reserve()
    shown.append({"stay": 1})
    assert await reserve() == {"stay": 1}
    assert operation.stands
    assert len(vendor.seen) == 2
