"""The OpenAPI document: a snapshot, valid, complete, and true to what is really answered."""

import json
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from app.store.operation_records import OperationStatus
from tests.api.document import PROBLEM, Document
from tests.api.tour import Tour
from tests.fixtures.gateway import MakeHotel, RunningGateway
from tests.fixtures.letters import park

SNAPSHOT = Path(__file__).with_name("openapi.json")
UNTYPED = {"options_schema", "credentials_schema"}
"""They hold JSON Schemas."""
OPEN = {"#/components/schemas/OptionsDraft"}
"""A vendor's own options stand beside the common ones."""
LATER = ("/sync", "webhooks", "events", "subscriptions")


def test_the_document_is_the_snapshot(document: Document, request: pytest.FixtureRequest) -> None:
    now = json.dumps(document.content, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    if request.config.getoption("--renew-openapi"):
        SNAPSHOT.write_text(now, encoding="utf-8")
    assert SNAPSHOT.read_text(encoding="utf-8") == now, (
        "renew it with: pytest tests/api/test_openapi.py --renew-openapi"
    )


def test_the_document_is_valid_openapi(document: Document) -> None:
    validate(document.content)


def test_every_operation_says_what_it_is(document: Document) -> None:
    ids = [operation.id for operation in document.operations]
    assert len(ids) == len(set(ids))
    for operation in document.operations:
        assert operation.spec["summary"], operation.id
        assert operation.spec["description"], operation.id
        assert operation.spec["tags"], operation.id


def test_every_success_has_an_example_that_fits_its_schema(document: Document) -> None:
    for operation in document.operations:
        successes = {status: answer for status, answer in operation.spec["responses"].items() if status[0] == "2"}
        assert successes, operation.id
        for status, answer in successes.items():
            content = answer.get("content", {})
            assert content or status == "204", (operation.id, status)
            for kind, shown in content.items():
                assert "example" in shown, (operation.id, status)
                if kind == "application/json":
                    document.check(shown["example"], shown["schema"])


def test_every_body_has_an_example_that_fits_its_schema(document: Document) -> None:
    with_body = [operation for operation in document.operations if "requestBody" in operation.spec]
    assert len(with_body) >= 12
    for operation in with_body:
        assert operation.examples, operation.id
        schema = operation.spec["requestBody"]["content"]["application/json"]["schema"]
        for example in operation.examples:
            document.check(example, schema)


def test_every_failure_is_a_problem_and_nothing_else(document: Document) -> None:
    for operation in document.operations:
        failures = {status: answer for status, answer in operation.spec["responses"].items() if status[0] in "45"}
        if not operation.template.startswith("/v1"):
            continue
        assert {"401", "403", "422", "429", "500", "503"} <= failures.keys(), operation.id
        for status, answer in failures.items():
            assert list(answer["content"]) == [PROBLEM], (operation.id, status)
            shown = answer["content"][PROBLEM]
            document.check(shown["example"], shown["schema"])
            assert shown["example"]["status"] == int(status)
    assert "HTTPValidationError" not in document.content["components"]["schemas"]


def test_a_key_is_asked_for_under_v1_and_nowhere_else(document: Document) -> None:
    for operation in document.operations:
        assert ("security" in operation.spec) == operation.template.startswith("/v1"), operation.id
    (scheme,) = document.content["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")


def test_no_object_is_untyped_but_those_that_hold_schemas(document: Document) -> None:
    for place, schema in document.schemas():
        typed = schema.keys() & {"type", "$ref", "anyOf", "oneOf", "allOf", "const", "enum"}
        assert typed, place
        if schema.get("type") == "object" and schema.get("additionalProperties", not schema.get("properties")) is True:
            assert place.rpartition("/")[2] in UNTYPED or place in OPEN, place
        if schema.get("type") == "array":
            assert schema.get("items"), place


def test_what_a_later_version_brings_is_not_promised_now(document: Document) -> None:
    for template in document.content["paths"]:
        assert not any(word in template for word in LATER), template


def test_every_header_that_a_caller_may_send_is_documented(document: Document) -> None:
    for operation in document.operations:
        names = {one["name"].lower() for one in operation.spec.get("parameters", []) if one["in"] == "header"}
        wanted: set[str] = set()
        if operation.template.startswith("/v1"):
            wanted |= {"x-correlation-id"}
        if operation.scope in {"write", "charges"} and operation.template.startswith("/v1"):
            wanted |= {"idempotency-key", "x-request-timeout"}
        if operation.method == "GET" and operation.template.startswith("/v1"):
            wanted |= {"if-none-match"}
        assert wanted <= names, (operation.id, wanted - names)


def test_every_link_leads_to_an_operation_with_all_that_its_path_needs(document: Document) -> None:
    links = [
        (operation, answer, link)
        for operation in document.operations
        for answer in operation.spec["responses"].values()
        for link in answer.get("links", {}).values()
    ]
    assert len(links) > 100
    for operation, answer, link in links:
        target = document.find(link["operationId"])
        needed = {one["name"] for one in target.spec.get("parameters", []) if one["in"] == "path"}
        assert link["parameters"].keys() == needed, (operation.id, target.id)
        for value in link["parameters"].values():
            if value.startswith("$request.path."):
                assert "{" + value.removeprefix("$request.path.") + "}" in operation.template, (operation.id, value)
                continue
            found = answer["content"]["application/json"]["example"]
            for step in value.removeprefix("$response.body#/").split("/"):
                found = found[int(step)] if isinstance(found, list) else found[step]
            assert isinstance(found, str), (operation.id, target.id, value)


def test_where_one_can_go_from_a_reservation_a_letter_and_an_operation(document: Document) -> None:
    def ways(operation_id: str, status: str) -> set[str]:
        return set(document.find(operation_id).spec["responses"][status]["links"])

    assert {"get_reservation", "modify_reservation", "cancel_reservation", "add_reservation_note"} <= ways(
        "create_reservation", "201"
    )
    assert {"retry_dead_letter", "abandon_dead_letter", "resolve_dead_letter"} <= ways("list_dead_letters", "200")
    for operation in document.operations:
        if "Location" in operation.spec["responses"].get("202", {}).get("headers", {}):  # else nothing was accepted
            assert ways(operation.id, "202") == {"get_operation", "withdraw_operation"}


def test_a_key_is_required_where_its_absence_is_refused(document: Document) -> None:
    needed = {"create_reservation", "add_reservation_note", "post_charge", "upsert_guest"}
    for operation in document.operations:
        for one in operation.spec.get("parameters", []):
            if one["name"] == "idempotency-key":
                assert one["required"] is (operation.id in needed), operation.id


async def test_every_operation_answers_as_documented(
    gateway: RunningGateway, make_hotel: MakeHotel, document: Document
) -> None:
    hotel = await make_hotel("bridge")
    registration: dict[str, Any] = dict(gateway.simulators.registration(hotel.site).body)
    tour = await Tour(gateway.admin, hotel.id, name=hotel.id).walk(registration)
    for operation_id, answer in tour.answers:
        assert answer.status_code < 300, (operation_id, answer.text)
        document.require_fitting(operation_id, answer)
    walked = {operation_id for operation_id, _ in tour.answers}
    unknown = await park(gateway.app.state.gateway.database, hotel.id, status=OperationStatus.UNKNOWN)
    finding = {"happened": True, "reason": "it is there"}
    resolved = await gateway.admin("POST", f"{unknown.at}/resolve", json=finding)
    assert resolved.status_code == 200, resolved.text
    document.require_fitting("resolve_dead_letter", resolved)
    erased = await gateway.admin("DELETE", f"/v1/hotels/{hotel.id}/guests/{tour.guest_id}/data")
    assert erased.status_code == 204, erased.text
    document.require_fitting("erase_guest", erased)
    document.require_fitting("delete_hotel", await gateway.admin("DELETE", f"/v1/hotels/{hotel.id}"))
    assert walked | {"resolve_dead_letter", "erase_guest", "delete_hotel"} == {
        operation.id for operation in document.operations
    }
