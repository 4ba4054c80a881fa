"""Unit names: escaping that nothing collides in, and the way back from a unit to its group and level."""

import itertools
import re
import subprocess
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import ANY_NAME

from cltab2systemd.text import encoded, escape
from cltab2systemd.units.names import Names, unescape, unit_of_bus_path

NAMES = Names()
OTHER = Names("_1234abcd")

CONSTRUCTORS: dict[str, Callable[[Names, str, str], str]] = {
    "entry": lambda names, group, text: names.entry(group, text),
    "gate": lambda names, group, text: names.gate(group, text),
    "level": lambda names, group, text: names.level(group, text),
    "barrier": lambda names, group, text: names.barrier(group, text),
    "level_template": lambda names, group, _: names.level_template(group),
    "barrier_template": lambda names, group, _: names.barrier_template(group),
    "unnamed": lambda names, group, _: names.unnamed(group),
    "slice": lambda names, group, _: names.slice(group),
    "first_gate": lambda names, group, _: names.first_gate(group),
    "health": lambda names, group, text: names.health(group, text),
    "health_timer": lambda names, group, text: names.health_timer(group, text),
}


def units(names: Names, group: str, text: str = "x") -> dict[str, str]:
    """One unit of each kind."""
    return {kind: make(names, group, text) for kind, make in CONSTRUCTORS.items()}


def matches(pattern: str, unit: str) -> bool:
    """fnmatch(3) with FNM_NOESCAPE, as systemd calls it: `*` is any text; a backslash is one. No pattern has more."""
    assert not set(pattern) & set("?[]")
    return bool(re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), unit))


def test_the_names_are_an_interface() -> None:
    """Drop-ins hang on these names: they do not change."""
    expected = {
        "entry": "clinit-web@db.service",
        "gate": "clinitgate-web@db.service",
        "level": "clinit-web@db.target",
        "barrier": "clinitbarrier-web@db.service",
        "level_template": "clinit-web@.target",
        "barrier_template": "clinitbarrier-web@.service",
        "unnamed": "clinit-web-unnamed.target",
        "slice": "clinit-web.slice",
        "first_gate": "clinitgate-web.service",
        "health": "clinithealth-web@db.service",
        "health_timer": "clinithealth-web@db.timer",
    }
    assert expected == units(NAMES, "web", "db")
    assert units(OTHER, "web")["entry"] == "clinit_1234abcd-web@x.service"


@given(ANY_NAME)
def test_escape_round_trip(name: str) -> None:
    """What was escaped comes back, and an escaped name has only characters that a unit name may have."""
    escaped = escape(name)
    assert name == unescape(escaped)
    assert re.fullmatch(r"[A-Za-z0-9:_.\\-]+", escaped)
    assert not escaped.startswith(".")


@given(st.lists(ANY_NAME, min_size=2, max_size=2, unique=True))
def test_no_two_names_collide(pair: list[str]) -> None:
    """Two names never make one unit name."""
    assert escape(pair[0]) != escape(pair[1])


@settings(deadline=None)
@given(st.lists(st.tuples(ANY_NAME, ANY_NAME), min_size=1, max_size=3, unique=True))
def test_no_two_units_collide(pairs: list[tuple[str, str]]) -> None:
    """No two kinds of unit, groups, tags or instances share a name."""
    fixed = {"level_template", "barrier_template", "unnamed", "slice", "first_gate"}
    keys = {
        (names, kind, group, "" if kind in fixed else text): unit
        for names, (group, text) in itertools.product((NAMES, OTHER), pairs)
        for kind, unit in units(names, group, text).items()
    }
    assert len(keys) == len(set(keys.values()))


@pytest.mark.parametrize("group", ["a/b", "a-b", "-", "/", "web-unnamed", "-a"])
def test_a_slice_never_nests_in_another_groups(group: str) -> None:
    """A dash in a slice's name is a step down: there is just the one under clinit.slice."""
    assert NAMES.slice(group).count("-") == 1
    assert "/" not in NAMES.slice(group)


def test_equals_systemd_escape() -> None:
    """Names are escaped as systemd-escape(1) does, so that people can use it; but for the slash and the hyphen."""
    characters = [chr(code) for code in range(1, 0x180) if chr(code) not in "/-"]
    texts = [f"{text}" for c in characters for text in (f"a{c}", f"a{c}b")]
    texts += ["a.b", ".a", "..", "é数", "x\\x2d", "web", "a:b_c", "%i", "\udcff", "caf\udce9", ".\udcff"]
    done = subprocess.run(
        [b"/usr/bin/systemd-escape", b"--", *(encoded(text) for text in texts)],
        check=True,
        capture_output=True,
    )
    assert done.stdout.decode("ascii").rstrip("\n").split(" ") == [escape(text) for text in texts]
    assert escape("a/b") == "a\\x2fb"
    assert escape("a-b") == "a-b"


@given(ANY_NAME)
def test_systemd_escape_and_sed(name: str) -> None:
    """The command that the documents give for a unit's name gives it: systemd-escape(1), then sed(1)."""
    escaped_by_systemd = escape(name).replace("-", "\\x2d").replace("\\x2f", "-")
    assert escape(name) == escaped_by_systemd.replace("-", "\\x2f").replace("\\x2d", "-")


