"""Mews's JSON, in its own names as Python writes them: only the members that we read."""

import datetime as dt
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_pascal

Row = TypeVar("Row")

_OFFSET = re.compile(r"P(?:0Y)?(?:0M)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.\d+)?S)?)?")


def _offset(value: Any) -> Any:
    """Read an offset from midnight such as `P0M0DT15H0M0S`: days, hours, minutes and seconds."""
    read = _OFFSET.fullmatch(value) if isinstance(value, str) else None
    if read is None:
        return value
    days, hours, minutes, seconds = (int(part or 0) for part in read.groups())
    return dt.timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


Id = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Names = Mapping[str, str]
"""A text in several languages, by their codes."""
Offset = Annotated[dt.timedelta, BeforeValidator(_offset)]


class Wire(BaseModel):
    """Members that we do not read are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_pascal, populate_by_name=True)


class Page(Wire, Generic[Row]):
    """A part of a list, under the list's own name; without a cursor it is the last."""

    rows: tuple[Row, ...]
    cursor: str | None = None


# The house


class Currency(Wire):
    """A currency that is taken."""

    currency: str
    is_default: bool


class Address(Wire):
    """Where the property is."""

    country_code: str | None = None


class Enterprise(Wire):
    """The property."""

    id: Id
    chain_id: Id
    name: str
    time_zone_identifier: str
    default_language_code: str
    pricing: str
    currencies: tuple[Currency, ...]
    address: Address | None = None

    @property
    def currency(self) -> str | None:
        """The currency in which it counts."""
        return next((one.currency for one in self.currencies if one.is_default), None)


class Configuration(Wire):
    """What `configuration/get` answers."""

    enterprise: Enterprise


class ServiceValue(Wire):
    """When time units of a service begin and end, as offsets from local midnight; null where it has none."""

    start_offset: Offset | None = None
    end_offset: Offset | None = None
    time_unit_period: str | None = None


class ServiceData(Wire):
    """What kind of service it is."""

    discriminator: str
    value: ServiceValue


class Service(Wire):
    """Something that is booked by the day or hour, or ordered."""

    id: Id
    is_active: bool
    ordering: int = 0
    data: ServiceData


class Services(Page[Service]):
    """A page of services."""

    rows: tuple[Service, ...] = Field(alias="Services")


class Category(Wire):
    """A room type."""

    id: Id
    is_active: bool
    names: Names
    descriptions: Names | None = None
    capacity: int
    extra_capacity: int

    @property
    def most(self) -> int:
        """How many guests it takes."""
        return self.capacity + self.extra_capacity


class Categories(Page[Category]):
    """A page of room types."""

    rows: tuple[Category, ...] = Field(alias="ResourceCategories")


class Assignment(Wire):
    """Of which type a room is."""

    is_active: bool
    resource_id: Id
    category_id: Id


class Assignments(Page[Assignment]):
    """A page of them."""

    rows: tuple[Assignment, ...] = Field(alias="ResourceCategoryAssignments")


class SpaceValue(Wire):
    """What is known of a room beyond its name."""

    floor_number: str | None = None


class ResourceData(Wire):
    """What kind of thing it is."""

    discriminator: str
    value: SpaceValue | None = None


class Resource(Wire):
    """A room, or something else that is given to guests."""

    id: Id
    name: str
    is_active: bool
    state: str
    updated_utc: AwareDatetime
    data: ResourceData


class Resources(Page[Resource]):
    """A page of resources."""

    rows: tuple[Resource, ...] = Field(alias="Resources")


class Rate(Wire):
    """A rate plan."""

    id: Id
    is_active: bool
    is_enabled: bool
    is_public: bool
    names: Names
    description: Names | None = None

    @property
    def is_sold(self) -> bool:
        """Whether anybody may book it."""
        return self.is_active and self.is_enabled and self.is_public


class Rates(Page[Rate]):
    """A page of rate plans."""

    rows: tuple[Rate, ...] = Field(alias="Rates")


class AgeCategory(Wire):
    """Persons of some age; an end that is null is open."""

    id: Id
    is_active: bool
    minimal_age: int | None = None
    maximal_age: int | None = None
    classification: str

    def holds(self, age: int) -> bool:
        """Tell whether somebody of that age belongs here."""
        return (self.minimal_age or 0) <= age and (self.maximal_age is None or age <= self.maximal_age)


class AgeCategories(Page[AgeCategory]):
    """A page of them."""

    rows: tuple[AgeCategory, ...] = Field(alias="AgeCategories")


class TaxRate(Wire):
    """A tax; `value` is a part of one where it is relative."""

    code: str
    value: Decimal


class Taxations(Wire):
    """What `taxations/getAll` answers; it has no pages."""

    tax_rates: tuple[TaxRate, ...]


