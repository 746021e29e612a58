"""What the agencies send while things break follows from the seed, and covers doors, fates and nonsense."""

from collections import defaultdict
from functools import cache

from chaos.traffic import Errand, Traffic
from demo.ledger import Door, Outcome
from demo.scenario import Scenario
from tests.demo.test_scenario import dealt, sample

ROUNDS = 2
SEED = 3


def every_errand(scenario: Scenario, rounds: int = ROUNDS) -> list[list[Errand]]:
    traffic = Traffic(sample(), scenario)
    sequences: list[list[Errand]] = []
    for stand in scenario.stands:
        sequences += traffic.of_stand(stand)
        for number in range(rounds):
            sequences += traffic.round(stand, number)
    return sequences


@cache
def errands() -> list[Errand]:
    return [errand for sequence in every_errand(dealt(SEED)) for errand in sequence]


def test_a_seed_sends_the_same_again_and_another_seed_something_else() -> None:
    assert every_errand(dealt(SEED), 1) == every_errand(dealt(SEED), 1)
    assert every_errand(dealt(SEED), 1) != every_errand(dealt(SEED + 1), 1)


def test_the_demo_s_month_is_sent_whole() -> None:
    scenario = dealt(SEED)
    planned = {dispatch.item for case in scenario.cases for dispatch in case.dispatches}
    planned |= {dispatch.item for dispatch in scenario.intruders}
    assert planned <= {errand.dispatch.item for errand in errands()}


def test_all_doors_and_all_outcomes_are_used_and_names_are_unique() -> None:
    first = [errand.dispatch for errand in errands() if not errand.again]
    assert {dispatch.door for dispatch in first} == set(Door)
    assert {dispatch.outcome for dispatch in first} == set(Outcome)
    assert len({dispatch.item for dispatch in first}) == len(first)


def test_the_versions_of_a_delivery_are_counted_without_a_gap() -> None:
    seen: dict[str, list[int]] = defaultdict(list)
    for errand in errands():
        if errand.dispatch.outcome is Outcome.RECEIVED and not errand.again:
            for report in errand.dispatch.reports:
                seen[report.delivery].append(report.version)
    assert max(len(versions) for versions in seen.values()) > 2
    assert all(versions == list(range(1, len(versions) + 1)) for versions in seen.values())


def test_things_are_sent_again_as_they_were() -> None:
    first = {errand.dispatch.item: errand.dispatch for errand in errands() if not errand.again}
    again = [errand.dispatch for errand in errands() if errand.again]
    assert len(again) > len(dealt(SEED).stands)
    assert all(first[dispatch.item] == dispatch for dispatch in again)


def test_a_name_is_used_for_other_content_once_at_most() -> None:
    used = [errand.dispatch for errand in errands() if errand.dispatch.used_key]
    assert {dispatch.door for dispatch in used} == {Door.KAFKA, Door.JSON}
    assert len({dispatch.used_key for dispatch in used}) == len(used)
    bodies = {errand.dispatch.item: errand.dispatch.body for errand in errands()}
    assert all(bodies[str(dispatch.used_key)] != dispatch.body for dispatch in used)
