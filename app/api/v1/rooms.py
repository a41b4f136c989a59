"""Rooms and their housekeeping state."""

from typing import Annotated

from fastapi import APIRouter, Body, Path, Response

from app.api import examples
from app.api.deps import Key, Reading, Writing
from app.api.documents import reading, writing
from app.api.envelope import dumped, read_response
from app.api.paging import Cursor, Limit, page
from app.api.v1.operations import OperationOut, write_answer
from app.domain.hotel import RoomStatus, RoomStatusChange

router = APIRouter(prefix="/v1/hotels/{hotel_id}/rooms", tags=["rooms"])

RoomPath = Annotated[str, Path(min_length=1, max_length=64, examples=["101"])]


@router.get(
    "",
    operation_id="list_rooms",
    summary="All rooms as they are now",
    **reading(list[RoomStatus], [examples.ROOM]),
)
async def list_rooms(visit: Reading, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """Housekeeping, occupancy and whether a room is out of order, by room number."""
    return await page(
        visit,
        list[RoomStatus],
        lambda: visit.gateway.rooms.list(visit.registration, visit.patience),
        limit=limit,
        cursor=cursor,
    )


@router.get(
    "/{room_number}",
    operation_id="get_room",
    summary="One room as it is now",
    **reading(RoomStatus, examples.ROOM),
)
async def get_room(visit: Reading, room_number: RoomPath) -> Response:
    """By the room's number."""
    answer = await visit.gateway.rooms.get(visit.registration, room_number, visit.patience)
    return read_response(visit.request, dumped(RoomStatus, answer.data), answer, now=visit.now)


@router.put(
    "/{room_number}/status",
    operation_id="set_room_status",
    summary="Set the housekeeping state of a room",
    **writing(RoomStatus, examples.ROOM, OperationOut, examples.OPERATION),
)
async def set_room_status(
    visit: Writing,
    room_number: RoomPath,
    key: Key,
    change: Annotated[RoomStatusChange, Body(examples=[{"cleaning": "clean"}])],
) -> Response:
    """Where the PMS can."""
    order = visit.order(change, key)
    return write_answer(await visit.gateway.rooms.set_status(visit.registration, room_number, change, order))
