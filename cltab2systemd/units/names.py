r"""Unit names: the interface that drop-ins, slices and people's commands hang on. Pure.

A name is PREFIX-GROUP@INSTANCE.TYPE. Gates and barriers have prefixes of their own, so that a drop-in for all entries
(`clinit-.service.d/`) never reaches them.

Names are escaped: see `escape`. In the name of a slice a hyphen is `\x2d`: there it would be a step down, and the
slice would nest in another group's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cltab2systemd.text import decoded, escape

LONGEST_UNIT_NAME = 255
# systemd links each service that runs to the id of its run, as `invocation:UNIT` in a directory. There is no link where
# that is longer than the name of a file can be, and then nothing tells a check whether its entry is still the same run.
LONGEST_ASKED_NAME = 255 - len("invocation:")

# The level that stops a group for good. No table can name it, for it holds colons; the ancestor's clients send it.
HALT_LEVEL = ":::SHUTDOWN:::"

# What the state directory of the system instance is named; another's is its suffix.
SYSTEM_INSTANCE = "system"

# What the machine boots to; a group with a boot level comes up with it.
BOOT_TARGET = "multi-user.target"
_BOOT_PREFIX = f"{BOOT_TARGET}.d/clinit-"

# What the marker of a group ends with. It is the only target without an `@`, so `a-unnamed` can be a group as well.
_UNNAMED = "-unnamed"

_ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")
_BUS_ESCAPED = re.compile(r"_([0-9a-f]{2})")
_NO_LABEL = re.compile("^[0-9]|[^A-Za-z0-9]")


def unescape(text: str) -> str:
    """The group, tag or level that `escape` made the text of."""
    if "\\" not in text:
        return text
    data = _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), text.encode("ascii", "surrogateescape"))
    return decoded(data)


def bus_label(unit: str) -> bytes:
    """A unit's name as an element of a D-Bus object path: all but letters and digits, and a leading digit, as `_xx`."""
    return _NO_LABEL.sub(lambda found: f"_{ord(found[0]):02x}", unit).encode("ascii")


def unit_of_bus_path(path: str) -> str:
    """The unit that a D-Bus object path of systemd's names; the last element escapes bytes as `_xx`."""
    return _BUS_ESCAPED.sub(lambda match: chr(int(match[1], 16)), path.rpartition("/")[2])


def health_of(entry_unit: str) -> str:
    """The service that asks whether the entry with a service is well."""
    return "clinithealth" + entry_unit.removeprefix("clinit")


