"""Errors as `application/problem+json` (RFC 9457): one table from codes to statuses, and the handlers."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from pydantic import ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.routing import Route

from app.domain.errors import BadRequest, FieldFault, GatewayError, InvalidRequest, Told
from app.domain.model import Fact
from app.domain.money import Money
from app.telemetry import context

PROBLEM = "application/problem+json"

STATUSES: Mapping[str, tuple[int, str]] = {
    "bad_request": (400, "The request cannot be read"),
    "idempotency_key_required": (400, "An Idempotency-Key is required"),
    "unauthorized": (401, "No valid API key"),
    "forbidden": (403, "The API key lacks the scope"),
    "not_found": (404, "There is no such thing"),
    "method_not_allowed": (405, "The method is not allowed here"),
    "no_availability": (409, "There is no room to sell"),
    "price_changed": (409, "The price has changed"),
    "conflict": (409, "The present state does not allow this"),
    "multi_room": (409, "The stay has several rooms"),
    "operation_in_progress": (409, "The same request is still running"),
    "precondition_failed": (412, "The resource has changed"),
    "payload_too_large": (413, "The body is too large"),
    "unsupported_media_type": (415, "The body must be JSON"),
    "validation_failed": (422, "The request is not valid"),
    "idempotency_key_reused": (422, "The Idempotency-Key stands for another request"),
    "pms_rejected": (422, "The PMS refused"),
    "rate_limited": (429, "Too many requests"),
    "internal_error": (500, "The gateway failed"),
    "capability_not_supported": (501, "The PMS cannot do this"),
    "pms_auth_failed": (502, "The PMS refused the hotel's credentials"),
    "pms_bad_response": (502, "The PMS gave an answer that cannot be used"),
    "pms_rate_limited": (503, "The PMS's quota is used up"),
    "pms_unavailable": (503, "The PMS cannot be reached"),
    "storage_unavailable": (503, "The gateway's database cannot be reached"),
    "deadline_exceeded": (504, "There was no answer in time"),
}
_BY_STATUS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "payload_too_large",
    415: "unsupported_media_type",
}
_PROBLEM_SCHEMA = {"$ref": "#/components/schemas/Problem"}
"""Not `model`, for which FastAPI would document a second answer, as application/json."""
_MOST_FAULTS, _LONGEST_NAME, _LONGEST_SENTENCE = 50, 200, 1_000
"""A problem is no echo: a body of a megabyte, or a PMS, may be wrong in very many and very long ways."""
_DEFAULT_RETRY_AFTER = {"storage_unavailable": 2.0, "pms_unavailable": 5.0, "pms_rate_limited": 5.0}


class FieldProblem(Fact):
    """Which part of the request is wrong, as a path, and why."""

    loc: tuple[str | int, ...]
    msg: str


class Problem(Fact):
    """What went wrong, in the form of RFC 9457; members that say nothing are left out."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    type: str = Field(examples=["urn:pms-gateway:problem:not_found"])
    title: str
    status: int
    detail: str
    code: str = Field(json_schema_extra={"enum": [*sorted(STATUSES)]})
    correlation_id: str | None = None
    vendor: str | None = None
    vendor_code: str | None = None
    retry_after: int | None = None
    operation_id: str | None = None
    dead_letter_id: str | None = None
    expected: Money | None = None
    actual: Money | None = None
    errors: tuple[FieldProblem, ...] | None = None


def status_of(code: str) -> int:
    """Give the HTTP status of a code."""
    return STATUSES[code][0]


def problem_body(
    code: str,
    detail: str,
    *,
    errors: Sequence[FieldFault] = (),
    retry_after: float | None = None,
    vendor: str | None = None,
    vendor_code: str | None = None,
    **extra: Any,
) -> dict[str, Any]:
    """Give a problem's members, those that say nothing left out."""
    status, title = STATUSES[code]
    seconds = retry_after if retry_after is not None else _DEFAULT_RETRY_AFTER.get(code)
    members = {
        "type": f"urn:pms-gateway:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail[:_LONGEST_SENTENCE],
        "code": code,
        "correlation_id": context.current("correlation_id"),
        "vendor": vendor,
        "vendor_code": vendor_code,
        "retry_after": None if seconds is None else max(1, math.ceil(seconds)),
        "errors": [_fault(one) for one in errors[:_MOST_FAULTS]] or None,
        **extra,
    }
    return {name: value for name, value in members.items() if value is not None}


