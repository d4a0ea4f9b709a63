from __future__ import annotations

import pytest
from pydantic import ValidationError

from mediaserver.settings import MediaSettings


def test_defaults_are_valid() -> None:
    settings = MediaSettings()
    assert settings.port == 8082
    assert str(settings.host) == "::"


@pytest.mark.parametrize(
    "values",
    [
        {"port": 70000},
        {"host": "example.org"},
        {"announced_addresses": ["not an address"]},
        {"video_codecs": []},
        {"video_codecs": ["VP8", "VP8"]},
        {"video_codecs": ["AV1"]},
        {"interrupted_after_s": 9},
        {"closed_after_s": 5},
        {"unknown": 1},
    ],
)
def test_nonsense_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        MediaSettings.model_validate(values)


def test_every_setting_is_described() -> None:
    assert all(field.description for field in MediaSettings.model_fields.values())
