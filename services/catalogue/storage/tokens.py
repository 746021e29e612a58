"""Stores who may do what: digests of tokens, never a token."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.catalogue.storage.tables import tokens
from shared.events.catalogue import AccessV1


@dataclass(frozen=True, slots=True)
class TokensRevision:
    """Differs whenever a token was issued or revoked."""

    count: int
    changed_at: datetime | None


async def valid_tokens(session: AsyncSession) -> dict[str, AccessV1]:
    """Return the tokens that are neither revoked nor expired (machine time), by digest."""
    rows = await session.execute(
        select(tokens.c.digest, tokens.c.scopes, tokens.c.subject, tokens.c.expires_at).where(
            tokens.c.revoked_at.is_(None), or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > func.now())
        )
    )
    return {
        digest: AccessV1(scopes=tuple(scopes), subject=subject, expires_at=expires_at)
        for digest, scopes, subject, expires_at in rows
    }


async def tokens_revision(session: AsyncSession) -> TokensRevision:
    """Return what tells whether the tokens have changed."""
    row = await session.execute(
        select(func.count(), func.max(func.greatest(tokens.c.issued_at, tokens.c.revoked_at))).select_from(tokens)
    )
    return TokensRevision(*row.one())


async def store_token(session: AsyncSession, digest: str, access: AccessV1) -> None:
    """Store a new token's digest."""
    await session.execute(
        insert(tokens).values(
            digest=digest, scopes=list(access.scopes), subject=access.subject, expires_at=access.expires_at
        )
    )


async def find_tokens(session: AsyncSession, *, digest: str | None, subject: str | None) -> list[str]:
    """Return the digests of tokens that are not revoked, with this digest or held by this subject."""
    wanted = tokens.c.digest == digest if digest is not None else tokens.c.subject == subject
    rows = await session.execute(select(tokens.c.digest).where(wanted, tokens.c.revoked_at.is_(None)))
    return list(rows.scalars())


async def revoke_tokens(session: AsyncSession, digests: Collection[str]) -> None:
    """Mark tokens as revoked."""
    await session.execute(update(tokens).where(tokens.c.digest.in_(digests)).values(revoked_at=func.now()))