def _fault(fault: FieldFault) -> dict[str, Any]:
    loc = [part[:_LONGEST_NAME] if isinstance(part, str) else part for part in fault.loc]
    return {"loc": loc, "msg": fault.msg[:_LONGEST_SENTENCE]}


def problem_of(error: GatewayError) -> dict[str, Any]:
    """Give the problem that an error is told as."""
    return problem_body(
        error.told_code if isinstance(error, Told) else error.code,
        error.detail,
        errors=error.errors,
        retry_after=error.retry_after,
        vendor=error.vendor,
        vendor_code=error.vendor_code,
        **error.extra,
    )


def problem_response(body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """Give a problem as an answer, with the headers that belong to it."""
    extra = dict(headers or {})
    if "retry_after" in body:
        extra["Retry-After"] = str(body["retry_after"])
    if body["status"] == 401:
        extra["WWW-Authenticate"] = "Bearer"
    return Response(orjson.dumps(dict(body)), status_code=body["status"], headers=extra, media_type=PROBLEM)


async def _gateway_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, GatewayError)  # noqa: S101 - tells the type checker what the registration below says
    headers = {"Idempotent-Replayed": "true"} if isinstance(error, Told) else None
    return problem_response(problem_of(error), headers)


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    found = error.errors()
    faults = [FieldFault(tuple(fault["loc"])[1:] or ("body",), _message(fault)) for fault in found[:_MOST_FAULTS]]
    if any(fault["type"] == "json_invalid" for fault in found):
        return await _gateway_error(request, BadRequest("the body is not valid JSON"))
    first = faults[0]
    detail = f"{'.'.join(map(str, first.loc))}: {first.msg}"
    return await _gateway_error(request, InvalidRequest(detail, errors=faults))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    if error.status_code == 405:
        return problem_response(problem_body("method_not_allowed", "see Allow"), {"Allow": _allowed(request)})
    code = _BY_STATUS.get(error.status_code, "bad_request" if error.status_code < 500 else "internal_error")
    detail = STATUSES[code][1].lower()
    return problem_response(problem_body(code, detail), error.headers)


def _allowed(request: Request) -> str:
    """Give the methods of all routes at this path; the router itself names only those of the first."""
    routes = (route for route in iter_route_contexts(request.app.routes) if isinstance(route.original_route, Route))
    methods = {
        method for route in routes if route.path_regex.match(request.scope["path"]) for method in route.methods or ()
    }
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


def _message(fault: Mapping[str, Any]) -> str:
    return str(fault["msg"]).removeprefix("Value error, ")


def register(app: FastAPI) -> None:
    """Tell every error of this application as a problem."""
    app.add_exception_handler(GatewayError, _gateway_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)


def problems(*codes: str) -> dict[int | str, dict[str, Any]]:
    """Describe the problem answers of an operation for the OpenAPI document."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(status_of(code), []).append(code)
    return {
        status: {
            "description": " · ".join(f"`{code}` {STATUSES[code][1]}" for code in found),
            "content": {PROBLEM: {"schema": _PROBLEM_SCHEMA, "example": problem_example(found[0])}},
        }
        for status, found in sorted(by_status.items())
    }


def problem_example(code: str) -> dict[str, Any]:
    """Give what a problem of this code looks like."""
    status, title = STATUSES[code]
    return {
        "type": f"urn:pms-gateway:problem:{code}",
        "title": title,
        "status": status,
        "detail": title.lower(),
        "code": code,
        "correlation_id": "5f0c8f2e-7f55-4e02-9d3a-1f2b4c9e0a77",
    }
