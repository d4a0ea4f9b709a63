from __future__ import annotations

import pytest

from signalling.errors import AgentPresentError, RoomFullError
from signalling.rooms.seats import Seat, SeatTable


def table(*seats: Seat, max_participants: int = 2) -> SeatTable:
    result = SeatTable(max_participants=max_participants, hold_s=120.0)
    for seat in seats:
        result.add(seat)
    return result


def test_requester_and_agent_get_their_seats() -> None:
    seats = table()
    assert seats.admit("requester") is None
    seats.add(Seat("r", "requester"))
    assert seats.admit("agent", "token") is None


def test_an_agent_finds_a_place_in_a_room_that_requesters_filled() -> None:
    seats = table(Seat("r", "requester"))
    with pytest.raises(RoomFullError):
        seats.admit("requester")
    assert seats.admit("agent", "token") is None


def test_a_second_agent_is_refused() -> None:
    seats = table(Seat("a", "agent", "token"))
    with pytest.raises(AgentPresentError):
        seats.admit("agent", "other token")


def test_the_same_token_takes_the_agents_seat_over() -> None:
    agent = Seat("a", "agent", "token")
    assert table(agent).admit("agent", "token") is agent


def test_another_token_takes_only_an_agents_seat_that_is_away() -> None:
    agent = Seat("a", "agent", "token", away_since_s=1.0)
    assert table(agent).admit("agent", "other token") is agent


def test_the_link_opened_again_retakes_a_requesters_seat_that_is_away_or_lost() -> None:
    away = Seat("r", "requester", away_since_s=1.0)
    assert table(away).admit("requester") is away
    lost = Seat("r", "requester", lost=True)
    assert table(lost).admit("requester") is lost


def test_a_free_place_is_taken_before_somebody_elses_seat() -> None:
    seats = table(Seat("r", "requester", away_since_s=1.0), max_participants=3)
    assert seats.admit("requester") is None


def test_in_a_meeting_nobody_gets_a_strangers_seat() -> None:
    seats = table(Seat("p", "participant", away_since_s=1.0), max_participants=2)
    with pytest.raises(RoomFullError):
        seats.admit("participant")


def test_a_held_seat_is_due_after_its_time() -> None:
    seat = Seat("r", "requester", away_since_s=100.0)
    seats = table(seat, Seat("a", "agent"))
    assert seats.next_expiry_s() == 220.0
    assert seats.expired(219.9) == []
    assert seats.expired(220.0) == [seat]


def test_nothing_is_due_while_everybody_is_connected() -> None:
    seats = table(Seat("r", "requester"))
    assert seats.next_expiry_s() is None
    assert seats.expired(1e9) == []
