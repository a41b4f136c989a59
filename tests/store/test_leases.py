"""Leases: of two processes with the same question one asks the PMS, and only who still holds the lease may answer."""

import asyncio

from app.domain.errors import NotFound, VendorThrottled
from app.store.cache import CacheKey
from app.store.leases import LEASE_SECONDS, Lease, Leases, Question
from tests.fixtures.caches import RedisSide
from tests.fixtures.stays import eventually
from tests.fixtures.wire import Wire

Sides = tuple[RedisSide, RedisSide]


async def taken(leases: Leases, question: Question) -> Lease:
    turn = await leases.claim(question)
    assert turn is not None
    assert turn.lease is not None
    return turn.lease


async def is_ours(leases: Leases, question: Question) -> bool:
    turn = await leases.claim(question)
    return turn is not None and turn.lease is not None


async def test_only_one_has_the_turn_and_the_other_finds_what_it_brought(sides: Sides, rooms_key: CacheKey) -> None:
    ours, theirs = sides
    question = await ours.question(rooms_key)
    token = await taken(ours.leases, question)
    assert not await is_ours(theirs.leases, question)
    assert await ours.leases.land(question, token, b"[1]", as_of=ours.clock.now(), ttl=60)
    turn = await theirs.leases.claim(question)
    assert turn is not None
    assert turn.copy is not None
    assert (turn.copy.payload, turn.copy.fresh) == (b"[1]", True)


async def test_a_lease_that_is_renewed_outlives_its_time_and_one_that_is_not_ends(
    sides: Sides, rooms_key: CacheKey
) -> None:
    ours, theirs = sides
    question = await ours.question(rooms_key)
    token = await taken(ours.leases, question)
    loop = asyncio.get_running_loop()
    until = loop.time() + LEASE_SECONDS + 0.3
    async with ours.leases.renewed(question, token):
        while loop.time() < until:
            assert not await is_ours(theirs.leases, question)
            await asyncio.sleep(0.1)
    await eventually(lambda: is_ours(theirs.leases, question), lambda theirs_now: theirs_now)


async def test_an_older_answer_never_replaces_a_newer_one(sides: Sides, rooms_key: CacheKey) -> None:
    ours, theirs = sides
    question = await ours.question(rooms_key)
    old = await taken(ours.leases, question)
    new = await theirs.leases.take(question)
    assert new is not None
    assert await theirs.leases.land(question, new, b'["new"]', as_of=theirs.clock.now(), ttl=60)
    assert not await ours.leases.land(question, old, b'["old"]', as_of=ours.clock.now(), ttl=60)
    copy = (await ours.look(rooms_key)).copy
    assert copy is not None
    assert copy.payload == b'["new"]'


async def test_who_takes_the_lease_over_and_over_keeps_nobody_from_being_answered(
    sides: Sides, rooms_key: CacheKey
) -> None:
    ours, theirs = sides
    question = await ours.question(rooms_key)
    first = await ours.leases.take(question)
    second = await theirs.leases.take(question)
    assert first is not None
    assert second is not None
    waiting = await ours.leases.claim(question)
    assert waiting is not None
    assert await ours.leases.land(question, first, b"[1]", as_of=ours.clock.now(), ttl=60)
    still_waiting = await ours.leases.claim(question)  # the second one is under way
    assert still_waiting is not None
    assert still_waiting.lease is None
    assert still_waiting.kept > waiting.kept  # and yet there is an answer, which the ticket tells
    assert await ours.fresh(rooms_key)


async def test_an_answer_that_a_write_has_overtaken_is_not_kept_and_nobody_waits_for_it(
    sides: Sides, rooms_key: CacheKey
) -> None:
    ours, theirs = sides
    question = await ours.question(rooms_key)
    token = await taken(ours.leases, question)
    await theirs.cache.move(rooms_key.hotel_id, ["rooms"])
    assert await is_ours(theirs.leases, await theirs.question(rooms_key))
    assert not await ours.leases.land(question, token, b"[1]", as_of=ours.clock.now(), ttl=60)
    assert await theirs.fresh(rooms_key) is None


async def test_a_vendors_failure_is_told_to_those_who_wait_and_soon_forgotten(
    sides: Sides, rooms_key: CacheKey
) -> None:
    ours, theirs = sides
    question = await ours.question(rooms_key)
    token = await taken(ours.leases, question)
    failure = VendorThrottled("the quota of Ada Lovelace's hotel", vendor="bridge", vendor_code="x", retry_after=7.5)
    await ours.leases.let_go(question, token, failure)
    turn = await theirs.leases.claim(question)
    assert turn is not None
    assert isinstance(turn.failure, VendorThrottled)
    assert turn.failure.as_shared() == failure.as_shared()
    held = await ours.link.client.get(question.lease)
    assert isinstance(held, bytes)
    assert b"Lovelace" not in held
    await eventually(lambda: is_ours(theirs.leases, question), lambda theirs_now: theirs_now, within=2)


async def test_a_failure_without_more_to_say_arrives_as_its_kind(sides: Sides, rooms_key: CacheKey) -> None:
    ours, theirs = sides
    question = await ours.question(rooms_key)
    await ours.leases.let_go(question, await taken(ours.leases, question), NotFound("there is none", vendor="bridge"))
    turn = await theirs.leases.claim(question)
    assert turn is not None
    assert type(turn.failure) is NotFound


async def test_rubbish_where_a_lease_should_be_ends_by_itself(sides: Sides, rooms_key: CacheKey) -> None:
    ours, _ = sides
    question = await ours.question(rooms_key)
    await ours.link.client.set(question.lease, b"!rubbish", px=200)
    turn = await ours.leases.claim(question)
    assert turn is not None
    assert turn.lease is None
    assert turn.failure is None
    await eventually(lambda: is_ours(ours.leases, question), lambda ours_now: ours_now, within=2)


async def test_without_redis_nobody_holds_a_lease(sides: Sides, rooms_key: CacheKey, redis_wire: Wire) -> None:
    ours, _ = sides
    question = await ours.question(rooms_key)
    await redis_wire.cut()
    assert await ours.leases.claim(question) is None
    assert await ours.leases.take(question) is None
    assert not await ours.leases.land(question, Lease(b"token", b"0" * 20), b"[]", as_of=ours.clock.now(), ttl=60)
