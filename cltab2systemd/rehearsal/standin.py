r"""What stands in for the commands of a table: drop-ins for their units, and the scripts that these name. Pure.

Of a unit all stays but its command. In its place runs a small script, so that users, limits, sandboxing, directories
and files of directives are real. The script looks for the programs of the command, from within the unit, and says why
they could not be executed. Then it does what an entry of the mode does: it ends, or is there until it is stopped.

The unit's `ExecStart=` is what the plan makes of an entry with the script as its command. So a `respawn` entry goes on
to count its restarts, and what systemd executes without a shell it goes on to execute without one.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cltab2systemd.check.needs import DEFAULT_PATH, SearchPath, needs
from cltab2systemd.check.needs import Kind as Needed
from cltab2systemd.probing.exits import HAS_ENDED
from cltab2systemd.table.directives import covers_run
from cltab2systemd.table.model import readiness_tag
from cltab2systemd.table.settings import Kind, setting_line
from cltab2systemd.units import commands, unitfile
from cltab2systemd.units.kinds import EntryUnit
from cltab2systemd.units.plan import plan_group

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from cltab2systemd.table.model import Entry, ResourceGroup
    from cltab2systemd.units.names import Names

DIRECTORY = "/run/rehearsal"
"""Where the scripts are in the node."""
DROP_IN = "zzzz-rehearsal.conf"
"""The name of the drop-ins: the last of a unit's."""
VARIABLE = "CLINIT_REHEARSAL"
"""The environment variable by which a command knows that this is a rehearsal: it is 1."""
SAYS = "rehearsal: "
"""What the lines of stand-ins begin with."""
PREFLIGHTS = "clinitpreflight-.service"
"""The prefix of all units of preflights, as drop-ins name it."""

# systemd.exec(5): the program could not be executed.
_NOT_EXECUTED = 203
_NOT_THERE, _NOT_EXECUTABLE = 127, 126
_ROOTS = frozenset({"RootDirectory", "RootImage", "RootMStack"})

# It starts no process but `systemd-notify` unless something is wrong: a limit of tasks is real, too.
_SCRIPT = f"""\
#!/bin/sh
say() {{ printf '%s\\n' "{SAYS}$*" >&2; }}
who() {{ id -un 2>/dev/null || echo "its user"; }}
stop() {{ # with the status that systemd or a shell has for it
	say "$2"
	exit "${{refusal:-$1}}"
}}
reach() {{ # the file $1, which has to be $2: x or r; $3 is what cannot be done without it
	way= rest=${{1#/}}
	while :; do
		way=$way/${{rest%%/*}}
		[ -e "$way" ] || [ -L "$way" ] || stop 127 "$3: there is no $way"
		case $rest in */*) rest=${{rest#*/}} ;; *) break ;; esac
		[ -d "$way" ] || stop 127 "$3: $way is no directory"
		[ -x "$way" ] || stop 126 "$3: $(who) may not enter $way"
	done
	[ -e "$way" ] || stop 127 "$3: $way is a link to nothing"
	[ -f "$way" ] || stop 126 "$3: $way is no file"
	[ "-$2" "$way" ] && return
	case $2 in x) stop 126 "$3: $(who) may not execute $way" ;; *) stop 126 "$3: $(who) may not read $way" ;; esac
}}
find() {{ # the program $1 in PATH, as file
	rest=$PATH:
	while [ "$rest" ]; do
		file=${{rest%%:*}}/$1 rest=${{rest#*:}}
		[ -f "$file" ] && [ -x "$file" ] && return
	done
	return 1
}}
program() {{
	case $1 in
	/*) file=$1 ;;
	*/*) file=$PWD/$1 ;;
	*) find "$1" || stop 127 "there is no program $1 that $(who) may execute, in PATH=$PATH" ;;
	esac
	case $file in /*) ;; *) return ;; esac
	reach "$file" x "cannot execute $1"
	line=
	IFS= read -r line 2>/dev/null <"$file"
	case $line in '#!'*) interpreter "$1" "${{line#??}}" ;; esac
}}
interpreter() {{
	case $2 in *"$return")
		stop 127 "cannot execute $1: its lines end with a carriage return, and so its interpreter's name" ;;
	esac
	called=$1
	set -f
	set -- $2
	set +f
	reach "$1" x "cannot execute $called: its interpreter"
	case $1:$2 in */env:|*/env:-*|*/env:*=*) return ;; */env:*) ;; *) return ;; esac
	find "$2" || stop 127 "cannot execute $called: there is no program $2 in PATH=$PATH"
}}
script() {{ before=$refusal refusal=2; reach "$1" r "cannot read $1"; refusal=$before; }}
directory() {{ cd -- "$1" 2>/dev/null || stop 2 "cannot enter $1"; }}
ready() {{ systemd-notify --ready || PATH=$PATH:/usr/bin:/bin systemd-notify --ready; }}
run_on() {{ PATH=$PATH:/usr/bin:/bin; exec sleep infinity; }}
return='\r' refusal=
"""


