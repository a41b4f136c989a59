"""The OpenAPI document of the gateway, as the judge of what it answers and as the list of what to try."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx
import jsonschema
import pytest

from tests.fixtures.gateway import RunningGateway

METHODS = ("get", "put", "post", "patch", "delete")
PROBLEM = "application/problem+json"
NIGHTS = {"start": "2027-03-01", "end": "2027-03-03", "arrival": "2027-03-01", "departure": "2027-03-03"}


@dataclass(frozen=True)
class OperationUnderTest:
    """One method of one path."""

    method: str
    template: str
    spec: dict[str, Any]

    @property
    def id(self) -> str:
        """Its operation id."""
        return str(self.spec["operationId"])

    @property
    def scope(self) -> str:
        """The scope that api.md asks for: the exceptions by name, the rest by what they do."""
        admins = ("put_hotel", "delete_hotel", "erase_guest", "export_guest")
        special = {"post_charge": "charges", **dict.fromkeys(admins, "admin")}
        if self.id in special:
            return special[self.id]
        if self.id in {"check_hotel", "refresh_hotel", "list_audit"} or "dead_letter" in self.id:
            return "ops"
        reads = self.method == "GET" or self.id in {"search_guests", "quote_reservation_change", "withdraw_operation"}
        return "read" if reads else "write"

    @property
    def query_names(self) -> set[str]:
        """The names of its query parameters."""
        return {one["name"] for one in self.spec.get("parameters", []) if one["in"] == "query"}

    @property
    def examples(self) -> list[Any]:
        """The examples of its JSON body."""
        examples: list[Any] = self._body_schema.get("examples", [])
        return examples

    @property
    def _body_schema(self) -> dict[str, Any]:
        content = self.spec.get("requestBody", {}).get("content", {})
        schema: dict[str, Any] = content.get("application/json", {}).get("schema", {})
        return schema

    def request(self, hotel_id: str) -> dict[str, Any]:
        """Give a request to this operation at a hotel that is right in everything, for `Client.__call__`."""
        path = self.template.replace("{hotel_id}", hotel_id)
        query: dict[str, Any] = {}
        for parameter in self.spec.get("parameters", []):
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", (parameter["schema"].get("examples") or ["x"])[0])
            elif parameter["in"] == "query" and (parameter["required"] or parameter["name"] == "last_name"):
                query[parameter["name"]] = NIGHTS.get(parameter["name"], 2)
        request: dict[str, Any] = {"method": self.method, "path": path, "params": query or None}
        if self.examples:
            request["json"] = self.examples[0]
        return {**request, "key": "a-key"} if self.method in {"POST", "PUT", "PATCH"} else request


@dataclass(frozen=True)
class Document:
    """The document as it was served."""

    content: dict[str, Any]

    @cached_property
    def operations(self) -> list[OperationUnderTest]:
        """All of them."""
        return [
            OperationUnderTest(method.upper(), template, item[method])
            for template, item in self.content["paths"].items()
            for method in METHODS
            if method in item
        ]

    @property
    def at_hotel(self) -> list[OperationUnderTest]:
        """Those whose path names a hotel."""
        return [one for one in self.operations if "{hotel_id}" in one.template]

    @property
    def of_hotels(self) -> list[OperationUnderTest]:
        """Those whose query may name a hotel: lists over all hotels that the key sees."""
        return [one for one in self.operations if "hotel_id" in one.query_names]

    def find(self, operation_id: str) -> OperationUnderTest:
        """Give one by its id."""
        return next(one for one in self.operations if one.id == operation_id)

    def check(self, value: Any, schema: dict[str, Any]) -> None:
        """Fail unless `value` fits."""
        complete = {**schema, "components": self.content["components"]}
        checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
        jsonschema.Draft202012Validator(complete, format_checker=checker).validate(value)

    def require_fitting(self, operation_id: str, answer: httpx.Response) -> None:
        """Fail unless an answer is one that the document lists, in status, content type and schema."""
        responses = self.find(operation_id).spec["responses"]
        assert str(answer.status_code) in responses, (operation_id, answer.status_code, answer.text)
        content = responses[str(answer.status_code)].get("content", {})
        if not content:
            assert not answer.content, operation_id
            return
        kind = answer.headers["content-type"].partition(";")[0]
        assert kind in content, (operation_id, kind)
        if "schema" in content[kind] and "json" in kind:
            self.check(answer.json(), content[kind]["schema"])

    def schemas(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give every schema of the document with its place, examples and defaults left out."""
        yield from _schemas(self.content, "#")


def _schemas(node: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, list):
        for index, member in enumerate(node):
            yield from _schemas(member, f"{place}/{index}")
    elif isinstance(node, dict):
        if "type" in node or place.endswith("/schema"):
            yield place, node
        for name, member in node.items():
            if name not in {"example", "examples", "default"}:
                yield from _schemas(member, f"{place}/{name}")


@pytest.fixture(scope="session")
async def document(gateway: RunningGateway) -> Document:
    """The document, as a caller gets it."""
    answer = await gateway.http.get("/openapi.json")
    assert answer.status_code == 200
    return Document(answer.json())
