"""Who may call the Connector API, how often, and how it refuses."""

from datetime import UTC, datetime, timedelta

import pytest

from app.simulators.mews.service import OPERATIONS, own_token
from tests.simulators.mews.caller import ALL, Connector
from tests.simulators.mews.conftest import MakeConnector

PAGED = sorted(name for name in OPERATIONS if "getAll" in name and not name.startswith("tax"))


@pytest.mark.parametrize("address", ["Configuration/Get", "configuration/get/", "configuration", "services/getall"])
async def test_addresses_are_exact(call: Connector, address: str) -> None:
    answer = await call.send(address)
    assert (answer.status_code, set(answer.json())) == (404, {"Message", "RequestId", "Details"})


async def test_there_is_no_other_method_than_post(call: Connector) -> None:
    assert (await call.http.get("configuration/get")).status_code == 404


@pytest.mark.parametrize("member", ["ClientToken", "AccessToken", "Client"])
async def test_who_leaves_out_a_token_is_malformed(call: Connector, member: str) -> None:
    answer = await call.send("configuration/get", member, **call.enterprise)
    assert (answer.status_code, member in answer.json()["Message"]) == (400, True)


@pytest.mark.parametrize("member", ["ClientToken", "AccessToken"])
async def test_a_wrong_token_is_unauthorised(call: Connector, member: str) -> None:
    assert member in (await call("configuration/get", 401, **{member: "wrong"}))["Message"]


async def test_a_disabled_integration_is_unauthorised(connect: MakeConnector) -> None:
    await connect(integration="disabled")("configuration/get", 401)


async def test_every_answer_has_a_request_id_and_a_refusal_repeats_it(call: Connector) -> None:
    good = await call.send("taxations/getAll")
    bad = await call.send("configuration/get")
    assert good.headers["Request-Id"] != bad.headers["Request-Id"] == bad.json()["RequestId"]


async def test_a_language_goes_with_a_culture(call: Connector) -> None:
    await call("taxations/getAll", 400, LanguageCode="en-US")
    await call("taxations/getAll", LanguageCode="en-US", CultureCode="en-US")


async def test_what_is_no_json_is_told_so(call: Connector) -> None:
    answer = await call.http.post("taxations/getAll", content=b"{")
    assert (answer.status_code, answer.json()["Message"]) == (400, "Invalid JSON.")


async def test_a_portfolio_token_has_to_name_the_enterprise(call: Connector) -> None:
    names = set()
    for property_id in call.site.hotels:
        told = await call("configuration/get", EnterpriseId=property_id)
        names.add((told["Enterprise"]["Name"], told["Enterprise"]["TimeZoneIdentifier"]))
    assert names == {("Canal House Amsterdam", "Europe/Amsterdam"), ("Hudson Street Hotel", "America/New_York")}
    await call("configuration/get", 400)
    await call("configuration/get", 400, EnterpriseId="another")


async def test_an_enterprises_own_token_opens_that_enterprise_whatever_is_named(call: Connector) -> None:
    own = own_token(call.site.api_key, 2)
    told = await call("configuration/get", AccessToken=own, **call.enterprise)
    assert told["Enterprise"]["Name"] == "Hudson Street Hotel"
    rooms = await call("resources/getAll", AccessToken=own, Extent={}, **call.here)
    assert {one["EnterpriseId"] for one in rooms["Resources"]} == {told["Enterprise"]["Id"]}


async def test_lists_of_a_portfolio_are_of_the_enterprises_that_are_named(call: Connector) -> None:
    everywhere = await call("resources/getAll", Extent={}, Limitation=ALL)
    here = await call("resources/getAll", Extent={}, **call.here)
    nowhere = await call("resources/getAll", Extent={}, Limitation=ALL, EnterpriseIds=["another"])
    assert [len(one["Resources"]) for one in (everywhere, here, nowhere)] == [30, 15, 0]


@pytest.mark.parametrize("operation", PAGED)
async def test_a_list_needs_a_limitation(call: Connector, operation: str) -> None:
    needed: dict[str, list[str]] = {name: [] for name in ("ServiceIds", "ResourceCategoryIds", "ServiceOrderIds")}
    extent = {"AvailabilityBlockAssignments": False}
    assert "Limitation" in (await call(operation, 400, Extent=extent, **needed))["Message"]


@pytest.mark.parametrize("count", [0, 1001])
async def test_a_page_has_1_to_1000_rows(call: Connector, count: int) -> None:
    await call("services/getAll", 400, Limitation={"Count": count})


async def test_pages_are_newest_first_and_end_with_an_empty_one(call: Connector) -> None:
    ids: list[str] = []
    sizes: list[int] = []
    cursor = None
    while not sizes or sizes[-1]:
        page = await call(
            "reservations/getAll/2023-06-06",
            EnterpriseIds=[call.place.id],
            Limitation={"Count": 3, "Cursor": cursor},
        )
        ids += [one["Id"] for one in page["Reservations"]]
        sizes.append(len(page["Reservations"]))
        cursor = page["Cursor"]
        assert cursor == (ids[-1] if sizes[-1] else None)
    assert ids == [one.id for one in sorted(call.place.bookings(), key=lambda one: one.created_at, reverse=True)]
    assert len(set(ids)) == len(ids) > 6


async def test_a_cursor_that_was_never_given_is_refused(call: Connector) -> None:
    await call("services/getAll", 400, Limitation={"Count": 3, "Cursor": "another"})


async def test_an_interval_is_three_months_at_most(call: Connector) -> None:
    def from_january(end: str) -> dict[str, str]:
        return {"StartUtc": "2026-01-15T00:00:00Z", "EndUtc": end}

    operation = "reservations/getAll/2023-06-06"
    await call(operation, CreatedUtc=from_january("2026-04-15T00:00:00Z"), **call.here)
    await call(operation, 400, CreatedUtc=from_january("2026-04-15T00:00:01Z"), **call.here)
    await call(operation, 400, CreatedUtc=from_january("2026-01-14T00:00:00Z"), **call.here)


async def test_200_requests_pass_in_30_seconds_for_each_token(call: Connector) -> None:
    start = datetime(2026, 11, 21, 12, tzinfo=UTC)
    for number in range(200):
        call.at(start + timedelta(seconds=number / 10))
        await call("taxations/getAll")
    refused = await call.send("taxations/getAll")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "11")
    await call("taxations/getAll", AccessToken=own_token(call.site.api_key, 1))
    call.at(start + timedelta(seconds=30))
    await call("taxations/getAll")
    await call("taxations/getAll", 429)


async def test_a_429_may_come_without_a_word_on_when(connect: MakeConnector) -> None:
    call = connect(rate_limit="without_retry_after")
    call.at(datetime(2026, 11, 21, 12, tzinfo=UTC))
    answers = [await call.send("taxations/getAll") for _ in range(201)]
    assert answers[-1].status_code == 429
    assert "Retry-After" not in answers[-1].headers


async def test_under_load_only_small_pages_are_in_time(connect: MakeConnector) -> None:
    call = connect(heavy_reads="on")
    await call("services/getAll", 408, **call.here)
    await call("services/getAll", **(call.here | {"Limitation": {"Count": 100}}))
