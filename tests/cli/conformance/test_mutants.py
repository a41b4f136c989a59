"""Each fault is named by the rule that it breaks, and by no other of its section."""

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest

from app.cli.conformance.contract import RULES
from app.cli.conformance.rules import Outcome, Rule
from tests.cli.conformance import twists as by
from tests.cli.conformance.conftest import Inspect
from tests.cli.conformance.mutants import Ask, Asked, Said, Twist

_NUMBERS = itertools.count()


def reads(end: str, text: bytes = b"") -> Any:
    return lambda asked: asked.path.endswith(end) and text in asked.body


def without(name: str, *inside: str) -> Any:
    """Leave a member out of what is sent."""

    def change(asked: Asked) -> Asked:
        try:
            body = json.loads(asked.body)
        except (ValueError, RecursionError):
            return asked
        place = body
        for step in inside:
            place = place.get(step) if isinstance(place, dict) else None
        if isinstance(place, dict):
            place.pop(name, None)
        return by.with_body(asked, body)

    return change


def more(amount: str) -> str:
    return f"{float(amount) + 1:.2f}"


def dearer(body: Any) -> Any:
    for quote in body["items"]:
        for money in (quote["total"], quote["nightly"][0]["amount"]):
            money["amount"] = more(money["amount"])
    return body


def another_night(body: Any) -> Any:
    for quote in body["items"]:
        quote["nightly"].append({"date": quote["departure"], "amount": {**quote["total"], "amount": "0.00"}})
    return body


def latin(text: Any) -> Any:
    return text.encode("latin-1", "replace").decode("latin-1") if isinstance(text, str) else text


def first_types_only(body: Any) -> Any:
    return {**body, "room_types": [one for one in body["room_types"] if one["room_type"] != "STE"]}


def spaced(asked: Asked) -> Asked:
    return (
        by.with_header(asked, "if-match", asked.headers["if-match"].replace("v ", ""))
        if ("if-match" in asked.headers)
        else asked
    )


async def version_with_space(asked: Asked, ask: Ask) -> Said:
    said = await by.in_answers(by.members(version=lambda old: f"v {old}"))(spaced(asked), ask)
    return said.under(etag='"v ' + said.headers["etag"][1:]) if "etag" in said.headers else said


async def version_never_moves(asked: Asked, ask: Ask) -> Said:
    said = await by.in_answers(by.members(version="1"))(asked, ask)
    return said.under(etag='"1"') if "etag" in said.headers else said


async def nulls_not_seen(asked: Asked, ask: Ask) -> Said:
    if asked.method == "PATCH" and "/reservations/" in asked.path:
        drop = by.every(lambda found: {name: value for name, value in found.items() if value is not None})
        return await ask(by.with_body(asked, drop(asked.json)))
    return await ask(asked)


async def floats_taken(asked: Asked, ask: Ask) -> Said:
    if asked.path.endswith("/charges") and b'"amount": 4.5,' in asked.body:
        return await ask(replace(asked, body=asked.body.replace(b"4.5,", b'"4.50",')))
    return await ask(asked)


async def absent_is_null(asked: Asked, ask: Ask) -> Said:
    if asked.method == "PATCH" and "/guests/" in asked.path:
        return await ask(by.with_body(asked, {"email": None, **asked.json}))
    return await ask(asked)


def opened(fits: Any, key: list[str]) -> Twist:
    """Let in who should not come in; the key is learned from those who may."""

    async def twist(asked: Asked, ask: Ask) -> Said:
        given = asked.headers.get("authorization")
        said = await ask(asked)
        if said.status == 401 and key and fits(given):
            return await ask(by.with_header(asked, "authorization", key[0]))
        if said.status < 300 and given:
            key[:] = [given]
        return said

    return twist


async def property_first(asked: Asked, ask: Ask) -> Said:
    if "/properties/HARBOUR" not in asked.path:
        return by.problem(404, "not_found")
    return await ask(asked)


async def any_property(asked: Asked, ask: Ask) -> Said:
    parts = asked.path.split("/")
    return await ask(replace(asked, path="/".join([*parts[:2], "HARBOUR", *parts[3:]])))


def shifted(body: Any) -> Any:
    later = lambda text: text and text.replace("20", "21", 1)  # noqa: E731 - a century
    return by.members(created_at=later, newest_record_at=later)(body)


