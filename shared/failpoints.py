"""Named places at which a test may break this process; in production they do nothing.

`LIENTHONG_FAILPOINT` names a folder. A file in it with a failpoint's name, its content one of the `Action` words, arms
that place: the first process that reaches it takes the file away and acts. So a running process can be broken, and the
folder tells what was hit. The one switch for tests in the code.
"""

import asyncio
import os
import signal
from enum import StrEnum
from pathlib import Path

VARIABLE = "LIENTHONG_FAILPOINT"
HIT = ".hit"
POLL_SECONDS = 0.05


class Action(StrEnum):
    """What happens to the process that reaches an armed place."""

    KILL = "kill"
    """It kills itself (SIGKILL)."""
    STOP = "stop"
    """It freezes (SIGSTOP) until somebody sends SIGCONT."""
    HOLD = "hold"
    """What reached the place waits until `<name>.hit` is taken away; the process goes on."""


FAILPOINTS = (
    "relay.before_produce",  # committed in the database, not yet sent
    "relay.before_mark",  # sent, and not yet known as sent
    "relay.sweep",  # some of what the broker has forgotten is unsent again
    "consumer.mid_batch",  # in the transaction of a batch, a part of it handled
    "consumer.before_offsets",  # the effect is committed, the offsets are not
    "consumer.rebalance",  # partitions are being given out
    "notify.before_sent",  # the mail server has taken the mail, and we have not recorded it
    "catalogue.release",  # in the transaction of a release, between entities and marker
    "ingest.body_ended",  # a request has come in, its transaction has not begun
    "ingest.before_commit",  # in the transaction of a request, everything written
    "ingest.watermark",  # in the transaction of the watermark
)
"""All places, each in the code once."""

_folder = Path(os.environ[VARIABLE]) if VARIABLE in os.environ else None


async def reach(name: str) -> None:
    """Say that the code is at a named place. Nothing happens unless the place is armed; see the module."""
    if _folder is None:
        return
    armed, hit = _folder / name, _folder / f"{name}{HIT}"
    try:
        action = Action(armed.read_text("utf-8").strip())
        armed.rename(hit)  # one process alone gets it
    except FileNotFoundError:
        return
    match action:
        case Action.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        case Action.STOP:
            os.kill(os.getpid(), signal.SIGSTOP)
        case Action.HOLD:
            while hit.exists():  # noqa: ASYNC110 -- somebody outside takes it away
                await asyncio.sleep(POLL_SECONDS)