@dataclass(frozen=True, slots=True)
class Names:
    """The unit names of one instance. `suffix` is empty for the system instance, else see `instance_names`."""

    suffix: str = ""

    @property
    def instance(self) -> str:
        """The name of the instance's state directory."""
        return self.suffix.removeprefix("_") or SYSTEM_INSTANCE

    @property
    def entry_prefix(self) -> str:
        """What the names of entries, level targets, markers and slices start with."""
        return f"clinit{self.suffix}-"

    def entry(self, group: str, tag: str) -> str:
        """The service of an entry."""
        return f"clinit{self.suffix}-{escape(group)}@{escape(tag)}.service"

    def level(self, group: str, level: str) -> str:
        """The target of a level."""
        return f"clinit{self.suffix}-{escape(group)}@{escape(level)}.target"

    def level_template(self, group: str) -> str:
        """The template of the targets of levels that no entry names."""
        return f"clinit{self.suffix}-{escape(group)}@.target"

    def unnamed(self, group: str) -> str:
        """The marker target: active at a level that no entry names."""
        return f"clinit{self.suffix}-{escape(group)}{_UNNAMED}.target"

    @property
    def top_slice(self) -> str:
        """The slice around the slices of all groups."""
        return f"clinit{self.suffix}.slice"

    def slice(self, group: str) -> str:
        """The slice of a group; a hyphen of the group's is escaped, for in a slice it means another slice around it."""
        escaped = escape(group).replace("-", "\\x2d")
        return f"clinit{self.suffix}-{escaped}.slice"

    def notice(self, number: int) -> str:
        """The service that tells of news, of the administrator's template; no pattern of a group's matches it."""
        return f"clinitnotify{self.suffix}@{number}.service"

    def trial_timer(self, group: str, deadline: int) -> str:
        """The transient timer that starts the daemon at the end of a trial; no pattern of the group's matches it."""
        return f"clinittrial{self.suffix}-{escape(group)}-{deadline}.timer"

    def limits(self, group: str) -> str:
        """The transient service that puts limits of a group's slice in force; no pattern of the group's matches it."""
        return f"clinitlimits{self.suffix}-{escape(group)}.service"

    def preflight(self, number: str) -> str:
        """The service of one run of a preflight; no pattern of a group's matches it."""
        return f"clinitpreflight{self.suffix}-{number}.service"

    @staticmethod
    def boot(group: str) -> str:
        """The drop-in that brings a group to its boot level, below the directory of the units."""
        return f"{_BOOT_PREFIX}{escape(group)}.conf"

    def first_gate(self, group: str) -> str:
        """The gate before the first entry."""
        return f"clinitgate{self.suffix}-{escape(group)}.service"

    def gate(self, group: str, tag: str) -> str:
        """The gate behind an entry."""
        return f"clinitgate{self.suffix}-{escape(group)}@{escape(tag)}.service"

    def barrier(self, group: str, level: str) -> str:
        """The barrier of a level."""
        return f"clinitbarrier{self.suffix}-{escape(group)}@{escape(level)}.service"

    def barrier_template(self, group: str) -> str:
        """The template of the barriers of levels that no entry names."""
        return f"clinitbarrier{self.suffix}-{escape(group)}@.service"

    def health(self, group: str, tag: str) -> str:
        """The service that asks once whether an entry is well."""
        return health_of(self.entry(group, tag))

    def health_timer(self, group: str, tag: str) -> str:
        """The timer that starts that service again and again while the entry is up."""
        return self.health(group, tag).removesuffix("service") + "timer"

    def patterns(self, group: str) -> tuple[str, ...]:
        """Globs for all loaded units that tell the state of a group; systemd matches with FNM_NOESCAPE."""
        escaped = escape(group)
        return (
            f"clinit{self.suffix}-{escaped}@*",
            f"clinitbarrier{self.suffix}-{escaped}@*.service",
        )

    def health_pattern(self, group: str) -> str:
        """Likewise for the services and timers that ask about its entries, of a group that has some."""
        return f"clinithealth{self.suffix}-{escape(group)}@*"

    def is_health(self, unit: str) -> bool:
        """Whether a unit is a service or a timer that asks about an entry of this instance."""
        return unit.startswith(f"clinithealth{self.suffix}-")

    def all_patterns(self, group: str) -> tuple[str, ...]:
        """Globs for all loaded units of a group that a job can be queued for."""
        escaped = escape(group)
        return (
            *self.patterns(group),
            self.unnamed(group),
            self.first_gate(group),
            f"clinitgate{self.suffix}-{escaped}@*.service",
        )

    def group_of(self, unit: str) -> str | None:
        """The group that a unit of this instance, or its boot drop-in, belongs to; None for any other unit."""
        if not self.suffix and unit.startswith(_BOOT_PREFIX):
            return unescape(unit[len(_BOOT_PREFIX) :].removesuffix(".conf"))
        prefix, _, rest = unit.partition("-")
        if self.suffix and not prefix.endswith(self.suffix):
            return None
        stem, _, kind = rest.rpartition(".")
        name, at, _ = stem.partition("@")
        match prefix.removesuffix(self.suffix), kind, at:
            case ("clinit", "service" | "target", "@"):
                pass
            case ("clinitgate", "service", _) | ("clinitbarrier", "service", "@"):
                pass
            case ("clinithealth", "service" | "timer", "@"):
                pass
            case ("clinit", "target", "") if name.endswith(_UNNAMED):
                name = name.removesuffix(_UNNAMED)
            case ("clinit", "slice", "") if "-" not in name:
                pass
            case _:
                return None
        return unescape(name) or None

    def level_of(self, unit: str, group: str) -> str | None:
        """The level that a level target of the group stands for; None for any other unit."""
        prefix = f"clinit{self.suffix}-{escape(group)}@"
        if not unit.startswith(prefix) or not unit.endswith(".target"):
            return None
        return unescape(unit[len(prefix) : -len(".target")]) or None
