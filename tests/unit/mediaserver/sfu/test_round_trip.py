"""Round-trip time from reports."""

from mediaserver.rtp.rtcp import ReceptionReport
from mediaserver.sfu.round_trip import RoundTrip


def report(last_sr: int, delay: int) -> ReceptionReport:
    return ReceptionReport(1, 0, 0, 0, 0, last_sr, delay)


def test_round_trip_is_measured_against_the_report_that_is_answered() -> None:
    trip = RoundTrip()
    trip.on_sent(0x1111_2222_3333_4444, 1_000_000)
    trip.on_sent(0x1111_2223_3333_4444, 2_000_000)
    trip.on_report(report(0x2222_3333, 32_768), 1_580_000)
    assert trip.rtt_us == 80_000
    trip.on_report(report(0x2223_3333, 65_536), 3_020_000)
    assert trip.rtt_us == 20_000


def test_an_answer_to_nothing_we_sent_is_ignored() -> None:
    trip = RoundTrip()
    trip.on_sent(0x1111_2222_3333_4444, 1_000_000)
    trip.on_report(report(0, 0), 1_500_000)
    assert trip.rtt_us is None
    assert trip.report == report(0, 0)


def test_a_delay_longer_than_the_time_passed_is_no_negative_round_trip() -> None:
    trip = RoundTrip()
    trip.on_sent(0x1111_2222_3333_4444, 1_000_000)
    trip.on_report(report(0x2222_3333, 0xFFFFFFFF), 1_500_000)
    assert trip.rtt_us == 0
