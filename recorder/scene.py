"""What the composite shows at an instant: layout, pictures and cards on one canvas."""

from __future__ import annotations

from collections.abc import Sequence

import av

from recorder.canvas import Canvas, Picture, Plane, Scaler
from recorder.cards import CardPainter
from recorder.feed import VideoFeed
from recorder.layout import Cell, LayoutName, LayoutState, Rect, Tile, TileSource, fit, layout
from recorder.timeline import AssembledTrack, Timeline
from recorder.visibility import Visibility, visibilities

_ROLE_ORDER = ("requester", "agent", "moderator")


class Scene:
    """Draws a timeline forwards. Participants keep their places for the whole recording; a shared screen
    has one while it is shared."""

    def __init__(self, timeline: Timeline, layout_name: LayoutName, width: int, height: int) -> None:
        self._names = {track.participant_id: track.participant_name for track in timeline.tracks}
        self._cameras = _camera_tiles(timeline.tracks)
        self._state = LayoutState(layout_name, (), width, height)
        self._canvas = Canvas(width, height)
        self._cards = CardPainter()
        self._cells: tuple[Cell, ...] = ()
        self._tiles: dict[Tile, _TileView] = {}
        self._feeds: dict[Tile, list[VideoFeed]] = {}
        shown = visibilities(timeline.events)
        for track in timeline.tracks:
            if track.kind != "video":
                continue
            source: TileSource = "screen" if track.source == "screen" else "camera"
            tile = Tile(track.participant_id, track.role, source)
            visibility = shown.get((track.participant_id, track.source), Visibility())
            self._feeds.setdefault(tile, []).append(VideoFeed(track, visibility))

    @property
    def held_frames(self) -> int:
        """Frames so far that were sent but could not be shown."""
        return sum(feed.held_frames for feeds in self._feeds.values() for feed in feeds)

    def draw(self, at_us: int, newest_us: int) -> Plane:
        """The canvas at `at_us`, with frames up to `newest_us`; valid until the next call.

        Returns:
            I420, height * 3/2 x width.
        """
        pictures = {}
        for tile, feeds in self._feeds.items():
            for feed in feeds:
                feed.advance(newest_us)
            pictures[tile] = _shown(feeds, at_us)
        screens = tuple(tile for tile, frame in pictures.items() if tile.source == "screen" and frame)
        self._arrange(self._cameras + screens)
        for cell in self._cells:
            self._tiles[cell.tile].draw(pictures.get(cell.tile), self._canvas)
        return self._canvas.buffer

    def _arrange(self, tiles: tuple[Tile, ...]) -> None:
        if self._cells and tiles == self._state.tiles:
            return
        self._state = LayoutState(self._state.name, tiles, self._state.width, self._state.height)
        self._cells = layout(self._state)
        for cell in self._cells:
            self._canvas.clear(cell.rect)
        self._tiles = {
            cell.tile: _TileView(cell, self._names[cell.tile.participant_id], self._cards)
            for cell in self._cells
        }


class _TileView:
    """One cell's content; draws only when it changes."""

    def __init__(self, cell: Cell, name: str, cards: CardPainter) -> None:
        self._cell = cell
        self._name = name
        self._cards = cards
        self._scaler = Scaler()
        self._card: Picture | None = None
        self._drawn: av.VideoFrame | None = None
        self._drawn_rect: Rect | None = None
        self._empty = True

    def draw(self, frame: av.VideoFrame | None, canvas: Canvas) -> None:
        if frame is self._drawn and not self._empty:
            return
        self._empty = False
        self._drawn = frame
        cell = self._cell.rect
        if frame is None:
            if self._card is None:
                self._card = self._cards.draw(self._name, self._cell.tile.role, cell.width, cell.height)
            rect, picture = cell, self._card
        else:
            rect = fit(frame.width, frame.height, cell)
            picture = self._scaler.apply(frame, rect.width, rect.height)
        if rect != self._drawn_rect:
            canvas.clear(cell)
            self._drawn_rect = rect
        canvas.draw(picture, rect)


def _camera_tiles(tracks: Sequence[AssembledTrack]) -> tuple[Tile, ...]:
    """One for each participant: the requester first, then who assists, then by appearance."""
    roles: dict[str, str] = {}
    for track in tracks:
        roles.setdefault(track.participant_id, track.role)
    order = {role: rank for rank, role in enumerate(_ROLE_ORDER)}
    ranked = sorted(roles.items(), key=lambda item: order.get(item[1], len(order)))
    return tuple(Tile(participant_id, role, "camera") for participant_id, role in ranked)


def _shown(feeds: Sequence[VideoFeed], at_us: int) -> av.VideoFrame | None:
    """A source that changed codecs has several tracks: the one that sent last counts."""
    live = [feed for feed in feeds if feed.seen_us is not None]
    if not live:
        return None
    return max(live, key=lambda feed: feed.seen_us or 0).picture(at_us)
