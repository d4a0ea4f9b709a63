from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recorder.layout import LayoutState, Rect, Tile, choose_layout, fit, layout


def camera(name: str, role: str = "participant") -> Tile:
    return Tile(name, role, "camera")


tiles = st.lists(
    st.builds(
        Tile,
        st.uuids().map(str),
        st.sampled_from(["requester", "agent", "moderator", "participant"]),
        st.sampled_from(["camera", "screen"]),
    ),
    max_size=40,
    unique=True,
)
states = st.builds(
    LayoutState,
    st.sampled_from(["assist", "grid"]),
    tiles.map(tuple),
    st.integers(160, 1920).map(lambda value: value * 2),
    st.integers(90, 1080).map(lambda value: value * 2),
)


@given(states)
def test_every_tile_has_one_even_cell_inside_the_output_and_none_overlap(state: LayoutState) -> None:
    cells = layout(state)

    assert sorted(map(repr, (cell.tile for cell in cells))) == sorted(map(repr, state.tiles))
    for cell in cells:
        rect = cell.rect
        assert all(value % 2 == 0 for value in (rect.x, rect.y, rect.width, rect.height))
        assert rect.width > 0 and rect.height > 0
        assert rect.x >= 0 and rect.x + rect.width <= state.width
        assert rect.y >= 0 and rect.y + rect.height <= state.height
    for index, one in enumerate(cells):
        assert not any(overlap(one.rect, other.rect) for other in cells[index + 1 :])


@given(
    st.integers(1, 4096),
    st.integers(1, 4096),
    st.builds(
        Rect,
        st.integers(0, 500).map(lambda value: value * 2),
        st.integers(0, 500).map(lambda value: value * 2),
        st.integers(1, 500).map(lambda value: value * 2),
        st.integers(1, 500).map(lambda value: value * 2),
    ),
)
def test_a_fitted_picture_is_whole_and_centred_and_keeps_its_shape(
    width: int, height: int, cell: Rect
) -> None:
    rect = fit(width, height, cell)

    assert all(value % 2 == 0 for value in (rect.x, rect.y, rect.width, rect.height))
    assert cell.x <= rect.x and rect.x + rect.width <= cell.x + cell.width
    assert cell.y <= rect.y and rect.y + rect.height <= cell.y + cell.height
    assert abs((rect.x - cell.x) - (cell.x + cell.width - rect.x - rect.width)) <= 2
    assert abs((rect.y - cell.y) - (cell.y + cell.height - rect.y - rect.height)) <= 2
    # Rounding to even pixels moves each side by at most one pixel, and nothing is smaller than two.
    scale = min(cell.width / width, cell.height / height)
    assert abs(rect.width - max(2, width * scale)) <= 1.01
    assert abs(rect.height - max(2, height * scale)) <= 1.01


def test_the_requesters_camera_is_the_large_one() -> None:
    agent, requester = camera("a", "agent"), camera("r", "requester")

    cells = {cell.tile: cell.rect for cell in layout(LayoutState("assist", (agent, requester)))}

    assert cells == {requester: Rect(0, 0, 960, 720), agent: Rect(960, 0, 320, 240)}


def test_a_shared_screen_is_larger_than_the_requesters_camera() -> None:
    requester, screen = camera("r", "requester"), Tile("a", "agent", "screen")

    cells = {cell.tile: cell.rect for cell in layout(LayoutState("assist", (requester, screen)))}

    assert cells[screen].width == 960
    assert cells[requester].width == 320


def test_a_lone_tile_takes_the_whole_output() -> None:
    for name in ("assist", "grid"):
        cells = layout(LayoutState(name, (camera("only", "requester"),)))
        assert [cell.rect for cell in cells] == [Rect(0, 0, 1280, 720)]


def test_the_last_row_of_a_grid_is_centred() -> None:
    rects = [cell.rect for cell in layout(LayoutState("grid", tuple(map(camera, "abc"))))]

    assert rects == [Rect(0, 0, 640, 360), Rect(640, 0, 640, 360), Rect(320, 360, 640, 360)]


def test_nobody_makes_no_cells() -> None:
    assert layout(LayoutState("grid", ())) == ()


def test_a_portrait_picture_gets_bars_at_its_sides() -> None:
    assert fit(480, 640, Rect(0, 0, 960, 720)) == Rect(210, 0, 540, 720)


def test_a_meeting_is_a_grid_and_assistance_is_not() -> None:
    assert choose_layout(["moderator", "participant"]) == "grid"
    assert choose_layout(["agent"]) == "assist"


def overlap(one: Rect, other: Rect) -> bool:
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )
