"""Ways in which entries fail, with real programs: what breaks each, and what has to be said of it. Data.

A way is a group of its own, at level 3. The programs are Debian's nginx, redis and PostgreSQL, where they fail so.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.groups.reasons import Cause
from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from instance import Group

PACKAGES = ("nginx-light", "redis-server", "postgresql", "sudo")
USER = "tess"  # may use sudo, and ask the daemon
PORT = 7001  # another one is on it
POSTGRES = "/usr/lib/postgresql/*/bin"
MOUNTED = "/srv/small"  # a filesystem that has no space left

SET_UP = f"""
    ln -sf {POSTGRES}/initdb {POSTGRES}/postgres /usr/local/bin/
    mkdir -p /srv/stolen {MOUNTED}
    runuser -u postgres -- initdb --no-sync -A trust -D /var/lib/postgresql/whole >/dev/null
    cp -a /var/lib/postgresql/whole /srv/stolen/pg
    chown -R root: /srv/stolen/pg
    mount -t tmpfs -o size=64k,mode=777 tmpfs {MOUNTED}
    {{
        echo 'daemon off; error_log stderr; events {{}}'
        echo 'http {{ server {{ listen 127.0.0.1:{PORT}; }} }}'
    }} >/srv/nginx.conf
    printf 'events {{}}\\nhttp {{ sarver {{ }} }}\\n' >/srv/bad-nginx.conf
    printf 'maxmemory lots\\n' >/srv/bad-redis.conf
    printf '#!/bin/sh\\nexec redis-server --port 0\\n' >/srv/not-executable
    printf '[Service]\\nType=oneshot\\nExecStart=false\\n' >/etc/systemd/system/failing.service
    systemd-run --quiet --unit=taken redis-server --port {PORT} --save ''
    systemd-sysusers /usr/lib/sysusers.d/clinit.conf
    useradd --groups clinit {USER}
    echo '{USER} ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/{USER}
    until redis-cli -p {PORT} ping 2>/dev/null | grep -q PONG; do sleep 0.05; done
