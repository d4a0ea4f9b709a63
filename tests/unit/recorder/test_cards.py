from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.canvas import Picture
from recorder.cards import CardPainter

FONTS = Path("/usr/share/fonts")


@pytest.fixture(scope="module")
def painter() -> CardPainter:
    return CardPainter()


def ink(picture: Picture) -> int:
    """Pixels that are text."""
    return int(np.count_nonzero(picture.y > 120))


def same(one: Picture, other: Picture) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("name", ["Élodie Müller", "Иван", "Ελένη", "محمد", "דוד", "देवनागरी"])
def test_a_name_is_written_in_its_own_script(painter: CardPainter, name: str) -> None:
    card = painter.draw(name, "requester", 320, 180)

    assert ink(card) > 100
    assert not same(card, painter.draw("", "requester", 320, 180))


def test_right_to_left_names_are_put_in_order(painter: CardPainter) -> None:
    """Written from the right, Hebrew letters come out in the opposite order of their code points."""
    assert not same(painter.draw("אב", "agent", 320, 180), painter.draw("בא", "agent", 320, 180))
    # An override that turns the direction of Latin letters is dropped.
    assert same(painter.draw("\u202eabc", "agent", 320, 180), painter.draw("abc", "agent", 320, 180))


@pytest.mark.parametrize("name", ["", "   ", "\x00\x1f", "\U000f0000\U000f0001"])
def test_where_nothing_can_be_written_the_role_is(painter: CardPainter, name: str) -> None:
    assert same(painter.draw(name, "agent", 320, 180), painter.draw("Agent", "requester", 320, 180))


def test_characters_without_a_glyph_are_left_out(painter: CardPainter) -> None:
    plain = painter.draw("Anna", "agent", 320, 180)

    assert same(painter.draw("Anna \U000f0000", "agent", 320, 180), plain)


def test_without_fonts_of_the_machine_latin_still_works(tmp_path: Path) -> None:
    bare = CardPainter([tmp_path, tmp_path / "missing"])

    assert ink(bare.draw("Anna", "agent", 320, 180)) > 50
    assert same(bare.draw("Иван", "agent", 320, 180), bare.draw("Agent", "agent", 320, 180))


def test_a_file_that_is_no_font_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "BrokenSans-Regular.ttf").write_bytes(b"no font")

    assert ink(CardPainter([tmp_path]).draw("Иван", "agent", 320, 180)) > 50


def test_a_long_name_stays_inside_its_card(painter: CardPainter) -> None:
    card = painter.draw("W" * 4000, "agent", 320, 180)

    assert ink(card) > 100
    assert (card.y[:, :8] < 60).all()
    assert (card.y[:, -8:] < 60).all()


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.integers(8, 300), st.integers(8, 200))
def test_any_name_makes_a_card_of_the_size_asked_for(name: str, width: int, height: int) -> None:
    card = CardPainter([]).draw(name, "participant", width * 2, height * 2)

    assert card.y.shape == (height * 2, width * 2)
    assert card.u.shape == (height, width)
