import re
import uuid

from signalling.ids import new_conv_id, new_media_hash, new_participant_id, new_pwd, new_room_name


def test_a_conv_id_is_a_full_random_uuid() -> None:
    ids = {new_conv_id() for _ in range(200)}
    assert len(ids) == 200
    assert all(uuid.UUID(value).version == 4 and re.fullmatch(r"[0-9a-f-]{36}", value) for value in ids)


def test_a_password_has_six_digits_also_where_it_begins_with_zero() -> None:
    found = {new_pwd() for _ in range(3000)}
    assert all(re.fullmatch(r"[0-9]{6}", pwd) for pwd in found)
    assert any(pwd.startswith("0") for pwd in found)


def test_a_meeting_is_named_by_two_times_32_hexadecimal_digits() -> None:
    assert re.fullmatch(r"[0-9a-f]{32}:[0-9a-f]{32}", new_room_name())


def test_a_media_hash_is_time_based_and_does_not_tell_the_machine() -> None:
    hashes = [uuid.UUID(new_media_hash()) for _ in range(200)]
    assert len(set(hashes)) == 200
    assert all(value.version == 1 for value in hashes)
    assert uuid.getnode() not in {value.node for value in hashes}
    assert all(value.node >> 40 & 1 for value in hashes)
    assert [value.time for value in hashes] == sorted(value.time for value in hashes)


def test_participants_get_ids_of_their_own() -> None:
    assert new_participant_id() != new_participant_id()
