"""What callers send to write reservations."""

from typing import Annotated, Generic, TypeVar

from pydantic import AwareDatetime, Field

from app.simulators.mews.sent import PersonCount, PriceWish, Sent
from app.simulators.mews.sent_orders import AmountSent

T = TypeVar("T")


class Update(Sent, Generic[T]):
    """A value to be set, or cleared where it is null; who sends none at all keeps what is there."""

    value: T | None = None


class TimeUnitPrice(Sent):
    """The price of one day of a stay, counted from its first."""

    index: Annotated[int, Field(ge=0)]
    amount: AmountSent | None = None


class ReservationSent(PriceWish):
    """A new reservation."""

    customer_id: str
    booker_id: str | None = None
    state: Annotated[str, Field(pattern="^(Confirmed|Optional|Enquired)$")] = "Confirmed"
    notes: str | None = None
    channel_number: str | None = None
    time_unit_prices: list[TimeUnitPrice] | None = None


class ReservationsSent(Sent):
    """`reservations/add`; what a caller does not say is done, mails too."""

    enterprise_id: str | None = None
    service_id: str
    group_id: str | None = None
    reservations: Annotated[list[ReservationSent], Field(min_length=1, max_length=1000)]
    check_overbooking: bool | None = True
    send_confirmation_email: bool | None = True


class ReservationUpdate(Sent):
    """Changes of one reservation."""

    reservation_id: str
    channel_number: Update[str] | None = None
    start_utc: Update[AwareDatetime] | None = None
    end_utc: Update[AwareDatetime] | None = None
    person_counts: Update[list[PersonCount]] | None = None
    assigned_resource_id: Update[str] | None = None
    assigned_resource_locked: Update[bool] | None = None
    requested_category_id: Update[str] | None = None
    rate_id: Update[str] | None = None
    time_unit_prices: Update[list[TimeUnitPrice]] | None = None


class ReservationUpdatesSent(Sent):
    """`reservations/update`."""

    enterprise_id: str | None = None
    reservation_updates: Annotated[list[ReservationUpdate], Field(min_length=1, max_length=1000)]
    reprice: bool | None = True
    reason: str | None = None


class IntervalSent(Sent):
    """`reservations/updateInterval`."""

    enterprise_id: str | None = None
    reservation_id: str
    start_utc: AwareDatetime | None = None
    end_utc: AwareDatetime | None = None
    charge_cancellation_fee: bool


class CancellationSent(Sent):
    """`reservations/cancel`."""

    enterprise_id: str | None = None
    reservation_ids: Annotated[list[str], Field(min_length=1, max_length=1000)]
    notes: str
    send_email: bool | None = True


class ConfirmationSent(Sent):
    """`reservations/confirm`."""

    enterprise_id: str | None = None
    reservation_ids: Annotated[list[str], Field(min_length=1, max_length=1000)]
    send_confirmation_email: bool | None = True


class StartSent(Sent):
    """`reservations/start`."""

    enterprise_id: str | None = None
    reservation_id: str


class ProcessSent(Sent):
    """`reservations/process`."""

    enterprise_id: str | None = None
    reservation_id: str
    close_bills: bool | None = False
    allow_open_balance: bool | None = False
    notes: str | None = None


class OwnerSent(Sent):
    """`reservations/updateCustomer`."""

    enterprise_id: str | None = None
    reservation_id: str
    customer_id: str
