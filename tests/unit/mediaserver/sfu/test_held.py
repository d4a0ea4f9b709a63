"""Packets held back while down tracks wait."""

from mediaserver.sfu.held import MAX_HELD, HeldPacket, HeldPackets


def packet(extended: int) -> HeldPacket:
    return (extended, 3000 * extended, 0, b"payload")


def test_packets_come_out_in_sequence_from_a_number_on() -> None:
    held = HeldPackets()
    held.restart(5)
    for extended in (8, 5, 9, 6):
        held.add(packet(extended))
    assert held.since(6) == [packet(6), packet(8), packet(9)]
    assert held.complete_from == 5


def test_beyond_the_bound_the_oldest_are_let_go_and_that_is_known() -> None:
    held = HeldPackets()
    for extended in range(10, 10 + MAX_HELD + 3):
        held.add(packet(extended))
    assert len(held.since(0)) == MAX_HELD
    assert held.complete_from == 13
    held.restart(700)
    assert held.since(0) == []
    assert held.complete_from == 700
