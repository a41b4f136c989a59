"""The bridge's OpenAPI document, as the judge of what is sent and answered."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from app.simulators.site import Recorded

DOCUMENT = Path(__file__).parents[2] / "docs" / "bridge.openapi.yaml"


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(DOCUMENT.read_text(encoding="utf-8"))
    return loaded


def operations() -> set[tuple[str, str]]:
    """Every method and path of the contract."""
    return {
        (method.upper(), path)
        for path, item in document()["paths"].items()
        for method in item
        if method in {"get", "post", "put", "patch", "delete"}
    }


def require_fitting_answer(method: str, template: str, *, status: int, content_type: str, body: Any) -> None:
    """Fail unless an answer is one that the contract lists for that operation."""
    responses = document()["paths"][template][method.lower()]["responses"]
    response = _resolved(responses.get(str(status)) or responses["default"])
    assert content_type in response["content"], (method, template, status, content_type)
    _check(body, response["content"][content_type]["schema"])
    assert status < 400 or body["status"] == status


def require_fitting_request(request: Recorded) -> None:
    """Fail unless a request is one that the contract lists."""
    item = document()["paths"][request.template]
    operation = item[request.method.lower()]
    parameters = [_resolved(one) for one in [*item.get("parameters", []), *operation.get("parameters", [])]]
    needed = {one["name"].lower() for one in parameters if one["in"] == "header" and one.get("required")}
    assert needed <= request.headers.keys(), (request.method, request.path, needed)
    known = {one["name"] for one in parameters if one["in"] == "query"}
    assert set(re.findall(r"(?:^|&)([^=&]+)=", request.query)) <= known
    if request.body:
        _check(request.json(), operation["requestBody"]["content"]["application/json"]["schema"])


def _check(value: Any, schema: dict[str, Any]) -> None:
    complete = {**schema, "components": document()["components"]}
    validator = jsonschema.Draft202012Validator(complete, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    validator.validate(value)


def _resolved(node: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in node:
        return node
    found: Any = document()
    for step in node["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    resolved: dict[str, Any] = found
    return resolved
