import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from app.domain.ids import CallerRef, HotelIdText, Ref, escape_ref, unescape_ref
from app.domain.text import Code, EmailAddress, Line, Prose, TimeOfDay, fold, fold_phone, is_same_text, phone_test


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Müller", "MULLER"),
        ("Müller", "Mu\u0308ller"),
        ("STRASSE", "straße"),
        ("José  María", "jose maria"),
        (" O'Brien\t", "o'brien"),
        ("\N{FULLWIDTH LATIN CAPITAL LETTER S}mith", "smith"),
        ("ﬁscher", "Fischer"),
        ("İpek", "ipek"),
        ("de\u00a0la Cruz", "De La Cruz"),
    ],
)
def test_names_that_people_take_for_the_same_are_the_same(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), [("Meyer", "Meier"), ("Anna", "Ann"), ("a.b@x.test", "ab@x.test")])
def test_other_names_stay_others(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize(
    ("text", "country", "folded"),
    [
        ("+43 664 1234567", None, "+436641234567"),
        ("0664 123 4567", "AT", "+436641234567"),
        ("0043 664 1234567", "AT", "+436641234567"),
        ("(212) 555-2368", "US", "+12125552368"),
        ("+1 212 555 2368", "AT", "+12125552368"),
        ("0664 123 4567", None, "06641234567"),
        ("ext. 12-34", "AT", "1234"),
        ("reception", "AT", ""),
        ("", "AT", ""),
        ("0664 123 4567", "XX", "06641234567"),
    ],
)
def test_phone_numbers_are_compared_as_e164_and_else_by_their_digits(
    text: str, country: str | None, folded: str
) -> None:
    assert fold_phone(text, country) == folded


@given(st.text(), st.sampled_from([None, "AT", "US", "ZZ"]))
def test_no_phone_number_is_ever_an_error(text: str, country: str | None) -> None:
    assert re.fullmatch(r"\+?\d*", fold_phone(text, country))


@pytest.mark.parametrize("wanted", ["", "+", "anonymous", "withheld"])
@pytest.mark.parametrize("found", [None, "", "-", "unknown", "+43 1 5550101"])
def test_what_holds_no_digit_is_the_number_of_nobody(wanted: str, found: str | None) -> None:
    assert not phone_test(wanted, "AT")(found)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("+43 664 1234567", "0664/123 45 67"),
        ("+12025550123", "(202) 555-0123 ext. 45"),
        ("1-800-356-9377", "1-800-FLOWERS"),
        ("12", "12"),
        ("+43 12000", "012000"),
    ],
)
def test_a_number_is_known_however_it_is_written(wanted: str, found: str) -> None:
    country = "AT" if "43" in wanted else "US"
    assert phone_test(wanted, country)(found)
    assert phone_test(found, country)(wanted)


@given(st.text("0123456789+ ()-/x#abc", max_size=20), st.text("0123456789+ ()-/x#abc", max_size=20))
def test_numbers_are_the_same_exactly_where_they_fold_to_the_same(wanted: str, found: str) -> None:
    folded = fold_phone(wanted, "AT")
    assert phone_test(wanted, "AT")(found) is (folded != "" and folded == fold_phone(found, "AT"))


@pytest.mark.parametrize("wanted", ["", " ", "\u0301"])
def test_a_name_of_nothing_is_nobodys(wanted: str) -> None:
    assert not is_same_text(wanted, None)
    assert not is_same_text(wanted, "")


@given(st.text())
def test_an_escaped_id_gives_the_vendors_own_back(ref: str) -> None:
    assert unescape_ref(escape_ref(ref)) == ref


@given(st.text(min_size=1))
@example(".")
@example("..")
@example("...")
def test_an_escaped_id_is_one_segment_of_a_url(ref: str) -> None:
    escaped = escape_ref(ref)
    assert re.fullmatch(r"[A-Za-z0-9_.~-]+", escaped)
    assert escaped not in {".", ".."}, "a client would take it for a step up"


@given(st.text(), st.text())
def test_two_ids_never_escape_to_the_same(one: str, other: str) -> None:
    assert (escape_ref(one) == escape_ref(other)) == (one == other)


@given(st.text())
def test_whatever_a_caller_sends_as_an_id_is_read_without_an_error(public: str) -> None:
    assert isinstance(unescape_ref(public), str)


@pytest.mark.parametrize("ref", ["confirmation:1", "a/b", "a b", "~", "..", "é"])
def test_ids_are_raw_inside_and_escaped_in_json(ref: str) -> None:
    inside = TypeAdapter(Ref)
    written = inside.dump_json(inside.validate_python(ref))
    assert written == f'"{escape_ref(ref)}"'.encode()
    assert inside.validate_json(written) == ref
    assert TypeAdapter(CallerRef).validate_python(escape_ref(ref)) == ref


@pytest.mark.parametrize("hotel_id", ["prime", "a-b_C9", "x" * 64])
def test_hotel_ids_of_the_contract_are_taken(hotel_id: str) -> None:
    assert TypeAdapter(HotelIdText).validate_python(hotel_id) == hotel_id


@pytest.mark.parametrize("hotel_id", ["", "x" * 65, "a b", "a/b", "ä", "a.b", "a\n"])
def test_hotel_ids_beyond_the_contract_are_refused(hotel_id: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(HotelIdText).validate_python(hotel_id)


@pytest.mark.parametrize("kind", [Line, Code, EmailAddress])
@pytest.mark.parametrize("char", ["\x00", "\n", "\r", "\t", "\x1b", "\x7f", "\x85", "\u2028"])
def test_one_line_holds_no_line_break_and_no_control_character(kind: type[str], char: str) -> None:
    with pytest.raises(ValidationError, match="control characters"):
        TypeAdapter(kind).validate_python(f"a{char}b@c")


@pytest.mark.parametrize("char", ["\x00", "\x1b", "\x7f", "\x9b"])
def test_prose_holds_no_control_character(char: str) -> None:
    with pytest.raises(ValidationError, match="control characters"):
        TypeAdapter(Prose).validate_python(f"a{char}b")


def test_prose_keeps_its_lines_and_tabs() -> None:
    assert TypeAdapter(Prose).validate_python(" one\r\n\ttwo ") == "one\r\n\ttwo"


@pytest.mark.parametrize("kind", [Line, Code, Prose])
@pytest.mark.parametrize("text", ["", "   ", "\u00a0", "x" * 4001, "\ud800"])
def test_text_is_neither_empty_nor_endless_nor_broken(kind: type[str], text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(text)


@pytest.mark.parametrize("address", ["ann@example.test", "a@localhost", "ö@ä.test"])
def test_an_email_address_is_checked_for_its_form_only(address: str) -> None:
    assert TypeAdapter(EmailAddress).validate_python(address) == address


@pytest.mark.parametrize("address", ["ann", "@x", "a@", "a b@c", "a@b@c", "@"])
def test_what_is_no_email_address_is_refused(address: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(EmailAddress).validate_python(address)


@pytest.mark.parametrize("time", ["24:00", "9:00", "12:60", "12:00:00", "noon", "0\N{ARABIC-INDIC DIGIT TWO}:00"])
def test_a_time_of_day_has_two_digits_each(time: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(TimeOfDay).validate_python(time)
