from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from services.catalogue.storage.tables import bus, tokens
from services.catalogue.tokens import UnknownScopeError, complete, issue, revoke
from shared.access import token_digest
from shared.bus.partitions import UNITLESS
from shared.bus.topics import ACCESS
from shared.events.catalogue import AccessV1
from shared.problems import ProblemError
from tests.catalogue.world import World


async def issued(world: World, *scopes: str, expires_at: datetime | None = None) -> str:
    async with world.units_of_work.begin([UNITLESS]) as work:
        return await issue(work, scopes, "Mai", expires_at)


async def refreshed(world: World) -> None:
    async with world.units_of_work.sessions() as session:
        await world.state.refresh(session)


async def test_only_the_digest_of_a_token_is_stored_and_published(world: World) -> None:
    token = await issued(world, "unit:SO-A")
    async with world.units_of_work.sessions() as session:
        assert list((await session.execute(select(tokens.c.digest))).scalars()) == [token_digest(token)]
        row = (await session.execute(select(bus.outbox).where(bus.outbox.c.topic == ACCESS.name))).one()
    assert row.key == token_digest(token)
    assert token.encode() not in row.value
    assert (await world.published(AccessV1))[0].scopes == ("unit:SO-A",)


async def test_a_token_gives_its_scopes_until_it_is_revoked(world: World) -> None:
    token = await issued(world, "unit:SO-A", "leader")
    await refreshed(world)
    identity = world.state.access.identify(f"Bearer {token}")
    assert identity.units == {"SO-A"}
    assert identity.has("leader")
    async with world.units_of_work.begin([UNITLESS]) as work:
        assert await revoke(work, digest=token_digest(token)) == 1
    await refreshed(world)
    with pytest.raises(ProblemError):
        world.state.access.identify(f"Bearer {token}")
    async with world.units_of_work.sessions() as session:
        rows = await session.execute(select(bus.outbox.c.value).where(bus.outbox.c.topic == ACCESS.name))
        assert list(rows.scalars())[-1] is None, "a tombstone"


async def test_all_tokens_of_a_holder_are_revoked_together(world: World) -> None:
    for _ in range(2):
        await issued(world, "operator")
    async with world.units_of_work.begin([UNITLESS]) as work:
        assert await revoke(work, subject="Mai") == 2
        assert await revoke(work, subject="Mai") == 0


@pytest.mark.parametrize("scope", ["", "admin", "unit:", "Statistician"])
async def test_a_scope_that_nobody_asks_for_is_refused(world: World, scope: str) -> None:
    with pytest.raises(UnknownScopeError):
        await issued(world, scope)


async def test_running_again_keeps_the_tokens_that_are_valid_and_replaces_the_others(world: World) -> None:
    async with world.units_of_work.begin([UNITLESS]) as work:
        first = await complete(work, ["SO-A", "SO-B"], {})
    assert set(first) == {"unit:SO-A", "unit:SO-B", "statistician", "leader", "operator"}
    async with world.units_of_work.begin([UNITLESS]) as work:
        await revoke(work, digest=token_digest(first["leader"]))
        swapped = {**first, "operator": first["statistician"]}
        second = await complete(work, ["SO-A", "SO-B", "CTK"], swapped)
    changed = {scope for scope, token in second.items() if first.get(scope) != token}
    assert changed == {"leader", "operator", "unit:CTK"}


async def test_an_expired_token_is_not_valid(world: World) -> None:
    token = await issued(world, "leader", expires_at=datetime.now(UTC) - timedelta(seconds=1))
    await refreshed(world)
    with pytest.raises(ProblemError):
        world.state.access.identify(f"Bearer {token}")
