"""What a question can be about: the values it names for a field, so that no row is drawn only to be dropped."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

FILTER = re.compile(r"filter\[(\w+)\]")
_AMONG = re.compile(r"\[([^\[\]]*)\]", re.DOTALL)


def collated(text: str) -> str:
    """Fold a text as the database's collation does: neither case nor accents count."""
    if text.isascii():
        return text.lower()
    return "".join(char for char in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(char))


@dataclass(frozen=True, slots=True)
class Keys:
    """The values that are asked for, collated, by field; a field that is not named may have any."""

    wanted: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def only(cls, **values: str) -> Self:
        """Ask for one value of each of these fields."""
        return cls({name: frozenset({collated(value)}) for name, value in values.items()})

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Self:
        """Read them off a query: filters that name whole values, and no range or pattern."""
        named = ((FILTER.fullmatch(key), _AMONG.fullmatch(value)) for key, value in query.items())
        return cls(
            {
                name.group(1): frozenset(collated(among.group(1)).split("|"))
                for name, among in named
                if name and among and "," not in among.group(1)
            }
        )

    def admit(self, **have: object) -> bool:
        """Tell whether a row that has these values can be among those asked for."""
        wanted = self.wanted
        if not wanted:
            return True
        return all(name not in wanted or collated(str(value)) in wanted[name] for name, value in have.items())


EVERYTHING = Keys()
