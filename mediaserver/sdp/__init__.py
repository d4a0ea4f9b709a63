"""Offer in, answer out (RFC 8866, RFC 8829, RFC 8843). Pure functions; the server makes no offers.

`parse_offer` reads untrusted text, `negotiate` decides what each section will carry, `render_answer`
writes it down.
"""

from mediaserver.sdp.answer import AnswerSection, Negotiation, Subscription, negotiate
from mediaserver.sdp.offer import Offer, OfferedCodec, Section, parse_offer
from mediaserver.sdp.render import render_answer

__all__ = [
    "AnswerSection",
    "Negotiation",
    "Offer",
    "OfferedCodec",
    "Section",
    "Subscription",
    "negotiate",
    "parse_offer",
    "render_answer",
]
