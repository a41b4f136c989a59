"""The simulated QloApps shop answers as the recorded one did."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest

from app.core.xml import parse
from app.simulators.site import Site
from tests.adapters.qloapps.replay import Sample, sample
from tests.fixtures.simulators import FreshSite, SimulatorServer

JSON = {"output_format": "JSON"}
ARI = (
    "<qloapps><hotel_ari><id_hotel>{}</id_hotel>"
    "<date_from>2026-12-01</date_from><date_to>2026-12-04</date_to>{}</hotel_ari></qloapps>"
)


@pytest.fixture
def site(fresh_site: FreshSite) -> Site:
    return fresh_site("qloapps")


@pytest.fixture
async def shop(site: Site, simulators: SimulatorServer) -> AsyncIterator[httpx.AsyncClient]:
    """A caller with the key of the site."""
    url = f"{simulators.base_url(site)}/api/"
    async with httpx.AsyncClient(base_url=url, auth=(site.api_key, "")) as caller:
        yield caller


def shape(value: Any) -> Any:
    """Give the form of an answer: names and kinds, whatever the values."""
    if isinstance(value, Mapping):
        return {str(key): shape(inner) for key, inner in value.items() if not str(key).isdecimal()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "number" if isinstance(value, int | float) else type(value).__name__


def fits(ours: Any, theirs: Any) -> bool:
    """Tell whether all that we say has a name and a kind that they use at that place."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() <= theirs.keys() and all(fits(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return not ours or not theirs or fits(ours[0], theirs[0])
    return bool(ours == theirs or "NoneType" in {ours, theirs})


@pytest.mark.parametrize(
    ("path", "recorded"),
    [
        ("hotels?display=full", "005"),
        ("hotels", "003"),
        ("hotels?display=[id,hotel_name]", "008"),
        ("room_types?display=full", "010"),
        ("hotel_room_types?display=full", "013"),
        ("hotel_rooms?display=full", "014"),
        ("order_states?display=full", "019"),
        ("currencies?display=full", "020"),
        ("customers/1", "071"),
        ("customers", "060"),
        ("orders?display=full", "121"),
        ("orders/1", "122"),
        ("room_bookings?display=full", "120"),
        ("order_details?display=full", "355"),
        ("order_payments?display=full", "212"),
        ("bookings", "207"),
        ("bookings/1", "354"),
        ("customers?filter[email]=[nobody@example.test]&display=full", "062"),
    ],
)
async def test_an_answer_has_the_form_of_the_recorded_one(
    shop: httpx.AsyncClient,
    path: str,
    recorded: str,
) -> None:
    reply = await shop.get(path, params=None if "?" in path else JSON, headers={"Output-Format": "JSON"})
    theirs = sample(recorded)
    assert reply.status_code == theirs.status
    assert reply.headers["content-type"] == theirs.headers["content-type"]
    assert fits(shape(reply.json()), shape(theirs.json)), shape(reply.json())


@pytest.mark.parametrize(("more", "recorded"), [("", "040"), ("<date_wise_breakdown>1</date_wise_breakdown>", "043")])
async def test_availability_has_the_form_of_the_recorded_one(shop: httpx.AsyncClient, more: str, recorded: str) -> None:
    reply = await shop.post("hotel_ari", params=JSON, content=ARI.format(1, more))
    assert fits(shape(reply.json()), shape(sample(recorded).json)), shape(reply.json())
    (answer,) = reply.json().values()
    rooms = (answer[0] if more else answer)["room_types"][0]["rooms"]["available"]
    assert all(str(room["id_room"]) == key for key, room in rooms.items())


@pytest.mark.parametrize(
    "recorded",
    [
        *("040", "045", "046", "047", "048", "050", "051", "052", "053", "054", "055", "056"),
        *("072", "076", "089", "090", "091", "094", "095", "096", "098", "255", "257"),
    ],
)
async def test_the_same_call_gets_the_same_status_and_codes(shop: httpx.AsyncClient, recorded: str) -> None:
    theirs = sample(recorded)
    reply = await ask_again(shop, theirs)
    assert reply.status_code == theirs.status
    assert reply.headers["content-type"].lower() == theirs.headers["content-type"].lower()
    assert codes(reply.text)[-1:] == codes(theirs.body)[-1:]
    assert codes(reply.text)[:1] == codes(theirs.body)[:1]


async def ask_again(shop: httpx.AsyncClient, theirs: Sample) -> httpx.Response:
    formats = {"094": {"Output-Format": "JSON"}, "095": {"Io-Format": "JSON"}, "096": {"Accept": "application/json"}}
    path = "/".join(part for part in (theirs.resource, theirs.number) if part)
    return await shop.request(
        theirs.method,
        path,
        params=dict(theirs.query),
        content=theirs.sent,
        headers=formats.get(theirs.name[:3], {}),
    )


