"""What the OpenAPI document says of every operation: its answer, an example, and its problems."""

from typing import Any

from fastapi import FastAPI, Response
from fastapi.routing import APIRoute, iter_route_contexts

from app.api.envelope import DayEnvelope, Envelope
from app.api.errors import problems
from app.api.links import link

_EVERYWHERE = (
    "unauthorized",
    "forbidden",
    "validation_failed",
    "rate_limited",
    "internal_error",
    "storage_unavailable",
)
_AT_HOTEL = (*_EVERYWHERE, "not_found")
_OF_PMS = (
    *_AT_HOTEL,
    "capability_not_supported",
    "pms_auth_failed",
    "pms_bad_response",
    "pms_rate_limited",
    "pms_unavailable",
    "pms_rejected",
    "deadline_exceeded",
)
_WITH_BODY = ("bad_request", "payload_too_large", "unsupported_media_type")
_WRITES = (
    *_OF_PMS,
    *_WITH_BODY,
    "idempotency_key_reused",
    "operation_in_progress",
    "conflict",
)

READ_HEADERS = {
    "ETag": {"description": "A strong hash of `data`.", "schema": {"type": "string"}},
    "X-Cache": {
        "description": "Whether the answer is fresh from the cache, from the PMS, or stale.",
        "schema": {"type": "string", "enum": ["HIT", "MISS", "STALE"]},
    },
    "Age": {"description": "Seconds since `as_of`.", "schema": {"type": "integer"}},
}
_CORRELATION = {
    "name": "X-Correlation-ID",
    "in": "header",
    "description": "1 to 128 visible ASCII characters: returned, logged and sent on to the vendor; made up where it is "
    "missing or of another form.",
    "schema": {"type": "string"},
}
_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The `ETag` of an earlier answer; 304 when it still holds.",
    "schema": {"type": "string"},
}
_CACHE_CONTROL = {
    "name": "Cache-Control",
    "in": "header",
    "description": "`no-cache` asks the PMS, whatever is in the cache.",
    "schema": {"type": "string"},
}
CORRELATED = {"parameters": [_CORRELATION]}
CONDITIONAL = {"parameters": [_CORRELATION, _IF_NONE_MATCH]}
"""For `openapi_extra`: headers that no endpoint reads itself."""
META: dict[str, Any] = {
    "source": "pms",
    "stale": False,
    "complete": True,
    "as_of": "2026-11-20T10:00:00Z",
    "warnings": [],
    "next_cursor": None,
    "operation_id": None,
}


def enveloped(data: Any, **meta: Any) -> dict[str, Any]:
    """Give the example of an envelope around `data`."""
    return {"data": data, "meta": {**META, **meta}}


class DocumentedAPI(FastAPI):
    """An application whose OpenAPI document shows examples as they are: FastAPI takes the nulls out of them."""

    def openapi(self) -> dict[str, Any]:
        """Give the document, made once."""
        made = self.openapi_schema is not None
        document = super().openapi()
        if not made:
            self._put_examples_back(document)
            _require_keys(document)
            link(document)
        return document

    def _put_examples_back(self, document: dict[str, Any]) -> None:
        for route in iter_route_contexts(self.routes):
            if not isinstance(route.original_route, APIRoute) or not route.include_in_schema:
                continue
            for method in route.methods or ():
                shown = document["paths"][route.path_format][method.lower()]["responses"]
                for status, answer in route.responses.items():
                    for kind, content in answer.get("content", {}).items():
                        shown[str(status)]["content"][kind]["example"] = content["example"]


def _require_keys(document: dict[str, Any]) -> None:
    """Say that an Idempotency-Key is required where it is: its absence is no 422, so the endpoint itself takes none."""
    for operation in (one for item in document["paths"].values() for one in item.values()):
        if "`idempotency_key_required`" in operation["responses"].get("400", {}).get("description", ""):
            for header in (one for one in operation["parameters"] if one["name"] == "idempotency-key"):
                header["required"] = True
                header["schema"] |= header["schema"].pop("anyOf")[0]


def _answer(kind: Any, example: Any, description: str) -> dict[str, Any]:
    return {
        "model": kind,
        "description": description,
        "content": {"application/json": {"example": example}},
    }


def reading(kind: Any, example: Any, *more: str, body: bool = False, day: str | None = None) -> dict[str, Any]:
    """Describe a read of a hotel's PMS whose `data` is `kind`; `day` is the example's, where the list is a day's."""
    codes = (*_OF_PMS, *more, *(_WITH_BODY if body else ()))
    envelope = DayEnvelope[kind] if day else Envelope[kind]
    shown = enveloped(example, **({"date": day} if day else {}))
    return {
        "openapi_extra": {"parameters": [_CORRELATION, _IF_NONE_MATCH, _CACHE_CONTROL]},
        "response_model": envelope,
        "responses": {
            200: {
                **_answer(envelope, shown, "The answer, in its envelope."),
                "headers": READ_HEADERS,
            },
            304: {"description": "The caller has it already (`If-None-Match`).", "headers": READ_HEADERS},
            **problems(*codes),
        },
    }


def own(kind: Any, example: Any, *more: str, at_hotel: bool = True, body: bool = False) -> dict[str, Any]:
    """Describe a read of something that is ours."""
    codes = (*(_AT_HOTEL if at_hotel else _EVERYWHERE), *more, *(_WITH_BODY if body else ()))
    answer = _answer(Envelope[kind], enveloped(example, source="store"), "The answer, in its envelope.")
    return {
        "openapi_extra": CONDITIONAL,
        "response_model": Envelope[kind],
        "responses": {
            200: {**answer, "headers": READ_HEADERS},
            304: {"description": "The caller has it already (`If-None-Match`).", "headers": READ_HEADERS},
            **problems(*codes),
        },
    }


def nothing(*more: str, body: bool = False) -> dict[str, Any]:
    """Describe an operation that answers 204."""
    return {
        "openapi_extra": CORRELATED,
        "status_code": 204,
        "response_class": Response,
        "responses": {204: {"description": "Done."}, **problems(*_AT_HOTEL, *more, *(_WITH_BODY if body else ()))},
    }


def writing(
    kind: Any,
    example: Any,
    accepted: Any,
    accepted_example: Any,
    *more: str,
    status: int = 200,
    also: int | None = None,
) -> dict[str, Any]:
    """Describe a write: done is `status`, not known to be done yet is 202 with the operation."""
    done = _answer(Envelope[kind], enveloped(example, operation_id=accepted_example["id"]), "Done in the PMS.")
    later = _answer(
        Envelope[accepted],
        enveloped(accepted_example, source="store", operation_id=accepted_example["id"]),
        "Accepted, not known to be done yet; watch the operation.",
    )
    location = {"Location": {"description": "The operation.", "schema": {"type": "string"}}}
    return {
        "openapi_extra": CORRELATED,
        "status_code": status,
        "response_model": Envelope[kind],
        "responses": {
            status: done,
            **({also: done} if also else {}),
            202: {**later, "headers": location},
            **problems(*_WRITES, *more),
        },
    }
