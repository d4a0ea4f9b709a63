"""Where each picture stands in the composite: pure geometry, no pictures, no clock.

`layout` maps what is to be shown to cells of the output. All coordinates and sizes are even, because
the chroma planes of 4:2:0 video have half the resolution. A picture is fitted into its cell by `fit`:
letterboxed, never cropped, because a composite is evidence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

LayoutName = Literal["assist", "grid"]
TileSource = Literal["camera", "screen"]

_COLUMN_SHARE = 4
"""In `assist` the secondary pictures share a column as wide as a quarter of the output."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One thing to show. Every participant has a camera tile, with or without a camera: it carries the
    name while there is no picture."""

    participant_id: str
    role: str
    source: TileSource


@dataclass(frozen=True, slots=True)
class Rect:
    """Pixels of the output, origin at the top left, every value even."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Cell:
    tile: Tile
    rect: Rect


@dataclass(frozen=True, slots=True)
class LayoutState:
    name: LayoutName
    tiles: tuple[Tile, ...]
    """In order of appearance; no tile twice."""
    width: int = 1280
    height: int = 720


def layout(state: LayoutState) -> tuple[Cell, ...]:
    """Give every tile of `state` a cell. Cells never overlap and lie inside the output.

    `assist`: the main tile takes three quarters of the width at the left, the others are stacked from the
    top of the right quarter; it is a shared screen if there is one, else the requester's camera, else the
    first tile. Nothing covers the main picture. `grid`: equal cells, row by row, the last row centred.
    A lone tile takes the whole output in both.
    """
    if not state.tiles:
        return ()
    if state.name == "assist" and len(state.tiles) > 1:
        return _assist(state)
    return _grid(state.tiles, Rect(0, 0, state.width, state.height))


def choose_layout(roles: Sequence[str]) -> LayoutName:
    """`assist` for an assistance session (somebody is a requester or an agent), else `grid`."""
    return "assist" if {"requester", "agent"} & set(roles) else "grid"


def fit(width: int, height: int, cell: Rect) -> Rect:
    """The largest even rectangle of the aspect ratio `width`:`height` centred in `cell`.

    Args:
        width, height: of the picture, pixels, at least 1.
    """
    scale = min(cell.width / width, cell.height / height)
    fitted_width = max(2, min(cell.width, _even(width * scale)))
    fitted_height = max(2, min(cell.height, _even(height * scale)))
    return Rect(
        cell.x + _floor_even((cell.width - fitted_width) // 2),
        cell.y + _floor_even((cell.height - fitted_height) // 2),
        fitted_width,
        fitted_height,
    )


def _assist(state: LayoutState) -> tuple[Cell, ...]:
    main = _main_tile(state.tiles)
    column_width = _floor_even(state.width // _COLUMN_SHARE)
    main_width = state.width - column_width
    others = [tile for tile in state.tiles if tile is not main]
    # Up to three others get 4:3 cells; more of them share the height.
    height = min(_floor_even(column_width * 3 // 4), _floor_even(state.height // len(others)))
    column = [
        Cell(tile, Rect(main_width, index * height, column_width, height))
        for index, tile in enumerate(others)
    ]
    return (Cell(main, Rect(0, 0, main_width, state.height)), *column)


def _main_tile(tiles: tuple[Tile, ...]) -> Tile:
    for tile in tiles:
        if tile.source == "screen":
            return tile
    for tile in tiles:
        if tile.role == "requester":
            return tile
    return tiles[0]


def _grid(tiles: tuple[Tile, ...], area: Rect) -> tuple[Cell, ...]:
    columns = math.ceil(math.sqrt(len(tiles)))
    rows = math.ceil(len(tiles) / columns)
    width, height = _floor_even(area.width // columns), _floor_even(area.height // rows)
    cells = []
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        in_row = min(columns, len(tiles) - row * columns)
        left = _floor_even((area.width - in_row * width) // 2)
        cells.append(Cell(tile, Rect(area.x + left + column * width, area.y + row * height, width, height)))
    return tuple(cells)


def _floor_even(value: int) -> int:
    return value & ~1


def _even(value: float) -> int:
    """The nearest even integer: rounding, not cutting, keeps 16:9 in 320 columns at 180 rows."""
    return round(value / 2) * 2
