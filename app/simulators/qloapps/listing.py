"""The webservice's own way to ask for rows: `display`, `filter[…]`, `sort`, `limit`."""

import operator
import re
from collections.abc import Callable, Mapping, Sequence

from app.simulators.qloapps.answers import Refused
from app.simulators.qloapps.keys import FILTER, collated
from app.simulators.qloapps.rows import Row

_VALUE = re.compile(r"(.*)\[(.*)\](.*)", re.DOTALL)
_BETWEEN = re.compile(r"([\d.:\-\s]+),([\d.:\-\s]+)")
_COMPARED: Mapping[str, Callable[[str, str], bool]] = {">": operator.gt, "<": operator.lt, "!": operator.ne}
_COMPUTED = frozenset({("customers", "phone")})
"""Fields that are shown and are no column: a filter on them ends in an SQL error."""
_WARNING = (3, "[PHP Warning #2] Trying to access array offset on value of type bool (WebserviceRequest.php)")


def chosen(resource: str, rows: Sequence[Row], query: Mapping[str, str], *, known: Sequence[str]) -> list[Row]:
    """Give the rows asked for, with the fields asked for: only the ids unless told otherwise.

    `known` are the fields of the resource; none where it has no row at all, and then no filter is wrong.
    """
    kept = [row for row in rows if _passes(resource, row, query)]
    _check_filters(resource, known, query)
    kept = _sorted(kept, query.get("sort", ""))
    return [_shown(row, query.get("display", "")) for row in _limited(kept, query.get("limit", ""))]


def _check_filters(resource: str, known: Sequence[str], query: Mapping[str, str]) -> None:
    for key in query:
        named = FILTER.fullmatch(key)
        if named and known and named.group(1) not in known:
            full = ", ".join(f'"{name}"' for name in known)
            raise Refused(500, (32, f"This filter does not exist. The full list is: {full}"), *([_WARNING] * 4))
        if named and (resource, named.group(1)) in _COMPUTED:
            raise Refused(500, text="")


def _passes(resource: str, row: Row, query: Mapping[str, str]) -> bool:
    filters = ((FILTER.fullmatch(key), wanted) for key, wanted in query.items())
    return all(_fits(str(row.get(named.group(1))), wanted) for named, wanted in filters if named)


def _fits(value: str, wanted: str) -> bool:
    """Compare as the database does, by the webservice's commands; what is no command lets every row pass."""
    parts = _VALUE.fullmatch(wanted)
    if parts is None:
        return True
    before, inner, after = parts.groups()
    have, want = collated(value), collated(inner)
    if "%" in {before, after}:
        return re.fullmatch(_pattern(before + want + after), have, re.DOTALL) is not None
    if before in _COMPARED:
        numbers = have.isdecimal() and want.isdecimal()
        return _COMPARED[before](have.zfill(20), want.zfill(20)) if numbers else _COMPARED[before](have, want)
    if between := _BETWEEN.fullmatch(inner):
        low, high = sorted(between.groups())
        return low <= value <= high
    return have in want.split("|")


def _pattern(like: str) -> str:
    return "".join({"%": ".*", "_": "."}.get(char, re.escape(char)) for char in like)


def _sorted(rows: list[Row], sort: str) -> list[Row]:
    for part in reversed(sort.strip("[]").split(",") if sort else []):
        name, _, direction = part.rpartition("_")
        rows = sorted(rows, key=lambda row: row[name], reverse=direction == "DESC")
    return rows


def _limited(rows: list[Row], limit: str) -> list[Row]:
    first, comma, count = limit.partition(",")
    if not limit:
        return rows
    return rows[int(first) : int(first) + int(count)] if comma else rows[: int(first)]


def _shown(row: Row, display: str) -> Row:
    if display == "full":
        return row
    names = display.strip("[]").split(",") if display else ["id"]
    for name in names:
        if name not in row:
            available = ", ".join(row)
            message = f'Unable to display this field "{name}". However, these are available: {available}'
            raise Refused(500, (35, message), *([_WARNING] * 4))
    return {name: value for name, value in row.items() if name in names}