"""
"""A shell script that prepares a node, once for all ways."""


def nothing(group: Group) -> None:
    """Break nothing."""


class Mends(enum.Enum):
    """What a request for the level that a group has already mends by itself."""

    NOTHING = enum.auto()
    ALL = enum.auto()


@dataclass(frozen=True, slots=True)
class Way:
    """One way to fail.

    Args:
        name: what fails, in a few words.
        entries: the group's lines, as `Group.define` takes them. Level 3 is asked for.
        cause: the code of the reason that has to be given.
        words: what has to be in that reason.
        tag: the entry that has to be named.
        unsaid: what must not be in it.
        last_words: what the program has written itself, which a request tells below the reason.
        directives: what the table says of entries, as `TAG:Name=value`.
        required: whether the entry that fails is required.
        before: breaks something before the level is asked for.
        later: breaks something that was well. So no request tells of it: the next one would mend it.
        state: what the group is then.
        next_request: what a request for the same level does about it.
    """

    name: str
    entries: tuple[str, ...]
    cause: Cause
    words: tuple[str, ...]
    tag: str = "bad"
    unsaid: tuple[str, ...] = ()
    last_words: tuple[str, ...] = ()
    directives: tuple[str, ...] = ()
    required: bool = False
    before: Callable[[Group], None] = nothing
    later: Callable[[Group], None] | None = None
    state: str = "FAILED"
    next_request: Mends = Mends.NOTHING


def drop_in(group: Group, tag: str, *lines: str) -> None:
    """Write a drop-in for an entry, as `systemctl edit` does."""
    text = "".join(f"{line}\n" for line in lines)
    group.node.write(f"/etc/systemd/system/{group.unit(tag)}.d/override.conf", text)
    group.node.run("systemctl", "daemon-reload")


def _mask(group: Group) -> None:
    group.node.path("/etc/systemd/system").joinpath(group.unit("bad")).symlink_to("/dev/null")
    group.node.run("systemctl", "daemon-reload")


def _stop(group: Group) -> None:
    group.node.run("systemctl", "stop", group.unit("bad"))


def _stop_with_clinitctl(group: Group) -> None:
    group.node.run("clinitctl", "stop", f"{group.name}.bad", user=USER)


def _stop_with_sudo(group: Group) -> None:
    group.node.run("sudo", "systemctl", "stop", group.unit("bad"), user=USER)


def _when_done(break_it: Callable[[Group], None]) -> Callable[[Group], None]:
    def later(group: Group) -> None:
        group.wait_for("3 DONE")
        break_it(group)

    return later


def _while_it_starts(stop: Callable[[Group], None]) -> Callable[[Group], None]:
    def later(group: Group) -> None:
        wait_until(lambda: group.property("bad", "ActiveState") == "activating", what="it runs")
        stop(group)

    return later


def _notify(group: Group) -> None:
    drop_in(group, "bad", "[Service]", "Type=notify", "Restart=no", "TimeoutStartSec=1s")


def _kill(group: Group, signal: str) -> None:
    group.node.run("systemctl", "kill", f"--signal={signal}", group.unit("bad"))


def _refuse_restart(group: Group) -> None:
    drop_in(group, "bad", "[Unit]", "Requires=nowhere.service", "[Service]", "SuccessExitStatus=0")
    _kill(group, "KILL")


def _stray(group: Group) -> None:
    group.node.shell(
        f"mkdir -p /sys/fs/cgroup/elsewhere; echo {group.pid('bad')} >/sys/fs/cgroup/elsewhere/cgroup.procs"
    )


def _fill(group: Group) -> None:
    group.node.shell(f"head -c 100000 /dev/zero >{MOUNTED}/full || :")


# It listens somewhere, or would not run.
REDIS = "redis-server --port 0 --unixsocket /run/redis.socket"

WAYS = (
    # What could not be executed.
    Way("missing program", ("bad:3:respawn:/usr/sbin/nginxx -c /srv/nginx.conf",), Cause.NOT_EXECUTED,
        ("203/EXEC: the program /usr/sbin/nginxx",)),
    Way("program not executable", ("bad:3:once:/srv/not-executable",), Cause.NOT_EXECUTED,
        ("203/EXEC: the program /srv/not-executable",)),
    Way("missing user", ("bad:3:respawn:postgres -D /var/lib/postgresql/whole",), Cause.NOT_EXECUTED,
        ("217/USER: User=postgress",), directives=("bad:User=postgress",)),
    Way("missing group", ("bad:3:respawn:postgres -D /var/lib/postgresql/whole",), Cause.NOT_EXECUTED,
        ("216/GROUP: Group=postgress",), directives=("bad:Group=postgress",)),
    Way("missing directory", (f"bad:3:respawn:{REDIS}",), Cause.NOT_EXECUTED,
        ("200/CHDIR: WorkingDirectory=/srv/nowhere",), directives=("bad:WorkingDirectory=/srv/nowhere",)),
    Way("missing EnvironmentFile", (f"bad:3:respawn:{REDIS}",), Cause.NOT_EXECUTED,
        ("for want of EnvironmentFile=/etc/nowhere.env",), directives=("bad:EnvironmentFile=/etc/nowhere.env",)),
    Way("missing directory of the log", (f"bad:3:respawn:{REDIS}",), Cause.NOT_EXECUTED,
        ("209/STDOUT: StandardOutput=append:/srv/nowhere/redis.log",),
        directives=("bad:StandardOutput=append:/srv/nowhere/redis.log",)),
    Way("missing path in a sandbox", (f"bad:3:respawn:{REDIS}",), Cause.NOT_EXECUTED,
        ("226/NAMESPACE: ReadWritePaths=/srv/nowhere",), directives=("bad:ReadWritePaths=/srv/nowhere",)),
    Way("missing credential", ("bad:3:wait:true",), Cause.NOT_EXECUTED,
        ("243/CREDENTIALS: LoadCredential=key:/srv/nowhere.key",),
        directives=("bad:LoadCredential=key:/srv/nowhere.key",)),
    # What ran, and failed.
    Way("failing test of a configuration", ("bad:3:test:nginx -t -c /srv/bad-nginx.conf",), Cause.TEST_FAILED,
        ("exited with 1", "nginx -t -c /srv/bad-nginx.conf"), last_words=('unknown directive "sarver"',)),
    Way("segfault", ("bad:3:test:kill -SEGV $$",), Cause.TEST_FAILED, ("was killed by SIGSEGV",),
        directives=("bad:LimitCORE=0",)),
    Way("disk full", ("bad:3:test:initdb --no-sync -D /srv/small/pg",), Cause.TEST_FAILED, ("exited with 1",),
        last_words=("No space left on device",),
        directives=("bad:User=postgres",), before=_fill),
    Way("wrong user", ("bad:3:test:initdb --no-sync -D /srv/pg",), Cause.TEST_FAILED, ("exited with 1",),
        last_words=("cannot be run as root",)),
    Way("timeout of a wait", ("bad:3:wait:until redis-cli -s /srv/nowhere ping; do sleep 0.1; done",),
        Cause.TIMED_OUT, ("did not end within 1 s (TimeoutStartSec=)",), directives=("bad:TimeoutStartSec=1s",)),
    Way("timeout of a once", (f"bad:3:once:{REDIS}",), Cause.TIMED_OUT,
        ("ran for longer than 1 s (RuntimeMaxSec=)",), directives=("bad:RuntimeMaxSec=1s",), later=nothing),
    Way("timeout of the start of a respawn", (f"bad:3:respawn:{REDIS}",), Cause.DOWN,
        ("did not start within 1 s (TimeoutStartSec=)",), later=nothing, before=_notify),
    # What somebody has done.
    Way("stopped by hand", (f"bad:3:respawn:{REDIS}",), Cause.DOWN, ("does not run", "stopped"),
        unsaid=("stopped by",), later=_when_done(_stop), next_request=Mends.ALL),
    Way("stopped with clinitctl", (f"bad:3:respawn:{REDIS}",), Cause.DOWN,
        (f"does not run: it was stopped by {USER} with 'clinitctl stop ",),
        later=_when_done(_stop_with_clinitctl), next_request=Mends.ALL),
    Way("stopped with sudo", (f"bad:3:respawn:{REDIS}",), Cause.DOWN,
        (f"does not run: it was stopped by {USER} with '/usr/bin/systemctl stop ",),
        later=_when_done(_stop_with_sudo), next_request=Mends.ALL),
    Way("wait stopped by hand", ("bad:3:wait:exec sleep 30",), Cause.BROKEN_OFF, ("was stopped before it ended",),
        unsaid=("stopped by",), later=_while_it_starts(_stop)),
    Way("wait stopped with sudo", ("bad:3:wait:exec sleep 30",), Cause.BROKEN_OFF,
        (f"was stopped by {USER} with '/usr/bin/systemctl stop ", "' before it ended"),
        later=_while_it_starts(_stop_with_sudo)),
    Way("killed by hand", ("bad:3:test:kill -KILL $$",), Cause.TEST_FAILED, ("was killed by SIGKILL",)),
    Way("masked", (f"bad:3:respawn:{REDIS}",), Cause.MASKED, ("is masked", "systemctl unmask"),
        before=_mask),
    Way("refused drop-in", (f"bad:3:respawn:{REDIS}",), Cause.NOT_LOADED,
        ("cannot be loaded", "bad-setting", "/override.conf"),
        before=lambda group: drop_in(group, "bad", "[Service]", "ExecStart=")),
    Way("refused start", (f"bad:3:respawn:{REDIS}",), Cause.NEVER_STARTED, ("was not started",),
        before=lambda group: drop_in(group, "bad", "[Unit]", "Requires=failing.service", "After=failing.service")),
    Way("condition of a drop-in", (f"bad:3:respawn:{REDIS}",), Cause.SKIPPED,
        ("is skipped", "ConditionPathExists=/srv/nowhere does not hold"), state="DONE",
        before=lambda group: drop_in(group, "bad", "[Unit]", "ConditionPathExists=/srv/nowhere")),
    Way("strayed", (f"bad:3:respawn:{REDIS}",), Cause.STRAYED, ("has left its control group", "/elsewhere"),
        later=_when_done(_stray), next_request=Mends.ALL),
    # What dies again and again.
    Way("dies at once", ("bad:3:respawn:redis-server /srv/bad-redis.conf",), Cause.PAUSED,
        ("ends too fast", "pauses for 60 s"), last_words=("argument must be a memory value",), later=nothing,
        state="DONE"),
    Way("port taken by another", (f"bad:3:respawn:redis-server --port {PORT}",), Cause.PAUSED,
        ("ends too fast",), last_words=("Address already in use",), later=nothing, state="DONE"),
    Way("missing data directory", ("bad:3:respawn:postgres -D /var/lib/postgresql/nowhere",), Cause.PAUSED,
        ("ends too fast",), directives=("bad:User=postgres",), later=nothing, state="DONE"),
    Way("data directory of another", ("bad:3:respawn:postgres -D /srv/stolen/pg",), Cause.PAUSED,
        ("ends too fast",), directives=("bad:User=postgres",), later=nothing, state="DONE"),
    Way("dies every 2 s", ("bad:3:respawn:sleep 2; exit 5",), Cause.KEEPS_ENDING,
        ("ends again and again", "started again"), later=nothing, state="DONE"),
    # nginx tries for 2.5 s.
    Way("port taken by another, slowly", ("bad:3:respawn:nginx -c /srv/nginx.conf",), Cause.KEEPS_ENDING,
        ("ends again and again", "nginx -c /srv/nginx.conf"), last_words=("Address already in use",), later=nothing,
        state="DONE"),
    Way("failing mount that is required", ("bad:3:wait:mount /dev/nosuch /mnt",), Cause.REQUIRED_FAILED,
        ("exited with 32",), unsaid=("no failure",), last_words=("special device /dev/nosuch does not exist",),
        required=True),
    # What has failed, and does not fail its group.
    Way("failing mount in a wait", ("bad:3:wait:mount /dev/nosuch /mnt",), Cause.ENDED_BADLY,
        ("exited with 32", "no failure of a wait"), last_words=("special device /dev/nosuch does not exist",),
        state="DONE"),
    Way("once that is killed", (f"bad:3:once:{REDIS}",), Cause.ENDED_BADLY,
        ("was killed by SIGKILL", "no failure of a once"),
        later=_when_done(lambda group: _kill(group, "KILL")), state="DONE"),
    Way("refused restart", (f"bad:3:respawn:{REDIS}",), Cause.DOWN, ("does not run", "killed by SIGKILL"),
        later=_when_done(_refuse_restart), next_request=Mends.ALL),
    Way("missing program in a shell", ("bad:3:once:redis-serverr --port 0 >/dev/null",), Cause.NOT_RUN,
        ("exited with 127", "there is no such program"), later=nothing, state="DONE"),
)  # fmt: skip

# What needs cgroup controllers, in a group with these limits.
MEMORY, TASKS = "32M", "6"
LIMITED = (
    Way("out of memory", ("bad:3:wait:exec perl -e '$x = \"x\" x (128 << 20)'",), Cause.OUT_OF_MEMORY,
        ("was killed", "no memory left (MemoryMax=32M of its group)")),
    # Nobody waits for its children.
    Way("out of tasks", ("bad:3:test:perl -e 'for (1..8) { defined($p = fork) or die \"$!\"; $p or exit }'",),
        Cause.TEST_FAILED, ("exited with 11",)),
)  # fmt: skip
