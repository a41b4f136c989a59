"""Accounts of guests: by `customers`, and by the bookings, which make them and rename them in passing."""

from collections.abc import Mapping
from typing import Any

from app.simulators.hotel import SimulatedHotel
from app.simulators.qloapps import sent
from app.simulators.qloapps.answers import Refused
from app.simulators.qloapps.building import LANGUAGE
from app.simulators.qloapps.checks import EMAIL, PHONE, name_is_valid
from app.simulators.qloapps.keys import Keys
from app.simulators.qloapps.rows import local, secret
from app.simulators.qloapps.tables import Tables
from app.simulators.records import Contact, Guest

_REQUIRED = ("passwd", "lastname", "firstname", "email")
_NULLABLE = (
    "newsletter_date_add",
    "ip_registration_newsletter",
    "deleted",
    "birthday",
    "newsletter",
    "optin",
    "website",
    "company",
    "siret",
    "ape",
    "outstanding_allow_amount",
    "show_public_prices",
    "max_payment_days",
    "active",
    "note",
    "is_guest",
)
_EMPTY = ("id_default_group", "id_gender", "id_risk")
"""What is answered as an empty text where it was not sent; the others are null."""


def create(tables: Tables, body: bytes) -> tuple[int, Mapping[str, Any]]:
    """Make an account; nobody asks whether there is one of that e-mail address already."""
    fields = sent.thing(body)
    if "id" in fields:
        raise Refused(400, (91, "id is forbidden when adding a new resource"))
    _check(fields)
    hotel = tables.first_hotel
    guest = hotel.register(
        first_name=sent.kept(fields["firstname"]),
        last_name=sent.kept(fields["lastname"]),
        email=fields["email"],
        phone=fields["phone"],
    )
    _remember(tables, guest, fields, password=secret(f"password {fields['passwd']}"))
    return 201, {"customer": _answered(tables, hotel, guest, fields)}


def replace(tables: Tables, number: str, body: bytes) -> tuple[int, Mapping[str, Any]]:
    """Write an account anew: what is not sent becomes null. The id is the body's."""
    fields = sent.thing(body)
    if "id" not in fields:
        raise Refused(400, (90, "id is required when modifying a resource"))
    found = next((one for one in tables.customers() if one[1].id == fields["id"].strip()), None)
    if found is None:
        raise Refused(404, (92, "Invalid ID"))
    _check(fields)
    hotel, guest = found
    (row,) = tables.rows("customers", Keys.only(id=guest.id))
    same = fields["passwd"] == row["passwd"]
    _rename(hotel, guest, fields)
    hotel.change_guest(guest, email=fields["email"])
    _remember(tables, guest, fields, password=row["passwd"] if same else secret(f"password {fields['passwd']}"))
    return 200, {"customer": _answered(tables, hotel, guest, fields)}


def of_booking(tables: Tables, fields: Mapping[str, str]) -> Contact:
    """Give the guest of a booking: an account of the same e-mail address is taken, and renamed; else one is made."""
    found = known(tables, fields)
    if found is None:
        guest = tables.first_hotel.register(
            first_name=sent.kept(fields["firstname"]),
            last_name=sent.kept(fields["lastname"]),
            email=fields["email"],
            phone=fields["phone"],
            country=fields.get("country_code") or None,
        )
    else:
        hotel, guest = found
        _rename(hotel, guest, fields)
    return Contact(
        guest_id=guest.id,
        first_name=guest.first_name,
        last_name=guest.last_name,
        email=guest.email,
        phone=guest.phone,
        country=guest.country,
    )


def known(tables: Tables, fields: Mapping[str, str]) -> tuple[SimulatedHotel, Guest] | None:
    """Find the account that a booking's guest has: by its id, else the oldest of the e-mail address."""
    number, email = fields.get("id_customer"), fields.get("email", "").casefold()
    accounts = sorted(tables.customers(), key=lambda one: int(one[1].id))
    if number:
        return next((one for one in accounts if one[1].id == number), None)
    return next((one for one in accounts if (one[1].email or "").casefold() == email), None)


def _rename(hotel: SimulatedHotel, guest: Guest, fields: Mapping[str, str]) -> None:
    first, last = sent.kept(fields["firstname"]), sent.kept(fields["lastname"])
    hotel.change_guest(guest, first_name=first, last_name=last, phone=fields["phone"])


def _check(fields: sent.Sent) -> None:
    for name in _REQUIRED:
        if name not in fields:
            raise Refused(400, (41, f'parameter "{name}" required'))
    if not fields.get("phone"):
        raise Refused(400, (85, 'Validation error: "Phone is required field."'))
    for name in ("lastname", "firstname"):
        if not fields[name] or not name_is_valid(fields[name]):
            raise _invalid(name)
    if not EMAIL.fullmatch(fields["email"]):
        raise _invalid("email")
    if not PHONE.fullmatch(fields["phone"]) or len(fields["phone"]) > 32:
        raise _invalid("phone")


def _invalid(name: str) -> Refused:
    return Refused(400, (85, f'Validation error: "Property Customer->{name} is not valid"'))


def _remember(tables: Tables, guest: Guest, fields: sent.Sent, *, password: str) -> None:
    names = (*_NULLABLE, *_EMPTY, "id_lang")
    tables.ledger.accounts[guest.id] = {
        **{name: sent.kept(fields[name]) for name in names if fields.get(name)},
        "passwd": password,
    }


def _answered(tables: Tables, hotel: SimulatedHotel, guest: Guest, fields: sent.Sent) -> dict[str, Any]:
    """Give the account as its writer gets it: texts as they were sent, null where nothing was."""
    return {
        "id": guest.id,
        **{name: fields.get(name, "") for name in _EMPTY},
        "id_lang": LANGUAGE,
        **{name: fields.get(name) for name in _NULLABLE},
        "last_passwd_gen": local(hotel, guest.created_at),
        "secure_key": secret(f"key of {guest.id}"),
        "passwd": tables.ledger.accounts[guest.id]["passwd"],
        "lastname": guest.last_name,
        "firstname": guest.first_name,
        "email": guest.email,
        "phone": guest.phone,
        "id_shop": 1,
        "id_shop_group": 1,
        "date_add": local(hotel, guest.created_at),
        "date_upd": local(hotel, guest.updated_at),
    }
