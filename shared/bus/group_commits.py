"""Offsets that are committed for a group by somebody who is no member of it, and that a wiped broker believes.

A broker that lost its disk knows no group. To the first heartbeat it says so, and aiokafka 0.14 forgets its membership;
an offset commit that waited for the broker meanwhile then goes out as that of nobody in particular, and is taken, since
the group is empty. It is an offset of another log: when the consumer has joined, it begins there, and whatever the new
log holds below it is never read. So a commit must come from the membership and for the assignment that it was made in.
"""

# ruff: noqa: SLF001 -- aiokafka has no door for this; the test says when a new version needs another one

from typing import Any

from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import CommitFailedError
from aiokafka.protocol.commit import OffsetCommitRequest

COMMIT_OF_THE_LIBRARY: Any = GroupCoordinator._do_commit_offsets


def refuse_commits_of_strangers() -> None:
    """Make commits of this process's consumers fail that are not a member's; as often as one likes."""
    GroupCoordinator._do_commit_offsets = _commit_as_member  # type: ignore[method-assign]


async def _commit_as_member(self: Any, assignment: Any, offsets: Any) -> None:
    """Commit, unless membership or assignment have gone. Consumers with partitions of their own choice have neither."""
    is_member = self.generation != OffsetCommitRequest.DEFAULT_GENERATION_ID and assignment.active
    if self._subscription.partitions_auto_assigned() and not is_member:
        raise CommitFailedError("the group was left before its offsets were committed")
    await COMMIT_OF_THE_LIBRARY(self, assignment, offsets)