@settings(deadline=None)
@given(ANY_NAME, ANY_NAME, st.sampled_from([NAMES, OTHER]))
def test_the_way_back(group: str, text: str, names: Names) -> None:
    """Every unit tells its group, a level target its level, and nobody takes another instance's units for its own."""
    other = OTHER if names is NAMES else NAMES
    for kind, unit in units(names, group, text).items():
        assert group == names.group_of(unit)
        assert other.group_of(unit) is None
        assert (text if kind == "level" else None) == names.level_of(unit, group)
        assert other.level_of(unit, group) is None


@pytest.mark.parametrize(
    "unit",
    [
        "clinit.service", "clinit.slice", "clinit.socket", "ssh.service", "clinitx-web@db.service", "web", "", "-",
        "clinit-", "clinit_1234abc-web.slice", "xclinit-web.slice", "clinit-web.service", "clinit-exporter.timer",
        "clinit-web@db.socket", "clinit-web@db.slice", "clinit-a-b.slice", "clinit-unnamed.target",
        "clinit--unnamed.target",
        "clinit-web.target", "clinit-@a.service", "clinit-.slice", "clinitgate-web.target", "clinitbarrier-web.service",
        "clinitgate_1234abc-web.service", "clinitgate-.service", "clinithealth-web.service",
        "clinithealth-web@db.target",
    ],
)  # fmt: skip
def test_other_units_have_no_group(unit: str) -> None:
    """Units that are not of this instance are left alone."""
    assert NAMES.group_of(unit) is None
    assert OTHER.group_of(unit) is None


def test_level_of_another_group() -> None:
    """A group whose name another's begins with is another group."""
    assert NAMES.level_of("clinit-web2@1.target", "web") is None
    assert NAMES.level_of("clinit-web@1.service", "web") is None


def test_hyphens_stay() -> None:
    """What people type for a group `web-shop` with a tag `php-fpm` is the unit's name; only its slice is escaped."""
    found = units(NAMES, "web-shop", "php-fpm")
    expected = {
        "entry": "clinit-web-shop@php-fpm.service",
        "gate": "clinitgate-web-shop@php-fpm.service",
        "level": "clinit-web-shop@php-fpm.target",
        "barrier": "clinitbarrier-web-shop@php-fpm.service",
        "level_template": "clinit-web-shop@.target",
        "barrier_template": "clinitbarrier-web-shop@.service",
        "unnamed": "clinit-web-shop-unnamed.target",
        "slice": "clinit-web\\x2dshop.slice",
        "first_gate": "clinitgate-web-shop.service",
        "health": "clinithealth-web-shop@php-fpm.service",
        "health_timer": "clinithealth-web-shop@php-fpm.timer",
    }
    assert expected == found


ODD_GROUPS = [
    "web", "web-shop", "web-", "-web", "-", "--", "a", "a-unnamed", "unnamed", "-unnamed", "a-unnamed-unnamed",
    "_12345678-x", "_1234abcd", "_1234abcd-web", "web_1234abcd", "gate-web", "a@b", "a/b", "a\\b", "a\\x2db", "a-b",
    "a@.target", "multi-user",
]  # fmt: skip


def test_groups_that_look_alike() -> None:
    """Of groups whose names begin or end like another's, or like a unit's, each has its own units, in each instance."""
    names_of = [(names, group) for names in (NAMES, OTHER, Names("_12345678")) for group in ODD_GROUPS]
    owners = {
        unit: (names.suffix, group)
        for names, group in names_of
        for text in ODD_GROUPS
        for unit in (*units(names, group, text).values(), names.boot(group))
        if unit != names.boot(group) or not names.suffix
    }
    for unit, (suffix, group) in owners.items():
        assert [(suffix, group)] == [
            (names.suffix, found)
            for names in (NAMES, OTHER, Names("_12345678"))
            if (found := names.group_of(unit)) is not None
        ]
    assert len(owners) == len(names_of) * (6 * len(ODD_GROUPS) + 5) + len(ODD_GROUPS)


STATE_KINDS = {"entry", "level", "barrier", "level_template", "barrier_template"}
JOB_KINDS = STATE_KINDS | {"gate", "first_gate", "unnamed"}


@settings(deadline=None)
@given(ANY_NAME, ANY_NAME)
def test_patterns_match_exactly(group: str, text: str) -> None:
    """The globs of a group match its units of the kinds asked for, and none of another group or instance."""
    groups = (group, group + "x", group + "-x", "x-" + group, group + "@", "*", "web")
    for names, other_group in itertools.product((NAMES, OTHER), groups):
        for patterns, kinds in ((NAMES.patterns(group), STATE_KINDS), (NAMES.all_patterns(group), JOB_KINDS)):
            found = {
                kind
                for kind, unit in units(names, other_group, text).items()
                if any(matches(pattern, unit) for pattern in patterns)
            }
            assert (kinds if names is NAMES and other_group == group else set()) == found


def test_unit_of_bus_path() -> None:
    """The last element of an object path is the unit's name, with bytes escaped as systemd does."""
    path = "/org/freedesktop/systemd1/unit/clinit_2dweb_2dshop_40a_2db_5cx2fc_2eservice"
    assert unit_of_bus_path(path) == "clinit-web-shop@a-b\\x2fc.service"
