"""How the shop puts an answer: XML unless asked for JSON, errors as a list, every answer with its own headers."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from lxml import etree
from starlette.requests import Request
from starlette.responses import Response

_XLINK = "http://www.w3.org/1999/xlink"
_HREF = f"{{{_XLINK}}}href"
_FORMATS = ("output-format", "io-format")

Tree = Mapping[str, Any]


class Refused(Exception):
    """The shop says no: a status, and errors with their codes."""

    def __init__(self, status: int, *errors: tuple[int, str], text: str | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.errors = errors
        self.text = text
        """What stands in place of the errors where PHP answers by itself, as HTML."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Which form an answer is wanted in."""

    json: bool
    base: str = field(default="")

    @classmethod
    def of(cls, request: Request) -> "Asker":
        """Read it off a request; `Accept` is not looked at."""
        wanted = [request.headers.get(name) for name in _FORMATS]
        wanted += [request.query_params.get(name.replace("-", "_")) for name in _FORMATS]
        return cls("JSON" in wanted, str(request.base_url))

    def answer(self, tree: Tree | list[Any], *, status: int = 200) -> Response:
        """Put an answer: one thing under its name, a list under its resource's, or an empty list."""
        return self._reply(status, orjson.dumps(tree) if self.json else _document(tree))

    def listing(self, node: str, item: str, rows: list[Tree]) -> Response:
        """Put a list; an empty one has no name in JSON and nothing in it in XML."""
        if self.json:
            return self.answer({node: rows} if rows else [])
        root = _root()
        parent = etree.SubElement(root, node)
        for row in rows:
            _fill(etree.SubElement(parent, item), row)
        return self._reply(200, _bytes(root))

    def errors(self, refused: Refused) -> Response:
        """Put what went wrong."""
        if refused.text is not None:
            return Response(refused.text, refused.status, {"content-type": "text/html; charset=utf-8"})
        if not refused.errors:
            return Response(status_code=refused.status, headers={"content-type": ""})
        told = [{"code": code, "message": message} for code, message in refused.errors]
        if self.json:
            return self.answer({"errors": told}, status=refused.status)
        root = _root()
        parent = etree.SubElement(root, "errors")
        for one in told:
            _fill(etree.SubElement(parent, "error"), one)
        return self._reply(refused.status, _bytes(root))

    def document(self, root: etree._Element) -> Response:
        """Put an XML document as it is."""
        return self._reply(200, _bytes(root))

    def _reply(self, status: int, body: bytes) -> Response:
        kind = "application/json" if self.json else "text/xml;charset=utf-8"
        digest = hashlib.sha1(body, usedforsecurity=False).hexdigest()
        headers = {
            "content-type": kind,
            "x-powered-by": "PrestaShop Webservice",
            "psws-version": "1.6.1.23",
            "content-sha1": digest,
        }
        return Response(body, status, headers)


def resources(base: str, rights: Mapping[str, Iterable[str]]) -> etree._Element:
    """Give the list of resources that a key may use, with its methods, as the root of the API shows it."""
    root = _root()
    api = etree.SubElement(root, "api", shopName="QloApps")
    for resource, methods in sorted(rights.items()):
        node = etree.SubElement(api, resource)
        node.set(_HREF, f"{base}api/{resource}")
        for method in ("get", "put", "post", "delete", "head"):
            if method in methods:
                node.set(method, "true")
    return root


def _root() -> etree._Element:
    return etree.Element("qloapps", nsmap={"xlink": _XLINK})


def _bytes(root: etree._Element) -> bytes:
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _document(tree: Tree | list[Any]) -> bytes:
    root = _root()
    if isinstance(tree, Mapping):
        _fill(root, tree)
    return _bytes(root)


def _fill(element: etree._Element, value: Any) -> None:
    """Write a value into an element; the items of a list are named by the singular of the list's name."""
    one = str(element.tag).removesuffix("s")
    if isinstance(value, Mapping):
        for name, inner in value.items():
            _fill(etree.SubElement(element, one if name.isdecimal() else name), inner)
    elif isinstance(value, list):
        for inner in value:
            _fill(etree.SubElement(element, one), inner)
    elif value is not None and value != "":
        element.text = etree.CDATA(str(value))
