"""What QloApps says: only the fields that we read, under its own names.

Ids and flags come as numbers or as strings, amounts as decimal strings or numbers, texts in one language or in a
list of several, dates that are not set as zeros (# Q2). No model has `passwd` or `secure_key` (# Q10).
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, TypeVar, cast

import orjson
from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    model_validator,
)

from app.domain.errors import InvalidRequest
from app.domain.money import Currency

_COMMANDS = frozenset("[]|,%")


def _id(value: Any) -> str:
    return "" if value is None or isinstance(value, bool) else str(value)


def _set_or_none(value: Any) -> Any:
    return None if not value or str(value).startswith("0000-00-00") else value


def _said(text: Any) -> Any:
    return text.get("value") if isinstance(text, dict) else text


def _one_language(value: Any) -> Any:
    return next(filter(None, map(_said, value)), "") if isinstance(value, list) else value or ""


Id = Annotated[str, BeforeValidator(_id)]
Number = Annotated[str, BeforeValidator(_id), StringConstraints(pattern=r"^[0-9]+$")]
"""An id that leads to something."""
Amount = Annotated[Decimal, Field(gt=-(10**12), lt=10**12)]
Flag = Annotated[bool, BeforeValidator(lambda value: value is True or str(value) == "1")]
Day = Annotated[dt.date, BeforeValidator(lambda value: str(value)[:10])]
ShopTime = Annotated[dt.datetime | None, BeforeValidator(_set_or_none)]
"""The shop's local time, without its zone (# Q12)."""
Text = Annotated[str, BeforeValidator(_one_language)]
Ages = Annotated[
    tuple[int, ...],
    BeforeValidator(lambda value: orjson.loads(value or "[]")),
    PlainSerializer(lambda ages: f"[{','.join(map(str, ages))}]", return_type=str, when_used="json"),
]
"""JSON within JSON."""
Keys = Annotated[tuple[str, ...], BeforeValidator(lambda value: tuple(value) if isinstance(value, dict) else value)]
"""The ids of rooms: an object keyed by them, or an empty list (# Q3)."""


