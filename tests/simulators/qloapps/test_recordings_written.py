"""The recorded writes, sent again in their order to a shop as it was installed, are answered as they were then.

What is compared is everything but prices that the shop makes (it has its own), moments, and words that are random.
"""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from tests.adapters.qloapps.replay import Sample, sample, samples
from tests.simulators.qloapps.caller import Shop

STATES = {
    "without_tax": (60, 119),
    "with_tax": (200, 259),
    "changed": (300, 392),
    "names": (411, 424),
    "excluded": (430, 434),
    "sold_out": (440, 440),
}
"""First and last number of the recordings of each shop that was installed afresh."""
MODES = {"without_tax": "tax_excluded", "excluded": "tax_excluded"}
APART = {
    "078": "looks for what was changed on a day that has passed",
    "211": "what is a part of the price there is more than all of it here; see the test of vouchers",
    "355": "numbers of lines that were made and removed in between; see below",
    "385": "extra demands, which the simulator does not have",
    "417": "carts, which the simulator does not have",
}
"""Recordings that are not sent again, and why; those of availability and of keys have tests of their own."""
OWN = {
    *("total_tax", "unit_price_without_tax", "total_price_without_tax", "total_paid", "total_paid_real", "cart_rules"),
    *("total_paid_amount", "total_price_tax_incl", "total_price_tax_excl", "advance_paid_amount", "total_products"),
    *("total_products_wt", "total_paid_tax_incl", "total_paid_tax_excl", "amount", "price_details"),
    *(
        "booking_date",
        "date_add",
        "date_upd",
        "reference",
        "order_reference",
        "secure_key",
        "passwd",
        "last_passwd_gen",
    ),
    *("id_cart", "id_order_detail", "email", "state", "country", "conversion_rate", "product_price", "message"),
    *("total_price_tax_incl", "original_product_price", "id_default_image", "id_address_tax", "id_tax_rules_group"),
}


def decisive(value: Any, known: Any) -> Any:
    """Leave out what is the shop's own, and what the simulator does not know of."""
    if isinstance(value, Mapping):
        inner = known if isinstance(known, Mapping) else {}
        return {key: decisive(one, inner[key]) for key, one in value.items() if key in inner and key not in OWN}
    if isinstance(value, list):
        pattern = known if isinstance(known, list) else []
        return [
            decisive(one, pattern[min(place, len(pattern) - 1)] if pattern else {}) for place, one in enumerate(value)
        ]
    return value


def parts(state: str) -> list[Sample]:
    first, last = STATES[state]
    return [
        one
        for one in samples()
        if first <= one.order <= last
        and one.name[:3] not in APART
        and one.resource != "hotel_ari"
        and not 80 <= one.order <= 99
    ]


async def ask_again(shop: Shop, theirs: Sample) -> httpx.Response:
    path = "/".join(part for part in (theirs.resource, theirs.number) if part)
    return await shop.http.request(theirs.method, path, params=dict(theirs.query), content=theirs.sent.encode())


def answers_agree(ours: httpx.Response, theirs: Sample) -> bool:
    kind = theirs.headers.get("content-type", "text/xml" if theirs.body else "")
    if (ours.status_code, ours.headers["content-type"].split(";")[0]) != (theirs.status, kind.split(";")[0]):
        return False
    if theirs.json is None:
        return theirs.body[:1] == "<" or ours.text == theirs.body
    mine, other = ours.json(), theirs.json
    if theirs.resource == "bookings" and not theirs.number and theirs.method == "GET":  # without any order
        return sorted(mine["bookings"], key=str) == sorted(other["bookings"], key=str) if other else mine == other
    return bool(decisive(mine, other) == decisive(other, mine))


@pytest.mark.parametrize("state", STATES)
async def test_the_recorded_calls_of_a_shop_are_answered_as_they_were(empty_shop: Shop, state: str) -> None:
    empty_shop.site.set_modes({"price_display": MODES.get(state, "tax_included")})
    replies = {theirs.name: (await ask_again(empty_shop, theirs), theirs) for theirs in parts(state)}
    assert replies
    wrong = {
        name: (ours.status_code, ours.text)
        for name, (ours, theirs) in replies.items()
        if not answers_agree(ours, theirs)
    }
    assert wrong == {}


async def test_lines_of_services_that_went_without_rooms_stay_in_order_details_355(empty_shop: Shop) -> None:
    for theirs in parts("changed"):
        if theirs.order < 355:
            await ask_again(empty_shop, theirs)
    recorded = sample("355")
    ours = (await ask_again(empty_shop, recorded)).json()["order_details"]
    names = ("id_order", "product_id", "product_name", "product_quantity", "product_allow_multiple_quantity")
    theirs = recorded.json["order_details"]
    assert [[row[name] for name in names] for row in ours] == [[row[name] for name in names] for row in theirs]
    assert [row["total_price_tax_incl"] for row in ours[1:]] == [row["total_price_tax_incl"] for row in theirs[1:]]


async def test_prices_that_are_sent_are_the_prices_204_205_350(empty_shop: Shop) -> None:
    """204 and 205: 1400 a night with 112 tax; breakfast twice is once, each night. 350: a shuttle and a minibar."""
    paid, both = sample("204"), sample("350")
    ours = (await ask_again(empty_shop, paid)).json()["booking"]["associations"]
    assert ours["price_details"] == paid.json["booking"]["associations"]["price_details"]
    breakfast = (await ask_again(empty_shop, sample("205"))).json()["booking"]["associations"]["room_types"][0]
    recorded = sample("205").json["booking"]["associations"]["room_types"][0]
    assert breakfast["rooms"][0]["services"] == recorded["rooms"][0]["services"]
    for name in ("300", "301", "302", "303", "304"):
        await ask_again(empty_shop, sample(name))
    made = (await empty_shop.rows("orders"))[-1]["id"]
    (room,) = await empty_shop.rows("room_bookings", **{"filter[id_order]": f"[{made}]"})
    body = both.sent.replace('"id": 5', f'"id": {made}').replace('"id_room": 5', f'"id_room": {room["id_room"]}')
    written = await empty_shop.call("PUT", f"bookings/{made}", body)
    theirs = both.json["booking"]["associations"]["room_types"][0]["rooms"][0]["services"]
    assert written.json()["booking"]["associations"]["room_types"][0]["rooms"][0]["services"] == theirs