MUTANTS: dict[str, tuple[Twist, set[str], dict[str, str]]] = {
    "text instead of JSON": (by.headed(lambda said: said.status == 201, content_type="text/plain"), {"1.1"}, {}),
    "dates with a time": (by.in_answers(by.members(arrival=lambda day: f"{day}T00:00:00")), {"1.2"}, {}),
    "instants with an offset": (by.in_answers(by.members(updated_at=lambda at: at[:-1] + "+00:00")), {"1.3"}, {}),
    "times with seconds": (by.in_answers(by.members(checkout_time=lambda at: at and at + ":00")), {"1.4"}, {}),
    "money as floats": (by.in_answers(by.every(by.as_float)), {"1.5"}, {}),
    "ids as numbers": (by.in_answers(by.members(id=7), method="POST", end="/notes"), {"1.6"}, {}),
    "unknown members refused": (
        by.answering(lambda asked: "x_from_the_future" in asked.query + asked.body.decode("latin-1"), 422, "invalid"),
        {"1.7"},
        {},
    ),
    "paths not decoded": (by.answering(by.not_decoded, 404, "not_found"), {"1.8"}, {}),
    "quotes break a query": (by.answering(lambda asked: "%27" in asked.path, 500, "internal"), {"1.9"}, {}),
    "names in latin-1": (by.in_answers(by.members(first_name=latin, last_name=latin)), {"1.10"}, {}),
    "open without a key": (opened(lambda given: given is None, []), {"2.1"}, {}),
    "any key will do": (opened(bool, []), {"2.2"}, {}),
    "the property before the key": (property_first, {"2.3"}, {}),
    "refusals without a name": (by.headed(lambda said: said.status >= 400, x_request_id=None), {"2.4"}, {}),
    "one name for all": (by.headed(lambda _: True, x_request_id="same"), {"2.5"}, {}),
    "weak entity tags": (by.headed(lambda said: "etag" in said.headers, etag='W/"1"'), {"2.7"}, {}),
    "busy without a time": (
        by.answering(lambda asked: "/properties/no-such-" in asked.path, 503, "unavailable"),
        {"2.3", "2.8", "5.6"},
        {},
    ),
    "limit not read": (by.in_requests(by.without_query("limit"), end="/rate-plans"), {"3.2", "3.6"} - {"3.6"}, {}),
    "pages in a circle": (by.last_cursor_is_the_first, {"3.3"}, {}),
    "a page is lost": (by.second_page_is_empty, {"3.4"}, {}),
    "unknown cursors begin anew": (
        by.in_requests(lambda asked: by.without_query("cursor")(asked) if "made" in asked.query else asked),
        {"3.5"},
        {},
    ),
    "limit nought": (
        by.in_requests(lambda asked: replace(asked, query=asked.query.replace("limit=0", ""))),
        {"3.6"},
        {},
    ),
    "pages by offset": (by.paged_by_offset(), {"3.7"}, {}),
    "departure finds nothing": (by.filtered("/reservations/search", "departure", lambda *_: False), {"3.8"}, {}),
    "names by letter": (
        by.filtered("/reservations/search", "last_name", lambda one, name: one["guest"]["last_name"] == name),
        {"3.10"},
        {},
    ),
    "phones by letter": (
        by.filtered("/guests/search", "phone", lambda one, phone: one["phone"] == phone),
        {"3.11"},
        {},
    ),
    "no key needed": (
        by.in_requests(
            lambda asked: by.with_header(
                asked, "idempotency-key", asked.headers.get("idempotency-key", f"made-up-{next(_NUMBERS)}")
            )
        ),
        {"4.1"},
        {},
    ),
    "keys not read": (by.fresh_keys(lambda _: True), {"4.2"}, {}),
    "bodies not compared": (by.body_not_compared(), {"4.3"}, {}),
    "keys of a path": (by.in_requests(by.key_of_a_path), {"4.4"}, {}),
    "keys lost in a crowd": (by.fresh_keys(reads("/reservations"), after=2), {"4.5"}, {}),
    "state before key": (by.state_before_key(), {"4.6"}, {}),
    "version before key": (by.version_before_key, {"4.7"}, {}),
    "cancels not kept": (by.fresh_keys(reads("/cancel")), {"4.8"}, {"second_cancel": "refused"}),
    "notes twice": (by.fresh_keys(reads("/notes")), {"4.9"}, {}),
    "charges twice": (by.fresh_keys(reads("/charges")), {"4.10"}, {}),
    "profiles twice": (by.fresh_keys(reads("/guests")), {"4.11"}, {}),
    "keys cut short": (
        by.in_requests(
            lambda asked: (
                by.with_header(asked, "idempotency-key", asked.headers["idempotency-key"][:200])
                if "idempotency-key" in asked.headers
                else asked
            )
        ),
        {"4.12"},
        {},
    ),
    "kept keys not shown": (
        by.in_answers(by.members(write_key=...), method="GET"),
        {"4.14", "8.19"},
        {"idempotency": "off"},
    ),
    "kept keys not found": (
        by.filtered("/reservations/search", "write_key", lambda *_: False),
        {"4.15"},
        {"idempotency": "off"},
    ),
    "notes without their key": (
        by.in_answers(by.members(write_key=...), method="POST", end="/notes"),
        {"4.16"},
        {"idempotency": "off"},
    ),
    "lines without their key": (
        by.in_answers(by.members(write_key=...), end="/folio"),
        {"4.17"},
        {"idempotency": "off"},
    ),
    "the newest never told": (by.in_answers(by.members(newest_record_at=None)), {"4.20"}, {"idempotency": "off"}),
    "a clock a century ahead": (by.in_answers(shifted), {"4.21"}, {"idempotency": "off"}),
    "errors as pages": (by.html_errors, {"5.1"}, {}),
    "problems as plain JSON": (
        by.headed(lambda said: said.status >= 400, content_type="application/json"),
        {"5.2"},
        {},
    ),
    "invalid as 400": (by.recoded(422, 400, status=400), {"5.3"}, {}),
    "an unknown id shows another": (by.another_stay, {"5.4"}, {}),
    "any property will do": (any_property, {"5.6"}, {}),
    "no JSON is invalid": (by.recoded(400, 422, status=422, code="invalid"), {"4.1", "5.9"}, {}),
    "an unknown room type is replaced": (
        by.in_requests(
            lambda asked: (
                by.with_body(asked, {**asked.json, "room_type": "STD"})
                if b'"room_type": "no-such-' in asked.body
                else asked
            ),
            end="/reservations",
        ),
        {"5.13"},
        {},
    ),
    "a refusal leaves a record": (by.leaves_a_record(), {"5.16"}, {}),
    "refusals tell what was sent": (by.tells_what_was_sent, {"5.17"}, {}),
    "a list breaks the search": (by.answering(lambda asked: asked.body == b"[]", 500, "internal"), {"5.18"}, {}),
    "long text breaks a booking": (
        by.answering(lambda asked: len(asked.body) > 8000 and asked.path.endswith("/reservations"), 500, "internal"),
        {"5.19"},
        {},
    ),
    "versions with spaces": (version_with_space, {"6.1"}, {}),
    "versions never move": (version_never_moves, {"6.3"}, {}),
    "If-Match not read": (
        by.in_requests(lambda asked: by.with_header(asked, "if-match", None)),
        {"6.4", "6.5", "6.7"},
        {},
    ),
    "a star is a version": (
        by.answering(lambda asked: asked.headers.get("if-match") == "*", 412, "version_mismatch"),
        {"6.6"},
        {},
    ),
    "no contract version": (by.in_answers(by.members(contract_version=...)), {"7.2"}, {}),
    "a zone of its own": (by.in_answers(by.members(timezone="Wien")), {"7.3"}, {}),
    "listed and not built": (by.answering(reads("/balance"), 501, "not_supported"), {"7.6"}, {}),
    "not listed and not there": (by.recoded(501, 404, status=404, code="not_found"), {"7.7"}, {"built": "required"}),
    "the night of departure is shown": (by.one_night_more, {"8.4"}, {}),
    "rooms left as text": (by.in_answers(by.members(available=str), end="/availability"), {"8.5"}, {}),
    "a room type left out": (by.in_answers(first_types_only, end="/availability"), {"8.6"}, {}),
    "the night of departure is priced": (by.in_answers(another_night, end="/quotes"), {"8.10"}, {}),
    "rates not narrowed": (by.in_requests(by.without_query("rate_code"), end="/quotes"), {"8.13"}, {}),
    "a create is 200": (by.create_is_200, {"8.15"}, {}),
    "no time of change": (by.in_answers(by.members(updated_at=...), end="/cancel"), {"8.17"}, {}),
    "the country is lost": (by.in_requests(without("country", "guest"), end="/reservations"), {"8.18"}, {}),
    "the create tells less": (
        by.in_answers(by.members(confirmation_number=None), method="POST", end="/reservations"),
        {"8.19"},
        {},
    ),
    "the night of departure is taken": (by.departure_is_taken(), {"8.20"}, {}),
    "booked cheaper than quoted": (by.in_answers(dearer, end="/quotes"), {"8.22"}, {}),
    "the last room twice": (by.always_sold, {"8.23"}, {}),
    "profiles not linked": (
        by.in_requests(without("id", "guest"), method="POST", end="/reservations"),
        {"8.24", "8.26"},
        {},
    ),
    "profiles renamed": (by.profile_renamed, {"8.25"}, {}),
    "null is absent": (nulls_not_seen, {"8.28", "8.29"}, {}),
    "half a change": (by.half_a_change, {"8.30"}, {}),
    "a quote is a change": (by.quote_is_done, {"8.31"}, {}),
    "cancelled without effect": (by.cancel_without_effect, {"8.32"}, {}),
    "cancelled twice is invalid": (
        by.recoded(409, 422, status=422, code="invalid"),
        {"8.23", "8.33", "8.35", "8.36"},
        {"second_cancel": "refused"},
    ),
    "a cancelled stay is checked in": (by.check_in_of_anybody, {"8.35"}, {}),
    "only the last note": (
        by.in_answers(by.members(notes=lambda notes: notes[-1:]), method="GET"),
        {"8.18", "8.39"},
        {},
    ),
    "the total of one unit": (
        by.in_answers(lambda body: {**body, "total": body["amount"]}, end="/charges"),
        {"8.44"},
        {},
    ),
    "a line is not shown": (
        by.in_answers(lambda body: {**body, "items": body["items"][1:]}, end="/folio"),
        {"8.47"},
        {},
    ),
    "payments not counted": (
        by.in_answers(by.members(charges={"amount": "1.00", "currency": "EUR"}), end="/balance"),
        {"8.48"},
        {},
    ),
    "floats taken": (floats_taken, {"8.50"}, {}),
    "absent clears": (absent_is_null, {"8.53"}, {}),
    "preferences merged": (by.preferences_merged, {"8.55"}, {}),
    "cleaning without effect": (by.cleaning_without_effect, {"8.58"}, {}),
}
"""What is done wrong, the rules that say so, and the modes of the simulator under it."""


