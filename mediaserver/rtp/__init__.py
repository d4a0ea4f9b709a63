"""Packet formats of RTP, RTCP and the codecs we forward: pure functions over bytes.

No I/O, no clock, no state beyond counters that wrap, and nothing of ours is imported, so that the
recorder may use it too. Nothing in here raises for what a peer sent: a malformed packet parses to `None`
or is skipped.
"""
