"""The rules are a list that can be read beside the contract, and the shapes are its schemas."""

from typing import Any, get_args

import pytest
from pydantic import BaseModel

from app.cli.conformance import build
from app.cli.conformance.contract import RULES, SECTIONS
from app.cli.conformance.problems import STATUS_OF_CODE
from app.cli.conformance.shapes import OPERATIONS, SHAPES, misfits, shape_of
from app.simulators.bridge.lookups import REQUIRED
from tests.cli.conformance.test_mutants import MUTANTS
from tests.simulators.openapi import document, operations

_ROOT = "/properties/{property_id}"
SCHEMAS = document()["components"]["schemas"]


def test_rules_are_numbered_within_their_section_without_a_gap() -> None:
    numbers = [tuple(map(int, rule.number.split("."))) for rule in RULES]
    assert {section for section, _ in numbers} == set(SECTIONS)
    for section in SECTIONS:
        places = [place for own, place in numbers if own == section]
        assert places == list(range(1, len(places) + 1))


def test_a_rule_needs_only_rules_that_there_are_and_no_circle() -> None:
    needs = {rule.number: set(rule.needs) for rule in RULES}
    assert {need for own in needs.values() for need in own} <= set(needs)
    left = dict(needs)
    while left:
        free = {number for number, own in left.items() if not own & set(left)}
        assert free, f"these need each other: {sorted(left)}"
        left = {number: own for number, own in left.items() if number not in free}


def test_what_needs_something_that_writes_writes_too() -> None:
    writes = {rule.number for rule in RULES if rule.writes}
    reading = [rule.number for rule in RULES if not rule.writes and set(rule.needs) & writes]
    assert reading == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.number)
def test_a_rule_says_what_it_is_and_how_to_mend_it(rule: Any) -> None:
    assert rule.says[0].isupper() or rule.says[0] == "`"
    assert not rule.says.endswith(".")
    assert rule.fix.endswith(".")
    assert (rule.act is None) != (rule.watches is None)


def test_every_section_has_mutants() -> None:
    assert {number.split(".")[0] for _, broken, _ in MUTANTS.values() for number in broken} == set(map(str, SECTIONS))


def test_codes_and_required_capabilities_are_those_of_the_contract() -> None:
    assert list(SCHEMAS["Problem"]["properties"]["code"]["enum"]) == sorted(
        STATUS_OF_CODE, key=SCHEMAS["Problem"]["properties"]["code"]["enum"].index
    )
    assert set(build.REQUIRED) == set(REQUIRED)


def test_every_operation_of_the_contract_has_a_shape() -> None:
    written = {(method, path.removeprefix(_ROOT)) for method, path in operations()}
    starred = {(method, "/".join("*" if "{" in part else part for part in path.split("/"))) for method, path in written}
    assert starred == OPERATIONS


@pytest.mark.parametrize(("method", "path"), sorted(operations()))
def test_a_success_has_the_shape_that_the_document_says(method: str, path: str) -> None:
    responses = document()["paths"][path][method.lower()]["responses"]
    status, response = next((int(code), answer) for code, answer in responses.items() if code != "default")
    schema = _resolved(_resolved(response)["content"]["application/json"]["schema"])
    items = schema["properties"].get("items") if "next_cursor" in schema["properties"] else None
    named = items["items"]["$ref"] if items else _resolved(response)["content"]["application/json"]["schema"]["$ref"]
    below = (
        path.removeprefix(_ROOT)
        .replace("{reservation_id}", "1")
        .replace("{guest_id}", "1")
        .replace("{room_number}", "1")
    )
    assert shape_of(method, below, status) == ("list of " if items else "") + named.rpartition("/")[2]


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_is_the_schema_of_the_document(name: str) -> None:
    require_same(SHAPES[name], SCHEMAS[name])


def require_same(shape: type[BaseModel], schema: dict[str, Any]) -> None:
    """Compare members and what is required, inwards; null and absent mean the same (§ 1)."""
    assert set(shape.model_fields) == set(schema["properties"])
    nullable = {member for member, told in schema["properties"].items() if _is_nullable(told)}
    required = {member for member, field in shape.model_fields.items() if field.is_required()}
    assert required == set(schema.get("required", ())) - nullable
    for member, field in shape.model_fields.items():
        inner = _model_in(field.annotation)
        told = _resolved(schema["properties"][member])
        if inner is not None:
            require_same(inner, _resolved(told.get("items", told)))


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for one in get_args(annotation) if (found := _model_in(one))), None)


def _is_nullable(told: dict[str, Any]) -> bool:
    told = _resolved(told)
    return "null" in told.get("type", ()) or any(one.get("type") == "null" for one in told.get("oneOf", ()))


def _resolved(told: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in told:
        place: Any = document()
        for step in told["$ref"].removeprefix("#/").split("/"):
            place = place[step]
        told = place
    return told


@pytest.mark.parametrize(
    ("money", "told"),
    [
        ({"amount": 1.5, "currency": "EUR"}, "no decimal string"),
        ({"amount": "1.505", "currency": "EUR"}, "more decimals"),
        ({"amount": "1.5", "currency": "JPY"}, "more decimals"),
        ({"amount": "1e3", "currency": "EUR"}, "no decimal string"),
        ({"amount": "1.50", "currency": "euro"}, "no money"),
        ("1.50", "no money"),
    ],
)
def test_money_that_is_none_is_told_apart(money: Any, told: str) -> None:
    found = misfits("Balance", {"balance": money})
    assert [(one.kind, one.place) for one in found] == [("money", "balance")]
    assert told in found[0].message


def test_money_with_fewer_decimals_than_its_currency_is_money() -> None:
    assert misfits("Balance", {"balance": {"amount": "-12", "currency": "EUR"}, "charges": None}) == ()
