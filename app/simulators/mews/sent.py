"""What callers send to read: the members of the vendor's requests that are heeded, and the limits on them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_pascal

from app.simulators.mews.times import LONGEST_MONTHS, months_later


class Sent(BaseModel):
    """Members are named as the vendor names them; what is not known is passed over."""

    model_config = ConfigDict(alias_generator=to_pascal, frozen=True, strict=False)


class Envelope(Sent):
    """What every call carries."""

    client_token: str = Field(repr=False)
    access_token: str = Field(repr=False)
    client: Annotated[str, Field(min_length=1)]
    language_code: str | None = None
    culture_code: str | None = None


class Limitation(Sent):
    """One page: how many rows, and after which."""

    count: Annotated[int, Field(ge=1, le=1000)]
    cursor: str | None = None


class Interval(Sent):
    """A half-open interval; where both ends are the same, that moment."""

    start_utc: AwareDatetime
    end_utc: AwareDatetime

    def holds(self, moment: datetime | None) -> bool:
        """Tell whether a moment is in it."""
        if moment is None:
            return False
        return moment == self.start_utc if self.start_utc == self.end_utc else self.start_utc <= moment < self.end_utc


def _short(interval: Interval) -> Interval:
    if interval.end_utc < interval.start_utc:
        raise ValueError("the interval ends before it starts")
    if interval.end_utc > months_later(interval.start_utc, LONGEST_MONTHS):
        raise ValueError(f"the interval is longer than {LONGEST_MONTHS} months")
    return interval


ShortInterval = Annotated[Interval, AfterValidator(_short)]
Ids = Annotated[list[str], Field(max_length=1000)]
FewIds = Annotated[list[str], Field(max_length=100)]


class ActivityState(StrEnum):
    """Whether something is still there."""

    ACTIVE = "Active"
    DELETED = "Deleted"


class State(StrEnum):
    """Where an order stands, as of 2023-06-06."""

    INQUIRED = "Inquired"
    CONFIRMED = "Confirmed"
    STARTED = "Started"
    PROCESSED = "Processed"
    CANCELED = "Canceled"
    OPTIONAL = "Optional"
    REQUESTED = "Requested"


class ConfigurationQuestion(Sent):
    """`configuration/get`."""

    enterprise_id: str | None = None


class ListQuestion(Sent):
    """What all lists have in common."""

    enterprise_ids: Ids | None = None
    updated_utc: ShortInterval | None = None
    activity_states: list[ActivityState] | None = None
    limitation: Limitation

    @property
    def wants_active(self) -> bool:
        """Whether what is still there is asked for; nothing here is ever deleted."""
        return self.activity_states is None or ActivityState.ACTIVE in self.activity_states


class ServicesQuestion(ListQuestion):
    """`services/getAll`."""

    service_ids: Ids | None = None
    service_type: Annotated[str, Field(pattern="^(Bookable|Additional)$")] | None = None


class CategoriesQuestion(ListQuestion):
    """`resourceCategories/getAll`."""

    service_ids: Ids
    resource_category_ids: Ids | None = None


class AssignmentsQuestion(ListQuestion):
    """`resourceCategoryAssignments/getAll`."""

    updated_utc: Interval | None = None
    """This list alone has no longest interval."""
    resource_category_ids: Ids
    resource_category_assignment_ids: Ids | None = None
    resource_ids: Ids | None = None


class ResourceExtent(Sent):
    """What `resources/getAll` shows beside the rooms."""

    resources: bool = True
    inactive: bool = False
    resource_categories: bool = False
    resource_category_assignments: bool = False


class ResourcesQuestion(ListQuestion):
    """`resources/getAll`."""

    resource_ids: Ids | None = None
    names: Ids | None = None
    created_utc: ShortInterval | None = None
    extent: ResourceExtent


class RateExtent(Sent):
    """What `rates/getAll` shows beside the rates."""

    rates: bool = True
    availability_block_assignments: bool
    rate_groups: bool = False


class RatesQuestion(ListQuestion):
    """`rates/getAll`."""

    service_ids: Ids
    rate_ids: Ids | None = None
    external_identifiers: Ids | None = None
    extent: RateExtent | None = None


class AgesQuestion(ListQuestion):
    """`ageCategories/getAll`."""

    service_ids: Ids | None = None
    age_category_ids: Ids | None = None


class UnitsQuestion(Sent):
    """The days that `services/getAvailability` is about, by where they begin; the last is included."""

    service_id: str
    first_time_unit_start_utc: AwareDatetime
    last_time_unit_start_utc: AwareDatetime


class PricingQuestion(Sent):
    """`rates/getPricing`."""

    rate_id: str
    first_time_unit_start_utc: AwareDatetime
    last_time_unit_start_utc: AwareDatetime


class PersonCount(Sent):
    """So many persons of an age category."""

    age_category_id: str
    count: Annotated[int, Field(ge=0)]


class PriceWish(Sent):
    """A stay of which the price is asked."""

    identifier: str | None = None
    start_utc: AwareDatetime
    end_utc: AwareDatetime
    requested_category_id: str
    rate_id: str
    person_counts: list[PersonCount]


class PriceQuestion(Sent):
    """`reservations/price`."""

    service_id: str
    reservations: Annotated[list[PriceWish], Field(max_length=1000)]


class ReservationsQuestion(ListQuestion):
    """`reservations/getAll/2023-06-06`."""

    reservation_ids: Ids | None = None
    service_ids: Ids | None = None
    reservation_group_ids: Ids | None = None
    account_ids: Ids | None = None
    numbers: Ids | None = None
    channel_numbers: FewIds | None = None
    assigned_resource_ids: Ids | None = None
    created_utc: ShortInterval | None = None
    colliding_utc: ShortInterval | None = None
    scheduled_start_utc: ShortInterval | None = None
    actual_start_utc: ShortInterval | None = None
    scheduled_end_utc: ShortInterval | None = None
    actual_end_utc: ShortInterval | None = None
    states: list[State] | None = None


class CustomerExtent(Sent):
    """What `customers/getAll` shows."""

    customers: bool = True
    addresses: bool = False
    documents: bool = False


class CustomersQuestion(Sent):
    """`customers/getAll`: exact matches, and at least one of them."""

    chain_ids: Ids | None = None
    created_utc: ShortInterval | None = None
    updated_utc: ShortInterval | None = None
    deleted_utc: ShortInterval | None = None
    extent: CustomerExtent
    activity_states: list[ActivityState] | None = None
    customer_ids: Ids | None = None
    company_ids: Annotated[list[str], Field(max_length=1)] | None = None
    emails: Ids | None = None
    first_names: Ids | None = None
    last_names: Ids | None = None
    loyalty_codes: Ids | None = None
    limitation: Limitation

    def filters(self) -> dict[str, Any]:
        """Give what is filtered by."""
        apart = {"chain_ids", "extent", "activity_states", "limitation"}
        return {
            name: getattr(self, name)
            for name in type(self).model_fields
            if name not in apart and getattr(self, name) is not None
        }
