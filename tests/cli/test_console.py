"""What commands print is for a terminal, and names in it come from anywhere."""

import pytest

from app.cli.console import harmless, print_table, tell

ODD = "a\x1b[2J\x9b31m\x07\u202e\u2028\ud800b"


def test_no_cell_of_a_table_moves_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["client"], [[ODD], ["Zoë in 東京"]])
    said = capsys.readouterr().out
    assert "Zoë in 東京" in said
    assert all(line.isprintable() for line in said.split("\n"))


def test_nothing_that_is_told_moves_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    tell(f"{ODD}\nsecond line\tindented")
    said = capsys.readouterr().err
    assert said.count("\n") == 2
    assert all(line.replace("\t", "").isprintable() for line in said.split("\n"))


def test_what_is_harmless_stays_as_it_is() -> None:
    assert harmless("Zoë in 東京\n\tM²") == "Zoë in 東京\n\tM²"
