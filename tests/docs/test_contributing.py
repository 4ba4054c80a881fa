"""docs/contributing.md: every place that a recipe names is there, and every place that the code has is named.

What a recipe must name is computed from the code (`NEEDED`): the files that already know one thing of its kind. What
counts is code: comments, docstrings and prose do not, nor what `make generated` writes, nor tables and units that are
data of tests (`recipes.searched`). Of the tests only those count that have a row or a case for each thing of the kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import recipes
from recipes import files, files_with_all, has_name, is_package, is_product, named, without

from cltab2systemd.table import directives
from cltab2systemd.table.model import Mode
from lab.install import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable

RECIPES = recipes.sections((PROJECT / "docs/contributing.md").read_text())


def of_mode() -> set[str]:
    """Who names a mode, or has a word for each; who asks for what modes mean; and who beside the package knows one."""
    properties = "|".join(name for name, value in vars(Mode).items() if isinstance(value, property))
    words = [rf"(?:[\"'`]|\.It Cm ){mode}(?:[\"'`]|\s)" for mode in Mode]
    beside = ("packaging/ocf/", "simulation/", "fuzz/")
    return (
        files(r"\bMode\.[A-Z]+\b")
        | files(rf"\.(?:{properties})\b", where=is_package)
        | {name for name in files_with_all(words, len(Mode)) if is_product(name)}
        | files(r"(?<![:\w,-])respawn(?!-)\b", where=lambda n: n.startswith(beside) and not n.endswith(".md"))
    )


def of_refused_directive() -> set[str]:
    """Who names one that is refused. Units of ours have such, too."""
    has_its_own = ("packaging/systemd/", "templates/", "tests/golden/")
    return files(r"\bRestartSteps\b|\bGuessMainPID\b", where=lambda name: not name.startswith(has_its_own))


def of_option() -> set[str]:
    """Who defines `--strict`, hands it on, or tests it; not who only gives it."""
    handed_on = files(r"\"--strict\"|\"strict\"|\bstrict: \??bool|\bstrict=strict\b", where=is_package)
    return handed_on - {"cltab2systemd/ancestor/storable.py"} | {"tests/client/test_clinit.py"}  # decode("…", "strict")


def of_command() -> set[str]:
    """Who names the command `graph`, or is named after it."""
    return files(r"[\"'`]graph[\"'`]|cltab2systemd graph\b") | {n for n in recipes.searched() if n.endswith("graph.py")}


def of_unit() -> set[str]:
    """Who names a kind of unit that has no processes, or its prefix; who asks for the name of a gate; its template."""
    kinds = [r"(?i)gate", r"(?i)barrier", r"(?i)\bmarker|unnamed", r"(?i)slice"]
    return (
        files(r"\b(?:Gate|Barrier|Marker)Unit\b|\bclinit(?:gate|barrier)\b|\.(?:first_)?gate\(", where=is_product)
        | {name for name in files_with_all(kinds, len(kinds)) if name.startswith("tests/units/")}
        | {name for name in recipes.searched() if name.startswith("templates/gate")}
    )


def of_method() -> set[str]:
    """Who names the method `Reread`, or calls what it does."""
    return files(r"\bReread\b") | files(r"\breread\(", where=is_package)


def of_check() -> set[str]:
    """Who names the code `relative-program`."""
    return files(r"\brelative-program\b")


def of_refusal() -> set[str]:
    """Who names any code of a refusal."""
    return files(r"\bRefusal\.[A-Z]|\bunnamed-level\b")


def of_phase() -> set[str]:
    """Who names a phase, what happens in one, or what is shown and told then."""
    return files(r"(?<!\.)\b(?:Phase|Event|Mark|Shown|Tells)\.[A-Z]")


NEEDED: dict[str, Callable[[], set[str]]] = {
    "A mode": of_mode,
    "A directive that tables may not give": of_refused_directive,
    "A directive that just works": set,
    "An option": of_option,
    "A command of `cltab2systemd`": of_command,
    "A kind of unit": of_unit,
    "A method for clients": of_method,
    "A check of the table": of_check,
    "A code for refusals": of_refusal,
    "A phase of the lifecycle": of_phase,
}


def left_out(heading: str, recipe: str) -> set[str]:
    """The places that a recipe has to name, and does not."""
    return NEEDED[heading]() - named(recipe).keys()


def not_there(recipe: str) -> set[str]:
    """The places, and names in them, that a recipe names, and that are not there."""
    return {
        f"{place}: {name}" if name else place
        for place, names in named(recipe).items()
        for name in names or {""}
        if not ((PROJECT / place).exists() and (not name or has_name(place, name)))
    }


def test_each_recipe_is_checked() -> None:
    """There is no recipe but those that the code is asked about."""
    assert [*RECIPES] == [*NEEDED]


@pytest.mark.parametrize("heading", NEEDED)
def test_a_recipe_leaves_nothing_out(heading: str) -> None:
    """A recipe names every file that knows a thing of its kind."""
    assert left_out(heading, RECIPES[heading]) == set()


@pytest.mark.parametrize("heading", NEEDED)
def test_what_a_recipe_names_is_there(heading: str) -> None:
    """Each file that a recipe names is there, and has the names that the recipe gives."""
    assert not_there(RECIPES[heading]) == set()


@pytest.mark.parametrize("heading", [heading for heading in NEEDED if heading != "A directive that just works"])
def test_a_place_that_is_left_out_is_missed(heading: str) -> None:
    """A recipe without any one of the places that it needs is found out, by just this place."""
    needed = NEEDED[heading]()

    assert len(needed) > 1
    for place in needed:
        assert left_out(heading, without(RECIPES[heading], place)) == {place}


def test_a_name_that_is_not_there_is_found() -> None:
    """A file that has moved, and a name that is another now, are found; a method is a name within its class."""
    recipe = (
        "- `cltab2systemd/table.py: Mode` and `cltab2systemd/table/model.py: Mood, Mode`\n"
        "- `cltab2systemd/units/names.py: Names.group_of, Names.groups_of, group_of`, `man/cltab.5: no such text`\n"
    )

    assert not_there(recipe) == {
        "cltab2systemd/table.py: Mode",
        "cltab2systemd/table/model.py: Mood",
        "cltab2systemd/units/names.py: Names.groups_of",
        "cltab2systemd/units/names.py: group_of",
        "man/cltab.5: no such text",
    }


def test_words_about_code_do_not_count() -> None:
    """Comments and docstrings are not searched; strings of the code are, also those of several lines."""
    assert "A mode is its row" not in recipes.code("cltab2systemd/table/model.py")
    assert "MAX_ARG_STRLEN" not in recipes.code("cltab2systemd/table/model.py")
    assert "LONGEST_COMMAND = 131_071" in recipes.code("cltab2systemd/table/model.py")
    assert "# Read the table again." in recipes.code("cltab2systemd/varlink.py")


def test_most_directives_just_work() -> None:
    """A directive that systemd knows is not known by name to the package."""
    name = "LimitMEMLOCK"

    assert directives.refusal(directives.SERVICE_SECTION, name) == ""
    assert files(rf"\b{name}\b", where=is_package) == set()
