"""The card that stands for somebody without a picture: the name on a dark ground.

A name is drawn in a font that has all its characters; Pillow's own covers Latin, the machine's fonts the
rest, and libraqm puts right-to-left and joined scripts in order. Characters that no font has are left out,
and if no letter remains the role is written instead: a card never shows boxes.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from recorder.canvas import Picture, picture_from_rgb

_FONT_DIRECTORIES = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"))
_FONT_PATTERN = "*Sans*.[to]t[fc]"
_GROUND = (30, 36, 48)
_TEXT = (236, 239, 244)
_MAX_CHARACTERS = 100
_MEASURED_SIZE = 32
_JOINERS = "\u200c\u200d"
"""Invisible, but they decide how letters of some scripts are drawn. Other format characters could turn the
direction of what is written, and are dropped."""
_ABSENT = "\U000fffff"
"""A private code point: what a font draws for it is what it draws for any character it lacks."""


class CardPainter:
    """Draws cards; looks for fonts once, and for a name only until one has all of it."""

    def __init__(self, directories: Sequence[Path] = _FONT_DIRECTORIES) -> None:
        self._fonts = [_Font(None)]
        self._files = _font_files(directories)

    def draw(self, name: str, role: str, width: int, height: int) -> Picture:
        """A card of `width` x `height` (even) with `name`, or `role` where the name cannot be written."""
        image = Image.new("RGB", (width, height), _GROUND)
        text, font = self._readable(_tidy(name)) or (role.capitalize(), self._fonts[0])
        size = max(12, min(width // 12, height // 8))
        face = font.at(size)
        text = _shortened(text, face, width * 9 // 10)
        ImageDraw.Draw(image).text((width / 2, height / 2), text, fill=_TEXT, font=face, anchor="mm")
        return picture_from_rgb(np.asarray(image))

    def _readable(self, text: str) -> tuple[str, _Font] | None:
        """What of `text` can be written best, and the font for it; None if that is no letter or digit."""
        best = ("", self._fonts[0])
        for font in self._candidates():
            covered = "".join(character for character in text if font.has(character))
            if len(covered) > len(best[0]):
                best = (covered, font)
            if covered == text:
                break
        return best if any(character.isalnum() for character in best[0]) else None

    def _candidates(self) -> Iterator[_Font]:
        yield from self._fonts
        while self._files:
            try:
                font = _Font(self._files.pop(0))
            except OSError:
                continue
            self._fonts.append(font)
            yield font


class _Font:
    """One font file (None: the one that Pillow carries) and which characters it has."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._measured = self.at(_MEASURED_SIZE)
        self._absent = self._shape(_ABSENT)
        self._known: dict[str, bool] = {}

    def at(self, size: int) -> ImageFont.FreeTypeFont:
        if self._path is None:
            font = ImageFont.load_default(size)
            assert isinstance(font, ImageFont.FreeTypeFont)
            return font
        return ImageFont.truetype(str(self._path), size)

    def has(self, character: str) -> bool:
        if character == " ":
            return True
        if character not in self._known:
            self._known[character] = self._shape(character) != self._absent
        return self._known[character]

    def _shape(self, text: str) -> tuple[tuple[int, int], bytes]:
        mask = self._measured.getmask(text)
        return mask.size, bytes(mask)


def _font_files(directories: Sequence[Path]) -> list[Path]:
    """Sans-serif fonts, the ones that cover much first, bold and slanted ones left out."""
    files = [file for directory in directories for file in directory.rglob(_FONT_PATTERN)]
    unwanted = ("Bold", "Italic", "Oblique", "Mono", "Light", "Thin", "Black", "Condensed", "Medium")
    plain = [file for file in files if not any(word in file.stem for word in unwanted)]
    broad = ("DejaVuSans", "NotoSans-Regular", "NotoSansCJK-Regular")
    return sorted(plain, key=lambda file: (file.stem not in broad, file.name))


def _tidy(name: str) -> str:
    """Composed form, printable characters only, bounded."""
    composed = unicodedata.normalize("NFC", name)
    printable = "".join(c if c.isprintable() or c in _JOINERS else " " for c in composed)
    return " ".join(printable.split())[:_MAX_CHARACTERS]


def _shortened(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"