def rules_for(broken: set[str]) -> list[Rule]:
    """Give the rules to try: their section's, and all where one watches the whole run or several sections are hit."""
    hit = [rule for rule in RULES if rule.number in broken]
    if len(hit) > 1 or any(rule.watches for rule in hit):
        return list(RULES)
    return [rule for rule in RULES if rule.section == hit[0].section]


@pytest.mark.parametrize("name", MUTANTS)
async def test_a_fault_is_named_by_the_rule_that_it_breaks(inspect: Inspect, name: str) -> None:
    twist, broken, modes = MUTANTS[name]
    verdict = await inspect(twist, modes=modes, wanted=rules_for(broken))
    assert set(verdict.told) == broken, verdict.told
    for number in broken:
        finding = verdict.findings[number]
        assert finding.expected
        assert finding.came
        assert finding.rule.fix


async def test_what_is_only_a_should_is_advised(inspect: Inspect) -> None:
    ignored = by.in_requests(without("external_reference"), end="/reservations/search")
    verdict = await inspect(ignored)
    assert (verdict.told, verdict.of(Outcome.ADVICE)) == ({}, ["3.9"])


async def test_an_answer_that_takes_too_long_is_named(inspect: Inspect) -> None:
    assert set((await inspect(slowest=0.0)).told) == {"1.13"}


async def test_what_builds_on_a_broken_rule_is_skipped_and_says_so(inspect: Inspect) -> None:
    verdict = await inspect(by.create_is_200)
    assert verdict.findings["8.16"].reason == "needs 8.15"
    assert "5.10" in verdict.of(Outcome.SKIPPED)
    assert verdict.findings["5.4"].outcome is Outcome.KEPT
