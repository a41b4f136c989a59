"""Guest profiles."""

from typing import Annotated

from fastapi import APIRouter, Body, Path, Response

from app.api import examples
from app.api.deps import Key, Reading, RequiredKey, Visit, Writing
from app.api.documents import reading, writing
from app.api.envelope import dumped, read_response
from app.api.paging import Cursor, Limit, page
from app.api.v1.operations import OperationOut, write_answer
from app.domain.errors import InvalidRequest
from app.domain.guest import GuestDraft, GuestProfile, GuestQuery, PreferenceSet
from app.domain.text import EmailAddress, PersonalLine

router = APIRouter(prefix="/v1/hotels/{hotel_id}/guests", tags=["guests"])

GuestPath = Annotated[str, Path(min_length=1, max_length=512, examples=["G-2001"])]


@router.get(
    "",
    operation_id="find_guests",
    summary="Find guests",
    **reading(list[GuestProfile], [examples.GUEST]),
)
async def find_guests(
    visit: Reading,
    email: EmailAddress | None = None,
    phone: PersonalLine | None = None,
    last_name: PersonalLine | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """By equality, after folding case, accents and spaces; phones by E.164. `POST …/search` keeps it out of logs."""
    if email is None and phone is None and last_name is None:
        raise InvalidRequest("one of email, phone and last_name is required")
    return await _found(visit, GuestQuery(email=email, phone=phone, last_name=last_name), limit, cursor)


@router.post(
    "/search",
    operation_id="search_guests",
    summary="Find guests, the question in the body",
    **reading(list[GuestProfile], [examples.GUEST], body=True),
)
async def search_guests(
    visit: Reading,
    query: Annotated[GuestQuery, Body(examples=[{"last_name": "Lovelace"}])],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The same as the GET, without personal data in the URL."""
    return await _found(visit, query, limit, cursor)


@router.get(
    "/{guest_id}",
    operation_id="get_guest",
    summary="One guest",
    **reading(GuestProfile, examples.GUEST),
)
async def get_guest(visit: Reading, guest_id: GuestPath) -> Response:
    """By the id of the profile."""
    answer = await visit.gateway.guests.get(visit.registration, guest_id, visit.patience)
    return read_response(visit.request, dumped(GuestProfile, answer.data), answer, now=visit.now)


@router.put(
    "",
    operation_id="upsert_guest",
    summary="Merge a guest's profile",
    **writing(
        GuestProfile,
        examples.GUEST,
        OperationOut,
        examples.OPERATION,
        "idempotency_key_required",
        also=201,
    ),
)
async def upsert_guest(
    visit: Writing, key: RequiredKey, draft: Annotated[GuestDraft, Body(examples=[examples.GUEST_DRAFT])]
) -> Response:
    """By `id`, or by `email` when the last name agrees; 201 when a profile was made, 200 when one was changed."""
    return write_answer(await visit.gateway.guests.upsert(visit.registration, draft, visit.order(draft, key)))


@router.put(
    "/{guest_id}/preferences",
    operation_id="set_guest_preferences",
    summary="Set a guest's preferences",
    **writing(GuestProfile, examples.GUEST, OperationOut, examples.OPERATION),
)
async def set_guest_preferences(
    visit: Writing,
    guest_id: GuestPath,
    key: Key,
    wanted: Annotated[PreferenceSet, Body(examples=[{"preferences": examples.GUEST["preferences"]}])],
) -> Response:
    """The whole set: what is not named is taken away."""
    order = visit.order(wanted, key)
    return write_answer(await visit.gateway.guests.set_preferences(visit.registration, guest_id, wanted, order))


async def _found(visit: Visit, query: GuestQuery, limit: int, cursor: str | None) -> Response:
    return await page(
        visit,
        list[GuestProfile],
        lambda: visit.gateway.guests.search(visit.registration, query, visit.patience),
        limit=limit,
        cursor=cursor,
        asked=query.model_dump(mode="json"),
    )
