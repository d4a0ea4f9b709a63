import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from signalling.internal_api.bodies import MAX_DEPTH, check_json, read_query
from signalling.internal_api.problems import ProblemError

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


class Query(BaseModel):
    name: str = ""


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@given(json_values)
def test_sound_json_passes(value: Any) -> None:
    check_json(json.dumps(value).encode())


@given(
    st.binary()
    | st.text().map(str.encode)
    | st.from_regex(rb"[\[\]{}\",:0-9.eE+\-tfn\\ua ]*", fullmatch=True)
)
def test_whatever_the_bytes_only_a_problem_escapes(body: bytes) -> None:
    try:
        check_json(body)
    except ProblemError as error:
        assert error.problem_code == "malformed_json"
    else:
        json.loads(body)


def test_nesting_has_a_limit_far_below_the_interpreters() -> None:
    check_json(nested(MAX_DEPTH))
    for depth in (MAX_DEPTH + 1, sys.getrecursionlimit() * 20):
        with pytest.raises(ProblemError, match="nested too deeply"):
            check_json(nested(depth))


@pytest.mark.parametrize("body", [b'{"a": 1, "a": 2}', b"NaN", b"[Infinity]", b"1e400", b"\xff", b"", b"1 2"])
def test_what_readers_understand_differently_is_refused(body: bytes) -> None:
    with pytest.raises(ProblemError) as caught:
        check_json(body)
    assert caught.value.problem_code == "malformed_json"


@given(st.lists(st.tuples(st.text(), st.text())))
def test_whatever_the_query_only_a_problem_escapes(parameters: list[tuple[str, str]]) -> None:
    try:
        read_query(parameters, Query)
    except ProblemError as error:
        assert error.problem_code == "invalid_request"


def test_a_parameter_that_is_given_twice_is_named() -> None:
    with pytest.raises(ProblemError) as caught:
        read_query([("name", "a"), ("name", "a")], Query)
    assert [fault.pointer for fault in caught.value.faults] == ["name"]
