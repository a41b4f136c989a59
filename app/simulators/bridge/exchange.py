"""One request to the bridge and its answer, with the refusals of the contract."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import QueryParams

from app.simulators.bridge.written import Record, WrittenKeys
from app.simulators.hotel import SimulatedHotel
from app.simulators.records import HotelRefused, Refusal, Versioned
from app.simulators.site import Site

Body = TypeVar("Body", bound=BaseModel)

STATUS_OF_CODE: Mapping[str, int] = {
    "malformed": 400,
    "idempotency_key_required": 400,
    "unauthorized": 401,
    "not_found": 404,
    "conflict": 409,
    "no_availability": 409,
    "version_mismatch": 412,
    "invalid": 422,
    "idempotency_key_reused": 422,
    "rate_limited": 429,
    "not_supported": 501,
}


class Problem(Exception):
    """A refusal, in the words of the contract; `errors` are pairs of a field and what is wrong with it."""

    def __init__(
        self, code: str, detail: str, *, errors: Sequence[tuple[str, str]] = (), retry_after: int | None = None
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.retry_after = retry_after

    @property
    def status(self) -> int:
        """The HTTP status that goes with the code."""
        return STATUS_OF_CODE[self.code]

    @classmethod
    def of_refusal(cls, refused: HotelRefused) -> "Problem":
        """Put a rule of the hotel into the contract's words; the codes are the same."""
        errors = [(refused.field, refused.message)] if refused.field else []
        return cls(refused.refusal.value, refused.message, errors=errors)

    @classmethod
    def of_validation(cls, error: ValidationError) -> "Problem":
        """Name every field that is wrong."""
        faults = error.errors(include_url=False, include_input=False)
        if any(fault["type"] == "json_invalid" for fault in faults):
            return cls("malformed", "the body is not JSON")
        errors = [(".".join(map(str, fault["loc"])), fault["msg"]) for fault in faults]
        return cls("invalid", f"{len(errors)} fields are not as they should be", errors=errors)

    def as_json(self) -> dict[str, Any]:
        """Give the members of the problem (RFC 9457)."""
        values: dict[str, Any] = {
            "type": f"about:blank#{self.code}",
            "title": self.code.replace("_", " "),
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        if self.errors:
            values["errors"] = [{"field": name, "message": message} for name, message in self.errors]
        return values


@dataclass(frozen=True, slots=True)
class Answer:
    """A success; `version` becomes the ETag."""

    body: Any
    status: int = 200
    version: str | None = None


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A request that has shown its key and named a property."""

    site: Site
    hotel: SimulatedHotel
    written: WrittenKeys
    method: str
    path: str
    at: Mapping[str, str]
    query: QueryParams
    headers: Mapping[str, str]
    raw_body: bytes = field(repr=False)

    def read(self, kind: type[Body]) -> Body:
        """Read the body; an empty one is an empty object."""
        return kind.model_validate_json(self.raw_body or b"{}")

    def read_query(self, kind: type[Body]) -> Body:
        """Read the query."""
        return kind.model_validate(dict(self.query))

    def require_version(self, record: Versioned) -> None:
        """Refuse when `If-Match` names another version than the record's."""
        wanted = self.headers.get("if-match", "*").strip()
        if wanted not in {"*", f'"{record.version}"'}:
            raise Problem("version_mismatch", f"the record is at version {record.version}")

    @property
    def keeps_keys(self) -> bool:
        """Whether this installation shows under which key a record was written."""
        return self.site.modes["idempotency"] == "off"

    def sign(self, record: Record) -> None:
        """Keep this request's key with the record that it made."""
        self.written.keep(record, self.headers.get("idempotency-key"))

    def signature(self, record: Record) -> dict[str, str]:
        """Write the member that tells a record's key, where there is one to be told."""
        key = self.written.of(record) if self.keeps_keys else None
        return {} if key is None else {"write_key": key}

    def is_signed(self, record: Record, key: str | None) -> bool:
        """Tell whether a record passes the filter `write_key`; who keeps no keys can't apply it and ignores it."""
        return key is None or not self.keeps_keys or self.written.of(record) == key

    @property
    def fingerprint(self) -> str:
        """What a key stands for: method, path and body."""
        parts = (self.method.encode(), self.path.encode(), self.raw_body)
        return hashlib.sha256(b"\0".join(parts)).hexdigest()


def refuse_unknown(name: str) -> Problem:
    """Give the refusal of something that is not there."""
    return Problem(Refusal.NOT_FOUND.value, f"there is no such {name}")
