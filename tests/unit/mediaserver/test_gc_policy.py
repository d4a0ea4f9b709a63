from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from mediaserver.gc_policy import YOUNG_COLLECTIONS, YOUNG_OBJECTS, GcPolicy


@pytest.fixture
def policy() -> Iterator[GcPolicy]:
    policy = GcPolicy()
    yield policy
    policy.stop()


def collections() -> list[int]:
    return [generation["collections"] for generation in gc.get_stats()]


def test_what_exists_at_start_is_frozen_until_stop(policy: GcPolicy) -> None:
    policy.start()
    assert gc.get_freeze_count() > 0
    policy.stop()
    assert gc.get_freeze_count() == 0
    policy.stop()


def test_nothing_is_collected_by_itself_while_busy(policy: GcPolicy) -> None:
    policy.start()
    policy.set_busy(True)
    before = collections()
    keep = [[] for _ in range(YOUNG_OBJECTS)]
    assert collections() == before
    policy.on_timer()
    after = collections()
    assert (after[0], after[2]) == (before[0] + 1, before[2])
    assert len(keep) == YOUNG_OBJECTS
    policy.on_timer()
    assert collections() == after, "nothing new to look at"


def test_the_middle_generation_has_its_turn(policy: GcPolicy) -> None:
    policy.start()
    policy.set_busy(True)
    for _ in range(YOUNG_COLLECTIONS):
        gc.collect(0)
    before = collections()
    policy.on_timer()
    after = collections()
    assert (after[1], after[2]) == (before[1] + 1, before[2])


def test_the_interpreter_collects_when_nobody_is_connected(policy: GcPolicy) -> None:
    policy.start()
    policy.set_busy(True)
    assert not gc.isenabled()
    policy.set_busy(False)
    assert gc.isenabled()


def test_an_unused_policy_leaves_the_collector_alone(policy: GcPolicy) -> None:
    policy.set_busy(True)
    policy.on_timer()
    assert gc.isenabled()
