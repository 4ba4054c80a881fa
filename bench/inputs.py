"""What is measured with: a table as people write them, and the same lines as a crontab, init scripts and plain units.

Ten entries make a group: programs that stay, with and without a shell's characters, and commands that end, at three
levels. All of them can be run in a node.
"""

PER_GROUP = 10
HIGHEST = "3"

_GROUP = """\
{0}:{0}_directories:123:wait:mkdir -p /run/bench-{0}/data /run/bench-{0}/log
{0}:{0}_prepare:23:wait:[ -e /run/bench-{0}/ready ] || touch /run/bench-{0}/ready
{0}:{0}_database:23:respawn:exec sleep infinity
{0}:{0}_cache:23:respawn:sleep infinity
{0}:{0}_schema:3:wait:touch /run/bench-{0}/data/schema
{0}:{0}_server:3:respawn:cd /run/bench-{0} && exec sleep infinity
{0}:{0}_worker:3:respawn:sleep infinity
{0}:{0}_exporter:23:respawn:exec sleep infinity >>/run/bench-{0}/log/exporter 2>&1
{0}:{0}_announce:3:once:echo "{0} is at level 3" >>/run/bench-{0}/log/levels
{0}:{0}_probe:1:test:test -d /run/bench-{0}/data
"""

_SCRIPT = """\
#!/bin/sh
### BEGIN INIT INFO
# Provides:          {0}
# Required-Start:    $remote_fs $syslog
# Required-Stop:     $remote_fs $syslog
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: {0} of the benchmark
### END INIT INFO
case "$1" in
start) {1} ;;
esac
"""

_SERVICE = """\
[Unit]
Description={0} of the benchmark
After=network.target

[Service]
Type=simple
ExecStart=/bin/sleep infinity
"""


def group_name(number: int) -> str:
    """The name of a group, by its number."""
    return f"app{number}"


def table(entries: int) -> str:
    """A table of so many entries, a multiple of ten."""
    return "".join(_GROUP.format(group_name(number)) for number in range(entries // PER_GROUP))


def commands(lines: int) -> list[tuple[str, str]]:
    """The name and command of each line of a table."""
    fields = (line.split(":", 4) for line in table(lines).splitlines())
    return [(tag, command) for _, tag, _, _, command in fields]


def crontab(lines: int) -> str:
    """The commands of a table of so many entries, each at a time of its own."""
    return "".join(
        f"{number % 60} {number // 60 % 24} * * * root {command}\n"
        for number, (_, command) in enumerate(commands(lines))
    )


def scripts(lines: int) -> dict[str, str]:
    """The commands of a table of so many entries as init scripts, by file name."""
    return {name: _SCRIPT.format(name, command) for name, command in commands(lines)}


def service(name: str) -> str:
    """A unit as an administrator writes it, for a program that stays."""
    return _SERVICE.format(name)


def target(group: str, wanted: list[str], after: list[str]) -> str:
    """A target as an administrator writes it: what it starts, and what it is ordered after."""
    lines = ["[Unit]", f"Description={group} of the benchmark"]
    if wanted:
        lines.append(f"Wants={' '.join(wanted)}")
    if after:
        lines.append(f"After={' '.join(after)}")
    return "\n".join(lines) + "\n"
