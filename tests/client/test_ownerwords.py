"""What somebody is told who moves a group that Pacemaker has: by XML of crm_mon as 2.1.5 writes it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cltab2systemd.client.ownerwords import (
    PROGRAMS,
    Request,
    Standing,
    standing,
    standings,
    unknown,
    unknown_at_halt,
    words,
    words_of_failure,
    words_of_halt,
)

# As `crm_mon --output-as=xml --include=none,resources --inactive --resource=web` of Pacemaker 2.1.5 writes it.
XML = """\
<pacemaker-result api-version="2.25" request="crm_mon">
  <summary>
    <current_dc present="false"/>
  </summary>
  <resources>
    {resources}
  </resources>
  <status code="0" message="OK"/>
</pacemaker-result>
"""
RESOURCE = """\
<resource id="{id}" resource_agent="ocf:clinit:group" role="Started" active="{active}" orphaned="{orphaned}" \
blocked="false" managed="{managed}" failed="false" failure_ignored="false" nodes_running_on="1">
      <node name="{node}" id="1" cached="true"/>
    </resource>
"""
STARTED = {"id": "web", "active": "true", "orphaned": "false", "managed": "true", "node": "n1"}
STOPPED = """\
<resource id="web" resource_agent="ocf:clinit:group" role="Stopped" active="false" orphaned="false" blocked="false" \
managed="true" failed="false" failure_ignored="false" nodes_running_on="0"/>
"""
REQUEST = Request("web", "m", "n1", "web", "crm_resource")
HERE = Standing(("n1",), managed=True, level="3")
TAKEN_FOR_A_FAILURE = (
    "Pacemaker had started web, db on this node: at its next monitor it takes the halt for a failure, and starts what "
    "it has stopped again, here or on another node"
)


def told(request: Request, found: Standing) -> str:
    return "\n".join(words(request, found))


def of(*resources: str) -> Standing | None:
    return standing(XML.format(resources="\n".join(resources)).encode(), "web")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, Standing(("n1",), managed=True)),
        ({"managed": "false"}, Standing(("n1",), managed=False, left_alone=("n1",))),
        ({"orphaned": "true"}, None),
        ({"id": "db"}, None),
        ({"id": "web:0"}, Standing(("n1",), managed=True)),
    ],
)
def test_how_a_resource_is(changed: dict[str, str], expected: Standing | None) -> None:
    """Where it is active, and whether Pacemaker acts on it; nothing of one that the cluster has not."""
    assert of(RESOURCE.format(**{**STARTED, **changed})) == expected


def test_a_clone_of_which_one_is_left_alone() -> None:
    """Pacemaker acts on it where it does; where it looks away, nothing is told of a move."""
    found = of(RESOURCE.format(**{**STARTED, "managed": "false"}), RESOURCE.format(**{**STARTED, "node": "n2"}))
    assert found == Standing(("n1", "n2"), managed=True, left_alone=("n1",))
    assert told(REQUEST, found) == ""
    assert told(replace(REQUEST, node="n2"), found).startswith("Pacemaker runs web on this node")


def test_resources_that_are_nowhere_or_several() -> None:
    """One that is stopped is on no node, one that is active on two is on both, and none is none."""
    assert of(STOPPED) == Standing((), managed=True)
    assert of(RESOURCE.format(**STARTED), RESOURCE.format(**{**STARTED, "node": "n2"})) == Standing(
        ("n1", "n2"), managed=True
    )
    assert of() is None


@pytest.mark.parametrize(
    "text",
    [b"", b"not XML", b"<pacemaker-result>", b"<html/>", b"<?xml version='1.0' encoding='foo'?><pacemaker-result/>"],
)
def test_what_is_no_xml_of_crm_mon(text: bytes) -> None:
    """It is no answer."""
    with pytest.raises(ValueError, match=r"."):
        standing(text, "web")


def test_nothing_to_tell() -> None:
    """Of one that is unmanaged, of the level at which it is to be, and of a stop where it does not run."""
    assert told(REQUEST, replace(HERE, managed=False)) == ""
    assert told(replace(REQUEST, level="3"), HERE) == ""
    assert told(replace(REQUEST, level="off"), Standing(("n2",), managed=True, level="3", stop_level="off")) == ""


def test_a_start_elsewhere_while_pacemaker_looks_away() -> None:
    """It does not know whether it still runs there, so nobody says that there is a second copy; but it may be one."""
    away = Standing(("n2",), managed=False, level="3", stop_level="off")
    assert told(REQUEST, away) == (
        "Pacemaker looks away from web, its resource web, which it has seen last on n2: see that it does not run there "
        "any more"
    )
    assert told(replace(REQUEST, level="off"), away) == ""
    assert told(REQUEST, replace(away, nodes=())) == ""


def test_another_level_here() -> None:
    """Pacemaker takes it back; the commands are those of the program that is there."""
    expected = {
        "pcs": "pcs resource update web level=m",
        "crm": "crm resource param web set level m",
        "crm_resource": "crm_resource --resource web --set-parameter level --parameter-value m",
    }
    assert set(expected) == set(PROGRAMS)
    for program, command in expected.items():
        said = told(replace(REQUEST, program=program), HERE)
        assert said.startswith("Pacemaker runs web on this node, as its resource web: at its next monitor ")
        assert f"\nto change its level: {command}\nto have Pacemaker look away first: " in said


def test_an_entry_that_is_stopped_by_hand() -> None:
    """The group is FAILED then, at its level; where it is not Pacemaker's to mind, nothing is said."""
    request = replace(REQUEST, level="3", program="pcs")
    assert [line.partition(": ")[2] for line in words_of_failure(request, HERE)] == [
        "at its next monitor it takes that for a failure, and takes the group back to its level",
        "pcs resource unmanage web --monitor",
    ]
    assert [*words_of_failure(request, replace(HERE, managed=False))] == []
    assert [*words_of_failure(request, replace(HERE, nodes=("n2",)))] == []


