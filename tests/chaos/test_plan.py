"""What is broken, and when, follows from a number and a seed; nothing is left out."""

from collections import Counter

import pytest

from chaos.plan import FREEZE_SECONDS_MAX, PARTS, PHASES, PROCESSES, Act, plan, replicas_of, shares
from shared.failpoints import FAILPOINTS

RUN = 200


def test_a_seed_breaks_the_same_things_again_and_another_seed_others() -> None:
    assert plan(RUN, 7) == plan(RUN, 7)
    assert plan(RUN, 7) != plan(RUN, 8)


@pytest.mark.parametrize("seed", range(5))
def test_each_phase_comes_at_least_five_times_in_a_run(seed: int) -> None:
    counts = Counter(fault.phase for fault in plan(RUN, seed))
    assert set(counts) == set(PHASES)
    assert set(FAILPOINTS) < set(PHASES)
    assert min(counts.values()) >= 5


def test_a_short_run_is_spread_evenly_over_the_phases() -> None:
    counts = Counter(fault.phase for fault in plan(len(PHASES) + 8, 1))
    assert set(counts) == set(PHASES)
    assert max(counts.values()) == 2


def test_every_process_and_every_part_is_broken() -> None:
    hit = {target for fault in plan(1000, 1) for target in fault.targets}
    assert set(PROCESSES) | set(PARTS) <= hit


def test_nothing_stays_stopped_longer_than_twenty_seconds() -> None:
    stopped = [fault for fault in plan(RUN, 1) if fault.act is Act.STOP]
    assert stopped
    assert all(fault.seconds <= FREEZE_SECONDS_MAX for fault in stopped)


def test_the_faults_are_shared_out_in_order_and_none_is_dropped() -> None:
    faults = plan(25, 3)
    parts = shares(faults, 7)
    assert [fault for part in parts for fault in part] == faults
    assert {len(part) for part in parts} <= {3, 4}


def test_a_place_that_one_service_has_is_looked_for_in_its_replicas_alone() -> None:
    for fault in plan(RUN, 1):
        if fault.phase == "notify.before_sent":
            assert set(fault.targets) == set(replicas_of("notify"))