def codes(body: str) -> list[int]:
    answer = json.loads(body) if body.startswith(("{", "[")) else {}
    return [error["code"] for error in answer.get("errors", ())] if isinstance(answer, dict) else []


@pytest.mark.parametrize(
    ("key", "modes", "recorded"),
    [
        (None, {}, "080"),
        ("short", {}, "081"),
        ("X" * 32, {}, "082"),
        ("own", {"key": "disabled"}, "084"),
        ("own", {"rights": "hotels_only"}, "085"),
    ],
)
async def test_a_key_is_refused_as_recorded(
    fresh_site: FreshSite, simulators: SimulatorServer, key: str | None, modes: dict[str, str], recorded: str
) -> None:
    site = fresh_site("qloapps", modes=modes)
    own = site.api_key if key == "own" else key
    auth = httpx.BasicAuth(own, "") if own else None
    url = f"{simulators.base_url(site)}/api/customers"
    async with httpx.AsyncClient(auth=auth) as stranger:
        reply = await stranger.get(url, params=JSON)
        as_xml = await stranger.get(url)
    theirs = sample(recorded)
    assert (reply.status_code, reply.headers["content-type"]) == (theirs.status, theirs.headers["content-type"])
    assert codes(reply.text) == codes(theirs.body)
    assert ("www-authenticate" in reply.headers) is ("www-authenticate" in theirs.headers)
    if key:
        told = [error.findtext("code") for error in parse(as_xml.content).iter("error")]
        assert told == [str(code) for code in codes(theirs.body)]


async def test_the_key_may_stand_in_the_query(site: Site, simulators: SimulatorServer) -> None:
    async with httpx.AsyncClient() as stranger:
        reply = await stranger.get(f"{simulators.base_url(site)}/api/hotels", params={**JSON, "ws_key": site.api_key})
    assert reply.json() == {"hotels": [{"id": 1}, {"id": 2}]}


async def test_modes_change_what_is_answered(site: Site, shop: httpx.AsyncClient) -> None:
    site.set_modes({"price_display": "tax_excluded"})
    broken = await shop.get("bookings/1", params=JSON)
    assert (broken.status_code, codes(broken.text)) == (500, codes(sample("112").body))
    assert (await shop.get("bookings", params=JSON)).status_code == 200
    assert (await shop.get("orders/1", params=JSON)).status_code == 200
    site.set_modes({"host": "mismatch"})
    assert (await shop.get("hotels", params=JSON)).status_code == 302
    site.set_modes({"host": "ok", "webservice": "off"})
    off = await shop.get("hotels", params=JSON)
    assert (off.status_code, codes(off.text)) == (503, [22])


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({"filter[id]": "[1|3]"}, [1, 3]),
        ({"filter[lastname]": "[LOVELACE]"}, [1]),
        ({"filter[lastname]": "%[ov]%"}, [1]),
        ({"filter[lastname]": "[Hop]%"}, [2]),
        ({"filter[id]": "[2,3]"}, [2, 3]),
        ({"filter[id]": "<[3]"}, [1, 2]),
        ({"filter[id]": "![1]", "limit": "2"}, [2, 3]),
        ({"sort": "[id_DESC]", "limit": "1,2", "filter[id]": "[1|2|3]"}, [2, 1]),
    ],
)
async def test_rows_are_chosen_by_the_webservices_commands(
    shop: httpx.AsyncClient,
    query: dict[str, str],
    numbers: list[int],
) -> None:
    reply = await shop.get("customers", params={**JSON, **query})
    assert [row["id"] for row in reply.json()["customers"]] == numbers


async def test_xml_is_what_is_answered_unless_asked_for_json(shop: httpx.AsyncClient) -> None:
    reply = await shop.get("orders/1")
    assert reply.headers["content-type"] == "text/xml;charset=utf-8"
    order = parse(reply.content).find("order")
    theirs = parse(sample("365").body.encode()).find("order")
    assert order is not None
    assert theirs is not None
    assert {str(node.tag) for node in order} <= {str(node.tag) for node in theirs}
    assert [node.text for node in order.iterfind("associations/bookings/booking/id")] == ["1"]
    empty = parse((await shop.get("customers", params={"filter[email]": "[nobody@x]"})).content)
    assert [(child.tag, len(child)) for child in empty] == [("customers", 0)]


async def test_the_root_lists_what_the_key_may_do(shop: httpx.AsyncClient) -> None:
    names = (await shop.get("", params=JSON)).json()
    assert set(names) <= set(sample("001").json)
    rights = parse((await shop.get("")).content)
    recorded = parse(sample("002").body.encode())
    for name in names:
        ours, theirs = rights.find(f"api/{name}"), recorded.find(f"api/{name}")
        assert ours is not None
        assert theirs is not None
        assert set(ours.attrib) <= {*theirs.attrib, "get", "post"}
