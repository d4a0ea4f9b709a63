"""The links of a room, as they are handed to the ticketing backend."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import urlencode

from signalling.store.records import Room


class AgentTokenMint(Protocol):
    def mint(self, conv_id: str) -> str:
        """A signed token for the agent's link of one room; each call gives another one."""


class MediaUrls(Protocol):
    def url(self, enterprise_id: int | str, media_hash: str) -> str:
        """A signed, absolute address of one medium."""


class Links:
    def __init__(self, public_url: str, agent_tokens: AgentTokenMint, media_urls: MediaUrls) -> None:
        """`public_url`: without a slash at the end."""
        self._public_url = public_url
        self._agent_tokens = agent_tokens
        self._media_urls = media_urls

    def requestor(self, room: Room) -> str:
        """The link of whoever asked for help; in a meeting, where all are equal, the meeting's."""
        if room.room_name is not None:
            return self.meeting(room.room_name)
        return f"{self._public_url}/?{urlencode({'convId': room.conv_id, 'pwd': room.pwd})}"

    def agent(self, room: Room) -> str:
        """The agent's (a meeting's moderator's) link, with a new token."""
        token = self._agent_tokens.mint(room.conv_id)
        return f"{self._public_url}/agent?{urlencode({'convId': room.conv_id, 'token': token})}"

    def meeting(self, room_name: str) -> str:
        first, second = room_name.split(":")
        return f"{self._public_url}/private/{first}/{second}"

    def media(self, room: Room, media_hash: str) -> str:
        return self._media_urls.url(room.enterprise, media_hash)
