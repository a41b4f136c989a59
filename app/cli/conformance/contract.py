"""All rules, in the order of docs/bridge.md."""

from app.cli.conformance import (
    build,
    changes,
    folio,
    ground,
    guests,
    headers,
    kept_keys,
    lists,
    once,
    problems,
    rooms,
    selling,
    stays,
    versions,
)
from app.cli.conformance.rules import Rule

SECTIONS = {
    1: "Ground rules",
    2: "Headers",
    3: "Lists",
    4: "Every write happens once",
    5: "Problems",
    6: "Versions",
    7: "What to build",
    8: "What the answers mean",
}

_MODULES = (ground, headers, lists, once, kept_keys, problems, versions, build)
_MEANINGS = (selling, stays, changes, folio, guests, rooms)

RULES: tuple[Rule, ...] = tuple(rule for module in (*_MODULES, *_MEANINGS) for rule in module.RULES)
