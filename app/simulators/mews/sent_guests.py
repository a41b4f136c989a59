"""What callers send about guests and notes."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from app.simulators.mews.sent import ActivityState, Ids, Limitation, ListQuestion, Sent, ShortInterval
from app.simulators.mews.sent_stays import Update

NOTE_CLASSES = (
    "General|FoodAndBeverage|FrontOffice|Reservations|Housekeeping|Maintenance|PreviousStay|FamilyRelations"
    "|Gifts|Accounting|Complaints|Other"
)
NoteClass = Annotated[str, Field(pattern=f"^({NOTE_CLASSES})$")]
Short = Annotated[str, Field(max_length=255)]


class AddressSent(Sent):
    """Where a guest lives."""

    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    postal_code: str | None = None
    country_code: str | None = None
    country_subdivision_code: str | None = None


class ProfileSent(Sent):
    """What can be said of a guest, new or known."""

    model_config = ConfigDict(extra="ignore")

    chain_id: str | None = None
    title: Annotated[str, Field(pattern="^(Mister|Miss|Misses)$")] | None = None
    first_name: str | None = None
    second_last_name: str | None = None
    nationality_code: str | None = None
    preferred_language_code: str | None = None
    sex: Annotated[str, Field(pattern="^(Male|Female)$")] | None = None
    birth_date: str | None = None
    email: str | None = None
    phone: str | None = None
    loyalty_code: str | None = None
    notes: str | None = None
    car_registration_number: Short | None = None
    dietary_requirements: Short | None = None
    address: AddressSent | None = None
    classifications: list[str] | None = None
    options: list[str] | None = None

    def members(self, *names: str) -> dict[str, Any]:
        """Give those of these members that say something, under the vendor's names."""
        said = self.model_dump(include=set(names), by_alias=True)
        return {name: value for name, value in said.items() if value not in {None, ""}}


class CustomerSent(ProfileSent):
    """`customers/add`."""

    last_name: Annotated[str, Field(min_length=1)]
    overwrite_existing: bool


class CustomerUpdateSent(ProfileSent):
    """`customers/update`: what is blank is kept."""

    customer_id: str
    last_name: str | None = None


class AccountNoteSent(Sent):
    """A new note on a guest."""

    account_id: str
    content: Annotated[str, Field(min_length=1, max_length=1000)]
    classifications: Annotated[list[NoteClass], Field(min_length=1, max_length=1)]


class AccountNotesSent(Sent):
    """`accountNotes/add`."""

    chain_id: str | None = None
    account_notes: Annotated[list[AccountNoteSent], Field(min_length=1, max_length=1000)]


class AccountNoteUpdate(Sent):
    """A change of a note on a guest; of its classifications those that are true count."""

    account_note_id: str
    content: Update[Annotated[str, Field(min_length=1, max_length=1000)]] | None = None
    classifications: dict[NoteClass, Update[bool] | None]


class AccountNoteUpdatesSent(Sent):
    """`accountNotes/update`."""

    chain_id: str | None = None
    account_note_updates: Annotated[list[AccountNoteUpdate], Field(min_length=1, max_length=1000)]


class AccountNoteDeletionsSent(Sent):
    """`accountNotes/delete`."""

    chain_id: str | None = None
    account_note_ids: Annotated[list[str], Field(min_length=1, max_length=1000)]


class AccountNotesQuestion(Sent):
    """`accountNotes/getAll`."""

    chain_ids: Ids | None = None
    account_note_ids: Ids | None = None
    account_ids: Ids | None = None
    updated_utc: ShortInterval | None = None
    activity_states: list[ActivityState] | None = None
    limitation: Limitation


class AddressesQuestion(Sent):
    """`addresses/getAll`."""

    chain_ids: Ids | None = None
    account_ids: Ids | None = None
    address_ids: Ids | None = None
    updated_utc: ShortInterval | None = None
    activity_states: list[ActivityState] | None = None
    limitation: Limitation


class OrderNoteSent(Sent):
    """A new note on a reservation."""

    service_order_id: str
    text: str


class OrderNotesSent(Sent):
    """`serviceOrderNotes/add`."""

    service_order_notes: Annotated[list[OrderNoteSent], Field(min_length=1, max_length=1000)]


class OrderNotesQuestion(ListQuestion):
    """`serviceOrderNotes/getAll`: notes of special requests are shown to who asks for them alone."""

    service_order_ids: Ids
    service_order_note_ids: Ids | None = None
    types: list[Annotated[str, Field(pattern="^(General|ChannelManager|SpecialRequest)$")]] | None = None


class CompanionExtent(Sent):
    """What `companionships/getAll` shows beside them."""

    reservations: bool = False
    reservation_groups: bool = False
    customers: bool = False


class CompanionshipsQuestion(ListQuestion):
    """`companionships/getAll`."""

    companionship_ids: Ids | None = None
    reservation_ids: Ids | None = None
    customer_ids: Ids | None = None
    reservation_group_ids: Ids | None = None
    extent: CompanionExtent


class ResourceUpdate(Sent):
    """A change of a room."""

    resource_id: str
    state: Update[Annotated[str, Field(pattern="^(Dirty|Clean|Inspected|OutOfService|OutOfOrder)$")]] | None = None
    state_reason: Update[str] | None = None


class ResourceUpdatesSent(Sent):
    """`resources/update`."""

    resource_updates: Annotated[list[ResourceUpdate], Field(min_length=1, max_length=1000)]
