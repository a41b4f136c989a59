"""One call and its answer: what was sent, which enterprises it may see, and how it is refused."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from app.simulators.mews.premises import Premises
from app.simulators.mews.sent import Limitation
from app.simulators.records import HotelRefused, Refusal
from app.simulators.site import Site

Body = TypeVar("Body", bound=BaseModel)
Record = TypeVar("Record")
Shown = Mapping[str, Any]
HEAVY = 100
"""Rows that an installation under load still gives at once."""


class Problem(Exception):
    """A refusal: 400 for what is malformed or unknown, 403 for what the hotel's rules forbid."""

    def __init__(self, status: int, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after = retry_after

    @classmethod
    def of_refusal(cls, refused: HotelRefused) -> "Problem":
        """Put a rule of the hotel into the vendor's words."""
        is_rule = refused.field == "adults"
        if refused.refusal in {Refusal.NOT_FOUND, Refusal.INVALID} and not is_rule:
            return cls(400, f"Invalid request: {refused.message}.")
        return cls(403, f"{refused.message[0].upper()}{refused.message[1:]}.")

    @classmethod
    def of_validation(cls, error: ValidationError) -> "Problem":
        """Name the first member that is wrong."""
        fault = error.errors(include_url=False, include_input=False)[0]
        if fault["type"] == "json_invalid":
            return cls(400, "Invalid JSON.")
        return cls(400, f"Invalid {'.'.join(map(str, fault['loc']))}: {fault['msg']}.")


def invalid(name: str) -> Problem:
    """Give the refusal of a value that is not there or cannot be."""
    return Problem(400, f"Invalid {name}.")


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A call whose tokens were good. A portfolio token opens several enterprises, another one only its own."""

    site: Site
    premises: tuple[Premises, ...]
    portfolio: bool
    raw_body: bytes = field(repr=False)

    def read(self, kind: type[Body]) -> Body:
        """Read the body."""
        return kind.model_validate_json(self.raw_body)

    def is_on(self, mode: str, value: str = "on") -> bool:
        """Tell whether the installation is in a mode."""
        return self.site.modes[mode] == value

    def among(self, enterprise_ids: Iterable[str] | None) -> list[Premises]:
        """Give the enterprises that a filter names; only a portfolio token heeds it."""
        if enterprise_ids is None or not self.portfolio:
            return list(self.premises)
        wanted = set(enterprise_ids)
        return [one for one in self.premises if one.id in wanted]

    def one(self, enterprise_id: str | None) -> Premises:
        """Give the enterprise that is meant; a portfolio token has to name it."""
        if not self.portfolio:
            return self.premises[0]
        found = next((one for one in self.premises if one.id == enterprise_id), None)
        if found is None:
            raise invalid("EnterpriseId")
        return found

    def of_chains(self, chain_ids: Iterable[str] | None) -> list[Premises]:
        """Give the enterprises whose chain a filter names; only a portfolio token heeds it."""
        if chain_ids is None or not self.portfolio:
            return list(self.premises)
        wanted = set(chain_ids)
        return [one for one in self.premises if one.facts.chain in wanted]

    def of_chain(self, chain_id: str | None) -> Premises:
        """Give the enterprise whose chain is meant; a portfolio token has to name it."""
        if not self.portfolio:
            return self.premises[0]
        found = next((one for one in self.premises if one.facts.chain == chain_id), None)
        if found is None:
            raise invalid("ChainId")
        return found

    def page(
        self, found: Sequence[tuple[str, Record]], limitation: Limitation, *, order: Sequence[str] = ()
    ) -> tuple[list[Record], str | None]:
        """Give one page of what was found, which is newest first, and the cursor to the next.

        `order` has all ids there are: what the cursor names may have been changed and be found no more.
        """
        if self.is_on("heavy_reads") and limitation.count > HEAVY:
            raise Problem(408, "Request timeout.")
        begin = 0
        if limitation.cursor is not None:
            ids = order or [record_id for record_id, _ in found]
            places = {record_id: place for place, record_id in enumerate(ids)}
            if limitation.cursor not in places:
                raise invalid("Limitation.Cursor")
            after = places[limitation.cursor]
            begin = sum(places[record_id] <= after for record_id, _ in found)
        rows = found[begin : begin + limitation.count]
        return [record for _, record in rows], rows[-1][0] if rows else None
