"""The Kafka door without a broker: what each message becomes, once."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from services.ingest.storage.arrivals import DoorKey, Known, StoredAnswer
from shared.events.findings import Verdict
from tests.builders.catalogue_files import OTHER_UNIT, UNIT
from tests.bus.nulls import TardyOutbox
from tests.ingest.conftest import MakeWorld
from tests.ingest.domain.packages import MONTH, QUARTER, a_package, a_report, an_observation
from tests.ingest.world import (
    NOW,
    SOURCE,
    Told,
    World,
    a_message,
    an_explanation,
    an_explanation_message,
)


def rules(answer: Told) -> list[str]:
    return [finding["rule"] for finding in answer.body["findings"]]


async def test_a_package_becomes_submissions_and_one_receipt(world: World) -> None:
    (offset,) = await world.publish(a_message(a_package(a_report("2024-Q2"), a_report("2024-06"))))
    told = await world.told()
    assert [each.kind for each in told] == ["submission.received", "submission.received", "package.received"]
    month, quarter, receipt = told
    assert (month.body["delivery_id"], quarter.body["delivery_id"]) == (str(MONTH), str(QUARTER))
    assert {each.topic for each in told} == {"submissions", f"agency.{UNIT}.answers"}
    package_id = receipt.body["package_id"]
    for each in told:
        assert each.headers["ce_correlationid"] == package_id
        assert each.headers["ce_causationid"] == "m-1"
        assert each.headers["ce_source"] == "urn:lienthong:ingest"
    assert month.headers["ce_subject"] == str(MONTH)
    assert receipt.body["answers"] == {"source": SOURCE, "id": "m-1", "offset": offset}
    assert [(each["delivery_id"], each["version"]) for each in receipt.body["submissions"]] == [
        (str(MONTH), 1),
        (str(QUARTER), 1),
    ]


async def test_what_is_received_says_all_that_later_services_need(world: World) -> None:
    await world.publish(a_message())
    (submission,) = await world.told("submission.received")
    body = submission.body
    assert body["received_at"] == NOW.isoformat().replace("+00:00", "Z"), "business time of the broker's append time"
    assert (body["version"], body["release"], body["channel"], body["document_number"]) == (1, 1, "kafka", "12/BC")
    assert len(body["cells"]) == 7
    assert world.state.objects.get(body["original"]) == a_message().value


async def test_versions_count_within_each_delivery_also_in_one_batch(world: World) -> None:
    both = a_package(a_report("2024-06"), a_report("2024-Q2"))
    await world.publish(a_message(both, "1"), a_message(a_package(a_report("2024-Q2")), "2"), a_message(None, "3"))
    await world.publish(a_message(both, "4"))
    versions = [(each.body["delivery_id"], each.body["version"]) for each in await world.told("submission.received")]
    month, quarter = str(MONTH), str(QUARTER)
    assert versions == [(month, 1), (quarter, 1), (quarter, 2), (month, 2), (month, 3), (quarter, 3)]


async def test_a_wrong_package_is_rejected_whole_with_its_findings(world: World) -> None:
    wrong = a_package(a_report("2024-06", "estimate", an_observation(value="x")), a_report("2024-Q2"))
    (offset,) = await world.publish(a_message(wrong))
    (answer,) = await world.told()
    assert answer.kind == "package.rejected"
    assert rules(answer) == ["door.not_a_number"]
    assert answer.body["findings"][0]["document"] == "reports[0].observations[0]"
    assert answer.body["answers"] == {"source": SOURCE, "id": "m-1", "offset": offset}


async def test_a_body_that_does_not_fit_is_rejected_with_the_path(world: World) -> None:
    await world.publish(a_message(a_package(a_report("2024-13"), unit="SO-B")))
    (answer,) = await world.told()
    assert answer.kind == "package.rejected"
    assert {each["document"] for each in answer.body["findings"]} == {"reports[0].period", "unit"}


async def test_a_unit_that_has_no_kafka_door_is_told_so(world: World) -> None:
    await world.publish(a_message(unit=OTHER_UNIT))
    (answer,) = await world.told()
    assert (answer.topic, rules(answer)) == (f"agency.{OTHER_UNIT}.answers", ["door.kafka_door_off"])


async def test_a_package_over_the_limit_is_rejected(world: World) -> None:
    many = [an_observation(value=number) for number in range(20_000)]
    await world.publish(a_message(a_package(a_report("2024-06", "estimate", *many))))
    (answer,) = await world.told()
    assert rules(answer) == ["door.too_large"]


async def test_an_event_of_an_unknown_type_is_rejected_and_no_dead_letter(world: World) -> None:
    await world.publish(a_message(ce_type="vn.lienthong.telegram.v1"))
    (answer,) = await world.told()
    assert (answer.kind, rules(answer)) == ("package.rejected", ["door.unknown_type"])


garbage = {
    "not json": replace(a_message(), value="Kính gửi".encode()),
    "torn": replace(a_message(), value=(a_message().value or b"")[:40]),
    "empty": replace(a_message(), value=None),
    "no id": replace(a_message(), headers=tuple(h for h in a_message().headers if h[0] != "ce_id")),
    "bad header": replace(
        a_message(), headers=tuple((n, b"\xff" + v if n == "ce_id" else v) for n, v in a_message().headers)
    ),
}


@pytest.mark.parametrize("kind", garbage)
async def test_garbage_is_one_dead_letter_and_one_answer_and_costs_nobody_else(world: World, kind: str) -> None:
    messages = (a_message(None, "before"), garbage[kind], a_message(None, "after"))
    _, offset, _ = await world.publish(*messages)
    told = await world.told()
    assert [each.body["version"] for each in told if each.kind == "submission.received"] == [1, 2]
    (letter,) = (each for each in told if each.kind == "dead_letter")
    assert (letter.topic, letter.body["offset"]) == ("dlq.ingest", offset)
    (answer,) = (each for each in told if each.kind == "package.rejected")
    assert rules(answer) == ["door.unreadable"]
    assert answer.body["answers"]["offset"] == offset
    known = kind not in {"no id", "bad header"}
    assert answer.body["answers"].get("id") == ("m-1" if known else None)


@pytest.mark.parametrize("kind", garbage)
async def test_garbage_that_is_read_again_is_answered_once(world: World, kind: str) -> None:
    message = garbage[kind]
    record = world.record(f"agency.{UNIT}.submissions", message.headers, message.value, b"")
    await world.packages.process([record])
    await world.packages.process([record])
    assert sorted(each.kind for each in await world.told()) == ["dead_letter", "package.rejected"]


class NullArrivals:
    """Remembers nothing that came through the door."""

    async def find(self, session: AsyncSession, key: DoorKey) -> Known | None:
        return None

    async def add(
        self, session: AsyncSession, key: DoorKey, sha256: str, package_id: UUID, answer: StoredAnswer | None
    ) -> None:
        return None


async def effects_of_sending_twice(world: World) -> list[str]:
    """Send a package, in one batch and again later, as an agency does that has lost its answer."""
    await world.publish(a_message(), a_message())
    await world.publish(a_message())
    return [each.kind for each in await world.told() if each.kind.startswith("submission")]


async def test_the_same_id_again_changes_nothing_and_is_answered_in_the_same_bytes(world: World) -> None:
    assert await effects_of_sending_twice(world) == ["submission.received"]
    answers = await world.told("package.received")
    assert len(answers) == 3
    assert len({(each.id, each.value, tuple(sorted(each.headers.items()))) for each in answers}) == 1


async def test_without_what_remembers_arrivals_the_same_id_is_a_new_version(make_world: MakeWorld) -> None:
    """The negative control of the test before."""
    world = await make_world(arrivals=NullArrivals())
    assert await effects_of_sending_twice(world) == ["submission.received"] * 3


async def test_a_rejection_is_repeated_in_the_same_bytes_too(world: World) -> None:
    wrong = a_message(a_package(form="099"))
    await world.publish(wrong)
    await world.publish(wrong)
    first, second = await world.told()
    assert (first.id, first.value, first.headers) == (second.id, second.value, second.headers)


async def test_the_same_id_with_other_content_is_rejected_and_changes_nothing(world: World) -> None:
    await world.publish(a_message())
    await world.publish(a_message(a_package(document_number="13/BC")))
    *_, refusal = await world.told()
    assert (refusal.kind, rules(refusal)) == ("package.rejected", ["door.id_reused"])
    assert len(await world.told("submission.received")) == 1


async def test_ids_of_different_units_and_sources_are_different(world: World) -> None:
    other_source = replace(a_message(), headers=tuple(
        (name, b"urn:other" if name == "ce_source" else value) for name, value in a_message().headers
    ))  # fmt: skip
    await world.publish(a_message(), other_source)
    assert [each.body["version"] for each in await world.told("submission.received")] == [1, 2]


async def submitted(world: World, *messages: Any) -> list[dict[str, Any]]:
    await world.publish(*(messages or [a_message(a_package(a_report("2024-06"), a_report("2024-Q2")))]))
    return [each.body for each in await world.told("submission.received")]


async def test_a_package_is_answered_once_all_its_reports_are_judged(world: World) -> None:
    month, quarter = await submitted(world)
    await world.judge(month, Verdict.ACCEPTED)
    assert await world.told("verdict") == []
    await world.judge(quarter, Verdict.RETURNED)
    (answer,) = await world.told("verdict")
    assert answer.topic == f"agency.{UNIT}.answers"
    assert answer.body["verdict"] == "returned"
    assert answer.body["answers"]["id"] == "m-1"
    assert [(each["delivery_id"], each["verdict"]) for each in answer.body["reports"]] == [
        (str(MONTH), "accepted"),
        (str(QUARTER), "returned"),
    ]


async def test_a_later_judgement_is_answered_again_and_an_older_one_is_not_believed(world: World) -> None:
    (month,) = await submitted(world, a_message())
    await world.judge(month, Verdict.NEEDS_EXPLANATION)
    await world.judge(month, Verdict.ACCEPTED_WITH_WARNINGS, judgement=2)
    answers = await world.told("verdict")
    assert [each.body["verdict"] for each in answers] == ["needs_explanation", "accepted_with_warnings"]
    assert [each.body["reports"][0]["judgement"] for each in answers] == [1, 2]
    async with world.client() as client:
        status = (await client.get(f"/v1/packages/{month['package_id']}")).json()
    assert (status["state"], status["verdict"]) == ("judged", "accepted_with_warnings")


async def test_an_explanation_is_taken_for_a_version_that_needs_one(world: World) -> None:
    (month,) = await submitted(world, a_message())
    await world.judge(month, Verdict.NEEDS_EXPLANATION)
    (offset,) = await world.publish(an_explanation_message())
    (explained,) = await world.told("submission.explained")
    assert (explained.body["version"], explained.body["package_id"]) == (1, month["package_id"])
    assert explained.body["explanations"] == [{"rule": "R1", "text": "Do dự án lớn."}]
    *_, receipt = await world.told("package.received")
    assert receipt.body["answers"] == {"source": SOURCE, "id": "e-1", "offset": offset}
    await world.publish(an_explanation_message())
    assert len(await world.told("submission.explained")) == 1, "the same event again explains nothing new"


@pytest.mark.parametrize(
    ("verdict", "body", "code"),
    [
        (Verdict.RETURNED, an_explanation(), "door.nothing_to_explain"),
        (Verdict.ACCEPTED, an_explanation(), "door.nothing_to_explain"),
        (Verdict.NEEDS_EXPLANATION, an_explanation(2), "door.no_such_version"),
        (Verdict.NEEDS_EXPLANATION, an_explanation(period="2024-Q2"), "door.no_such_version"),
    ],
)
async def test_an_explanation_that_nobody_waits_for_is_rejected(
    world: World, verdict: Verdict, body: dict[str, Any], code: str
) -> None:
    (month,) = await submitted(world, a_message())
    await world.judge(month, verdict)
    await world.publish(an_explanation_message(body))
    *_, refusal = await world.told()
    assert (refusal.kind, rules(refusal)) == ("package.rejected", [code])
    assert await world.told("submission.explained") == []


async def test_only_the_newest_version_can_be_explained(world: World) -> None:
    """Validate would ignore another one's explanation, and catalogue would wait for its judgement for ever."""
    first, second = await submitted(world, a_message(None, "1"), a_message(None, "2"))
    for each in (first, second):
        await world.judge(each, Verdict.NEEDS_EXPLANATION)
    await world.publish(an_explanation_message(an_explanation(1), "e-1"))
    *_, refusal = await world.told()
    assert rules(refusal) == ["door.not_newest_version"]
    assert refusal.body["findings"][0]["expected"] == "2"
    await world.publish(an_explanation_message(an_explanation(2), "e-2"))
    (explained,) = await world.told("submission.explained")
    assert explained.body["version"] == 2


