"""XML from vendors is read without trusting it, and ours cannot be broken out of."""

import pytest

from app.core import xml
from app.domain.errors import InvalidRequest, VendorContractBroken

DOCTYPES = [
    b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/hostname">]><a>&e;</a>',
    b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/evil.dtd"><a/>',
    b"<!DOCTYPE a><a/>",
    b'<!DOCTYPE a [<!ENTITY l "ha"><!ENTITY m "&l;&l;&l;&l;&l;&l;">]><a>&m;&m;&m;</a>',
]


@pytest.mark.parametrize("document", DOCTYPES)
def test_a_doctype_is_refused_whatever_it_declares(document: bytes) -> None:
    with pytest.raises(VendorContractBroken):
        xml.parse(document)


@pytest.mark.parametrize("garbage", [b"", b"Fatal error", b"<a><b></a>", b"\xff\xfe\x00", b"<a>\x00</a>"])
def test_garbage_is_a_broken_contract(garbage: bytes) -> None:
    with pytest.raises(VendorContractBroken):
        xml.parse(garbage)
    assert xml.parse_if_xml(garbage) is None


def test_an_encoding_declaration_is_followed() -> None:
    document = '<?xml version="1.0" encoding="ISO-8859-1"?><a>Zoë</a>'.encode("latin-1")
    assert xml.parse(document).text == "Zoë"


def test_what_is_built_is_read_back_unchanged() -> None:
    nasty = '</a><b>&amp;]]> "quoted" Łukasz'
    document = xml.build("root", {"a": nasty, "many": {"one": ["1", "2", {"deep": nasty}]}})
    root = xml.parse(document)
    assert root.findtext("a") == nasty
    assert [child.text for child in root.findall("many/one")] == ["1", "2", None]
    assert root.findtext("many/one/deep") == nasty
    assert [child.tag for child in root] == ["a", "many"]


def test_a_character_that_xml_cannot_carry_is_the_callers_fault() -> None:
    with pytest.raises(InvalidRequest, match="remark"):
        xml.build("root", {"remark": "bell \x07"})