# What is sold


class CategoryAvailability(Wire):
    """How many rooms of a type can be sold, day by day; below zero where it is overbooked."""

    category_id: Id
    availabilities: tuple[int, ...]


class Availability(Wire):
    """What `services/getAvailability` answers: each list is as long as that of the days."""

    time_units: tuple[AwareDatetime, ...] = Field(alias="TimeUnitStartsUtc")
    category_availabilities: tuple[CategoryAvailability, ...]


class Amount(Wire):
    """Money, with its taxes."""

    currency: str
    gross_value: Decimal


class OldTotal(Wire):
    """A price as it was told before there was `TotalAmount`."""

    currency: str
    value: Decimal


class Price(Wire):
    """The price of a stay that was asked for."""

    identifier: str
    total_amount: Amount | None = None
    total: OldTotal | None = None


class Prices(Wire):
    """What `reservations/price` answers."""

    reservation_prices: tuple[Price, ...]


# Stays


class PersonCount(Wire):
    """So many persons of an age category."""

    age_category_id: Id
    count: int


class Reservation(Wire):
    """A stay in one room, as of 2023-06-06."""

    id: Id
    number: str
    state: str
    account_id: Id
    account_type: str
    booker_id: Id | None = None
    group_id: Id
    rate_id: Id
    category_id: Id = Field(alias="RequestedResourceCategoryId")
    assigned_resource_id: Id | None = None
    channel_number: str | None = None
    cancellation_reason: str | None = None
    scheduled_start_utc: AwareDatetime
    scheduled_end_utc: AwareDatetime
    created_utc: AwareDatetime
    updated_utc: AwareDatetime
    person_counts: tuple[PersonCount, ...]

    @property
    def guest_id(self) -> str | None:
        """The customer who stays, or who booked where a company owns the stay."""
        return self.account_id if self.account_type == "Customer" else self.booker_id


class Reservations(Page[Reservation]):
    """A page of stays."""

    rows: tuple[Reservation, ...] = Field(alias="Reservations")


class Made(Wire):
    """Of a new stay, which is shown in the shape of 2017-04-12, we read the id alone (# Q20)."""

    id: Id


class Added(Wire):
    """One of the stays that were made."""

    reservation: Made


class AddedReservations(Wire):
    """What `reservations/add` answers."""

    reservations: Annotated[tuple[Added, ...], Field(min_length=1)]


class OrderNote(Wire):
    """A note on a stay."""

    id: Id
    order_id: Id
    text: str | None = None
    created_utc: AwareDatetime | None = None


class OrderNotes(Page[OrderNote]):
    """A page of notes on stays."""

    rows: tuple[OrderNote, ...] = Field(alias="ServiceOrderNotes")


# Guests


class Customer(Wire):
    """A guest's profile."""

    id: Id
    first_name: str | None = None
    last_name: str
    email: str | None = None
    phone: str | None = None
    nationality_code: str | None = None
    preferred_language_code: str | None = None
    classifications: tuple[str, ...] = ()
    is_active: bool
    merge_target_id: Id | None = None
    updated_utc: AwareDatetime


class Customers(Page[Customer]):
    """A page of profiles."""

    rows: tuple[Customer, ...] = Field(alias="Customers")


class AccountNote(Wire):
    """A note on a guest."""

    id: Id
    account_id: Id
    content: str


class AccountNotes(Page[AccountNote]):
    """A page of notes on guests."""

    rows: tuple[AccountNote, ...] = Field(alias="AccountNotes")


# Money


class ProductOrder(Wire):
    """Things that were ordered together."""

    id: Id
    linked_reservation_id: Id | None = None


class ProductOrders(Page[ProductOrder]):
    """A page of orders."""

    rows: tuple[ProductOrder, ...] = Field(alias="ProductServiceOrders")


class OrderItem(Wire):
    """One line of what a guest owes."""

    id: Id
    service_order_id: Id
    type: str
    billing_name: str | None = None
    external_identifier: str | None = None
    amount: Amount
    consumed_utc: AwareDatetime
    accounting_state: str


class OrderItems(Page[OrderItem]):
    """A page of lines."""

    rows: tuple[OrderItem, ...] = Field(alias="OrderItems")


class Payment(Wire):
    """A payment; its amount is below zero."""

    id: Id
    type: str
    amount: Amount
    charged_utc: AwareDatetime | None = None
    created_utc: AwareDatetime
    identifier: str | None = None
    accounting_state: str


class Payments(Page[Payment]):
    """A page of payments."""

    rows: tuple[Payment, ...] = Field(alias="Payments")


class OrderMade(Wire):
    """What `orders/add` answers."""

    order_id: Id


class Done(Wire):
    """An answer that says nothing."""