async def test_a_newer_version_takes_the_place_of_one_that_waits_for_an_explanation(world: World) -> None:
    first, _ = await submitted(world, a_message(None, "1"), a_message(None, "2"))
    await world.judge(first, Verdict.NEEDS_EXPLANATION)
    await world.publish(an_explanation_message())
    *_, refusal = await world.told()
    assert rules(refusal) == ["door.nothing_to_explain"], "the newest one has no verdict yet"


@pytest.mark.parametrize("form", [" ", "\u0958" * 64, "\u00a0"])
async def test_an_explanation_whose_form_is_no_code_is_the_senders_fault_and_not_ours(world: World, form: str) -> None:
    await world.publish(an_explanation_message(an_explanation(form=form)))
    (refusal,) = await world.told()
    assert (refusal.kind, refusal.body["findings"][0]["rule"]) == ("package.rejected", "door.unknown_form")


async def test_a_form_that_is_no_code_is_an_unknown_form(world: World) -> None:
    await world.publish(a_message(a_package(form=" ")))
    (refusal,) = await world.told()
    assert rules(refusal) == ["door.unknown_form"]


async def test_before_its_verdict_a_version_cannot_be_explained(world: World) -> None:
    await submitted(world, a_message())
    await world.publish(an_explanation_message())
    *_, refusal = await world.told()
    assert rules(refusal) == ["door.nothing_to_explain"]


async def acknowledged_and_kept(world: World) -> tuple[bool, bool]:
    """Return whether a package is in the database, and whether a restarted process would still tell of it."""
    await world.publish(a_message())
    async with world.client() as client:
        deliveries = (await client.get("/v1/deliveries")).json()
    taken = {each["delivery_id"]: each["version"] for each in deliveries}[str(MONTH)] == 1
    return taken, len(await world.told("submission.received")) == 1 and len(await world.told("package.received")) == 1


async def test_package_answer_and_submission_are_on_disk_together(world: World) -> None:
    assert await acknowledged_and_kept(world) == (True, True)


async def test_with_an_outbox_in_memory_a_restart_forgets_to_tell(make_world: MakeWorld) -> None:
    """The negative control: the package is taken, and nobody would ever hear of it."""
    plain = await make_world()
    parts = replace(plain.units_of_work.parts, outbox=TardyOutbox())
    assert await acknowledged_and_kept(await make_world(parts=parts)) == (True, False)