def test_a_stop_here() -> None:
    """It is stopped in the cluster."""
    assert "\nto stop it: pcs resource disable web\n" in told(replace(REQUEST, level="stop", program="pcs"), HERE)


def test_a_second_copy() -> None:
    """Somebody who starts it while it runs elsewhere is told where, how to stop it here, and how it is moved."""
    assert told(REQUEST, replace(HERE, nodes=("n2",), stop_level="off")) == (
        "Pacemaker runs web on n2, as its resource web: what runs here now is a second copy\n"
        "to stop the copy here: clinit web off\n"
        "to move it to this node: crm_resource --resource web --move --node n1"
    )


def test_a_resource_that_runs_nowhere() -> None:
    """Pacemaker may start it elsewhere."""
    assert "runs it nowhere: it may start it on another node" in told(REQUEST, replace(HERE, nodes=()))


def test_names_that_a_shell_or_a_terminal_would_obey() -> None:
    """They are quoted for the one, and spelt out for the other."""
    said = told(replace(REQUEST, group="$(x)\x1b", level="a b", resource="r;s"), HERE)
    assert "\x1b" not in said
    assert "--resource 'r;s' --set-parameter level --parameter-value 'a b'" in said
    assert "\x1b" not in "\n".join(unknown(replace(REQUEST, group="\x1b")))


def test_all_resources() -> None:
    """Each has its own standing; what the cluster has no more is left out."""
    text = XML.format(
        resources="\n".join(RESOURCE.format(**STARTED | changed) for changed in (
            {"id": "web:0"}, {"id": "web:1", "node": "n2"}, {"id": "db", "managed": "false"},
            {"id": "old", "orphaned": "true"},
        ))
    )  # fmt: skip
    assert standings(text.encode()) == {
        "web": Standing(("n1", "n2"), managed=True),
        "db": Standing(("n1",), managed=False, left_alone=("n1",)),
    }


def test_a_halt() -> None:
    """Pacemaker starts again what it had started here; the commands are about the node."""
    commands = {
        "pcs": ("pcs node standby n1", "pcs node maintenance n1"),
        "crm": ("crm node standby n1", "crm node maintenance n1"),
        "crm_resource": (
            "crm_attribute --node n1 --name standby --update on",
            "crm_attribute --node n1 --name maintenance --update true",
        ),
    }
    assert set(commands) == set(PROGRAMS)
    for program, (standby, maintenance) in commands.items():
        assert [*words_of_halt(["web", "db"], replace(REQUEST, program=program))] == [
            TAKEN_FOR_A_FAILURE,
            f"to take all that Pacemaker runs off this node first: {standby}",
            f"to have Pacemaker look away from this node first: {maintenance}",
        ]


def test_a_halt_of_many() -> None:
    """A line stays one that can be read, and that a terminal may be given."""
    [line] = unknown_at_halt([f"g{number}\x1b" for number in range(20)])
    assert "g7" in line
    assert " and 12 more, by what this node has noted" in line
    assert "\x1b" not in line