class Wire(BaseModel):
    """Something of the vendor's."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Row(Wire):
    """One row of a resource that can be listed."""

    resource: ClassVar[str]
    node: ClassVar[str]
    """The name of the list in the answer."""
    display: ClassVar[str | None] = None
    """Which fields to ask for, where it is not those of the model."""

    @classmethod
    def shown(cls) -> str:
        """Give the value of `display`: the fields that we read and no others."""
        return cls.display or f"[{','.join(cls.model_fields)}]"


R = TypeVar("R", bound=Row)


class Page(Wire, Generic[R]):
    """A list of rows under its name; an empty one is a bare `[]` (# Q1)."""

    rows: tuple[R, ...]

    @classmethod
    def of(cls, row: type[R]) -> "type[Page[R]]":
        """Give the type of a list of `row`."""
        return cast("type[Page[R]]", cls.__class_getitem__(row))

    @model_validator(mode="before")
    @classmethod
    def _under_its_name(cls, answer: Any) -> Any:
        row: type[Row] = cls.__pydantic_generic_metadata__["args"][0]
        if answer == []:
            return {"rows": answer}
        return {"rows": answer[row.node]} if isinstance(answer, dict) and row.node in answer else {}


class HotelRow(Row):
    """A hotel of the shop; a shop may have several."""

    resource = node = "hotels"
    id: Number
    hotel_name: Text
    active: Flag


class RoomTypeLimits(Row):
    """How many a room type takes; `id_product` is the id that everybody else calls `id_room_type`."""

    resource = node = "hotel_room_types"
    display = "full"
    id_product: Id
    id_hotel: Id
    max_adults: int
    max_children: int
    max_guests: int
    rooms: tuple[Any, ...] = Field((), validation_alias=AliasPath("associations", "hotel_rooms"))


class RoomTypeRow(Row):
    """A room type as it is sold."""

    resource = node = "room_types"
    display = "full"
    id: Number
    id_hotel: Id
    name: Text
    description: Text = ""
    active: Flag


class RoomRow(Row):
    """A room; status 1 is active, 2 inactive, 3 inactive for some days."""

    resource = "hotel_rooms"
    node = "rooms"
    id: Number
    id_product: Id
    id_hotel: Id
    room_num: str
    id_status: Id
    floor: str | None = None
    date_upd: ShopTime = None


class AriRoomType(Wire):
    """Prices are of one night on average, or, `total`, of the stay."""

    id_room_type: Id
    base_price_with_tax: Amount
    total_price: Amount
    total_price_with_tax: Amount
    free: Keys = Field(validation_alias=AliasPath("rooms", "available"))


class Ari(Wire):
    """Availability and rates of some nights; an unknown hotel or room type has no `room_types`."""

    date_from: dt.date
    currency: Currency
    room_types: tuple[AriRoomType, ...] = ()


class AriAnswer(Wire):
    """The answer for a stay as a whole, or night by night."""

    aris: Annotated[tuple[Ari, ...], BeforeValidator(lambda value: [value] if isinstance(value, dict) else value)] = (
        Field(validation_alias=AliasChoices("hotel_ari", "hotel_aris"))
    )


class OrderRow(Row):
    """An order, our reservation: `total_paid_tax_incl` is what it costs, `total_paid_real` what was paid."""

    resource = node = "orders"
    id: Number
    id_customer: Number
    id_currency: Id
    current_state: Id
    reference: str
    source: str | None = None
    total_paid_tax_incl: Amount
    total_paid_real: Amount
    date_add: ShopTime = None
    date_upd: ShopTime = None


class OrderAnswer(Wire):
    """One order, or that there is none."""

    order: OrderRow | None


class OrderStateRow(Row):
    """A state that an order may be in; ids and names are the shop's own."""

    resource = node = "order_states"
    id: Number
    name: Text


TIME_ZONE = "PS_TIMEZONE"


class ConfigurationRow(Row):
    """A setting of the shop (code)."""

    resource = node = "configurations"
    id: Number
    name: str
    value: str | None = None


class CurrencyRow(Row):
    """A currency of the shop; its own has the rate 1."""

    resource = node = "currencies"
    id: Number
    iso_code: str
    conversion_rate: Decimal


class OrderDetailRow(Row):
    """A line of an order."""

    resource = node = "order_details"
    id: Number
    product_name: str
    product_quantity: int
    total_price_tax_incl: Amount


class OrderPaymentRow(Row):
    """A payment to the orders of one reference."""

    resource = node = "order_payments"
    id: Number
    amount: Amount
    payment_method: str
    transaction_id: str | None = None
    date_add: ShopTime = None


class RoomBookingRow(Row):
    """One room of an order; its `phone` and `email`, which we do not read, are the hotel's."""

    resource = "room_bookings"
    node = "bookings"
    id: Number
    id_order: Number
    id_hotel: Id
    id_product: Id
    id_room: Id
    id_customer: Number
    id_status: Id
    room_num: str | None = None
    date_from: Day
    date_to: Day
    adults: int
    children: int
    child_ages: Ages = ()
    comment: str | None = None
    is_cancelled: Flag
    is_refunded: Flag
    planned_check_out: ShopTime = None


class PlacedRow(RoomBookingRow):
    """A room of an order, with what tells whether the order has got it and what it costs."""

    is_back_order: Flag
    total_price_tax_incl: Amount


class Service(Wire):
    """A service of a booked room; `price_mode` 0 is one that was made for this booking alone (# Q27)."""

    id_service: Id
    name: str
    quantity: int
    total_price_without_tax: Amount
    total_tax: Amount
    price_mode: int


class BookedRoom(Wire):
    """A room as `/bookings` shows it; its `unit_price_without_tax` is the price of the stay."""

    id_room: Id
    adults: int
    child: int
    unit_price_without_tax: Amount
    total_tax: Amount
    services: tuple[Service, ...] = ()
    facilities: tuple[Any, ...] = ()


class BookedType(Wire):
    """The rooms of one type and the same dates."""

    id_room_type: Id
    checkin_date: Day
    checkout_date: Day
    rooms: tuple[BookedRoom, ...]


class CustomerDetail(Wire):
    """The guest of a booking; without `id_customer` whoever has the e-mail address is taken, and renamed (# Q23)."""

    id_customer: Id | None = None
    firstname: str
    lastname: str
    email: str
    phone: str


class BookingParts(Wire):
    """What a booking is made of."""

    customer_detail: CustomerDetail
    room_types: tuple[BookedType, ...]
    cart_rules: tuple[Any, ...] = ()


class Booking(Wire):
    """A booking as far as it has to be sent back whole (# Q25)."""

    id: Number
    id_property: Number
    currency: str
    associations: BookingParts


class WholeAnswer(Wire):
    """A booking, or that the shop cannot show it."""

    booking: Booking | None


class Written(Wire):
    """What we read of the answer to a write: the id of what was written; a customer's echoes a password hash."""

    number: Number = Field(
        validation_alias=AliasChoices(*(AliasPath(node, "id") for node in ("booking", "customer", "order_history")))
    )


class Price(Wire):
    """What a room is sold for: a night without tax, and the tax of the stay."""

    unit_price: Amount
    total_tax: Amount
    currency: Currency


class BookingAnswer(Wire):
    """What we read of a booking as `/bookings` shows it (# Q7)."""

    remarks: tuple[str, ...] = Field(validation_alias=AliasPath("booking", "associations", "remarks"))


class CustomerRow(Row):
    """A guest, shared by all hotels of the shop."""

    resource = node = "customers"
    id: Number
    firstname: str
    lastname: str
    email: str | None = None
    phone: str | None = None
    active: Flag = True
    deleted: Flag = False
    date_upd: ShopTime = None


class AddressRow(Row):
    """An address of a guest."""

    resource = node = "addresses"
    id: Number
    id_customer: Number


def among(field: str, values: Iterable[str]) -> Mapping[str, str]:
    """Ask for rows where `field` is one of `values`, which hold no command (`literal` sees to it)."""
    return {f"filter[{field}]": f"[{'|'.join(values)}]"}


def on_day(field: str, day: dt.date) -> Mapping[str, str]:
    """Ask for rows whose time `field` lies on a day of the shop's."""
    return {"date": "1", f"filter[{field}]": f"[{day} 00:00:00,{day} 23:59:59]"}


def literal(field: str, text: str) -> str:
    """Give back a caller's text that may stand in a filter.

    Raises:
        InvalidRequest: it holds what a filter takes for a command, which would widen the search (# Q11).
    """
    if _COMMANDS & set(text):
        raise InvalidRequest.of(field, "must hold none of [ ] | , % for this PMS, whose filters take them for commands")
    return text


def is_number(ref: str) -> bool:
    """Tell whether a reference can be an id here: ids are numbers."""
    return ref.isascii() and ref.isdecimal()