@dataclass(frozen=True, slots=True)
class StandIns:
    """What stands in for the commands of a table, by group.

    Attributes:
        drop_ins: their text by the names of units, by group.
        scripts: their text by their names in `DIRECTORY`.
        preflights: for each line of a unit of a preflight, the script that stands in for it.
        unseen: what cannot be told of an entry, by tag.
    """

    drop_ins: dict[str, dict[str, str]] = field(default_factory=dict)
    scripts: dict[str, str] = field(default_factory=dict)
    preflights: dict[str, str] = field(default_factory=dict)
    unseen: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which commands run for real, and which are to fail, by tag."""

    real: Collection[str] = ()
    all_real: bool = False
    failing: Collection[str] = ()

    def is_real(self, entry: Entry) -> bool:
        """Whether the command of an entry is run, and so are the checks of that entry."""
        return self.runs(entry.ready_of or entry.tag)

    def runs(self, tag: str) -> bool:
        """Likewise, by its tag."""
        return tag not in self.failing and (self.all_real or tag in self.real)

    def fails(self, tag: str) -> bool:
        """Whether an entry is to fail, by its tag; what fails is not ready either."""
        return tag in self.failing or tag in map(readiness_tag, self.failing)


def stand_ins(names: Names, groups: Iterable[ResourceGroup], choice: Choice, side: str) -> StandIns:
    """What stands in for the commands of groups.

    Args:
        names: the unit names.
        groups: with the lines of one table.
        choice: which commands run for real.
        side: of the table, for the names of scripts.
    """
    found = StandIns()
    for group in groups:
        drop_ins = found.drop_ins.setdefault(group.name, {})
        scripts: dict[str, str] = {}  # by tag
        for entry in group.entries:
            if choice.is_real(entry):
                continue
            name = f"{side}-{len(found.scripts)}"
            scripts[entry.tag] = f"{DIRECTORY}/{name}"
            asked = entry.ready is not None and entry.ready.probe is not None and bool(entry.ready_of)
            shown = replace(entry, command="") if asked else entry
            found.scripts[name] = _script(shown, fails=choice.fails(entry.tag))
        standing = replace(
            group,
            entries=tuple(
                replace(entry, command=scripts[entry.tag]) if entry.tag in scripts else entry for entry in group.entries
            ),
        )
        units = {unit.name: unit for unit in plan_group(names, standing).units if isinstance(unit, EntryUnit)}
        for entry in group.entries:
            if path := scripts.get(entry.tag):
                unit = units[names.entry(group.name, entry.tag)]
                drop_ins[unit.name] = _drop_in(entry, path if entry.ready_of else unit.command_line, path, found)
                _checks(names, entry, drop_ins, found, side)
    return found


def _checks(names: Names, entry: Entry, drop_ins: dict[str, str], found: StandIns, side: str) -> None:
    """Have scripts stand in for the health check and the preflight of an entry."""
    if entry.ready_of:
        return
    for kind, check in entry.checks:
        if kind is Kind.READY:
            continue
        name = f"{side}-{len(found.scripts)}"
        found.scripts[name] = _script(replace(entry, command="" if check.probe else check.command), ends=True)
        path = f"{DIRECTORY}/{name}"
        if kind is Kind.HEALTH:
            drop_ins[names.health(entry.group, entry.tag)] = f"[Service]\nExecStart=\nExecStart={path}\n"
        else:
            line = f"# {unitfile.comment(setting_line(kind, entry.tag, check.text))}"
            found.preflights[line] = path


def preflight_script(found: Iterable[StandIns]) -> str:
    """The script that stands in for all preflights; its argument is the unit that it is run by.

    These units have names of their own at each run. The script knows them by the line of the table that is in them.
    """
    cases = {line: path for each in found for line, path in each.preflights.items()}
    return (
        "#!/bin/sh\n"
        "while IFS= read -r line; do case $line in '# :::'*) break ;; esac; done <\"/run/systemd/system/$1\"\n"
        "case $line in\n" + "".join(f"{shlex.quote(line)}) exec {path} ;;\n" for line, path in cases.items()) + "esac\n"
    )


def preflight_drop_in() -> str:
    """The drop-in that has that script run."""
    return f"[Service]\nExecStart=\nExecStart={DIRECTORY}/preflight %n\n"


def _drop_in(entry: Entry, command_line: str, script: str, found: StandIns) -> str:
    lines = ["[Service]", "ExecStart=", f"ExecStart={command_line}"]
    if entry.notifies:
        lines.append("NotifyAccess=all")  # it is a child of the script that says so
    if roots := [directive for directive in entry.directives if directive.name in _ROOTS and directive.value]:
        # There need not be a shell in there.
        lines += [f"{directive.name}=" for directive in roots]
        found.unseen[entry.tag] = f"{roots[-1].line}: its stand-in runs outside of that"
    elif covers_run(entry.directives):
        lines.append(f"BindReadOnlyPaths=-{script}")
    return "".join(f"{line}\n" for line in lines)


def _script(entry: Entry, *, fails: bool = False, ends: bool = False) -> str:
    """The script that stands in for a command.

    Args:
        entry: whose command it is.
        fails: whether it is to fail.
        ends: whether it ends, whatever the mode says.
    """
    lines = [*_looks(entry.command)]
    if fails:
        status = HAS_ENDED if entry.ready_of else 1
        lines += ["say 'fails, for --fail names it'", f"exit {status}"]
    if entry.notifies and not ends:
        lines.append("ready")
    lines.append("run_on" if entry.mode.is_restarted and not ends else "exit 0")
    return _SCRIPT + "".join(f"{line}\n" for line in lines)


def _looks(command: str) -> Iterable[str]:
    """What a script looks for in the name of a command, in the order in which the command needs it."""
    if not command:
        return
    plain = commands.plain(command)
    if plain is not None:
        yield f"refusal={_NOT_EXECUTED}"
    is_elsewhere = False  # in a directory that only the command itself would make
    for need in needs(command):
        is_relative = "/" in need.text and not need.text.startswith("/")
        if need.may_be_made(DEFAULT_PATH, is_there=True) or (is_elsewhere and is_relative) or need.root:
            is_elsewhere = is_elsewhere or need.kind is Needed.DIRECTORY
        elif need.kind is Needed.DIRECTORY:
            yield f"directory {shlex.quote(need.text)}"
        elif need.kind is Needed.FILE:
            if need.text.startswith("/"):
                yield f"script {shlex.quote(need.text)}"
        elif need.kind is not Needed.PROGRAM:
            continue  # what others have written, and where, is not there
        elif need.searched is SearchPath.OWN or "/" in need.text:
            yield f"program {shlex.quote(need.text)}"
