"""XML as some vendors speak it: read without trusting it, built so that no value can leave its element.

What lxml lets through by default is closed here (traps.md § 12): no DTD, no entity, no network, bytes only.
The size of a document is limited where it is received.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from lxml import etree

from app.domain.errors import InvalidRequest, VendorContractBroken

Element: TypeAlias = etree._Element  # noqa: SLF001 - lxml has no public name for what it parses to
Content: TypeAlias = "str | Mapping[str, Content | Sequence[Content]]"
"""The text of an element, or its children by name; a sequence repeats the element."""


def parse(document: bytes) -> Element:
    """Read a vendor's document and give its root.

    Raises:
        VendorContractBroken: it is no XML, or it has a DOCTYPE.
    """
    try:
        root = etree.fromstring(document, _parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise VendorContractBroken("the PMS answered with something that is no XML") from error
    if root.getroottree().docinfo.doctype:
        raise VendorContractBroken("the PMS answered with XML that has a DOCTYPE, which is not read")
    return root


def parse_if_xml(document: bytes) -> Element | None:
    """Read a document, or give None where it cannot be read: the bodies of errors may be anything."""
    try:
        return parse(document)
    except VendorContractBroken:
        return None


def build(name: str, content: Content) -> bytes:
    """Write a document of one root element, UTF-8 with its declaration.

    Raises:
        InvalidRequest: a text holds a character that XML cannot carry.
    """
    return etree.tostring(_element(name, content), xml_declaration=True, encoding="UTF-8")


def _parser() -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False
    )


def _element(name: str, content: Content) -> Element:
    element = etree.Element(name)
    if isinstance(content, str):
        _write(element, content)
        return element
    for child, value in content.items():
        several = [value] if isinstance(value, str | Mapping) else value
        element.extend(_element(child, one) for one in several)
    return element


def _write(element: Element, text: str) -> None:
    try:
        element.text = text
    except ValueError:
        raise InvalidRequest.of(str(element.tag), "holds a character that XML cannot carry") from None
