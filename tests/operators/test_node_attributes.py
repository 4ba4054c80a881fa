"""What a node publishes as attributes of Pacemaker, and what is read back of it."""

from __future__ import annotations

import re

import pytest
from documents import block
from hypothesis import given
from hypothesis import strategies as st

from cltab2systemd.cluster import attributes, crmmon, view
from cltab2systemd.cluster.judgement import Kind, findings
from cltab2systemd.cluster.seen import Condition, GroupSeen, ResourceSeen, Trouble
from cltab2systemd.text import decoded
from lab.install import PROJECT

NAMES = st.binary(min_size=1, max_size=20).map(decoded)
XML = """\
<pacemaker-result api-version="2.25" request="crm_mon">
  <nodes>
    <node name="n1" id="1" online="true" standby="false" maintenance="false" pending="false" unclean="false"/>
    <node name="n2" id="2" online="false" standby="false" maintenance="false" pending="false" unclean="true"/>
    <node name="n3" id="3" online="true" standby="true" maintenance="false" pending="false" unclean="false"/>
  </nodes>
  <resources>
    <resource id="the-web" resource_agent="ocf:clinit:group" active="true"><node name="n1" id="1"/></resource>
    <resource id="address" resource_agent="ocf:heartbeat:IPaddr2" active="true"><node name="n1" id="1"/></resource>
  </resources>
  <node_attributes>
    <node name="n1">
      <attribute name="clinit" value="0123456789abcdef accepted"/>
      <attribute name="clinit-web" value="3 DONE well fedcba9876543210 the-web -"/>
      <attribute name="clinit-odd" value="what is that"/>
      <attribute name="other" value="1"/>
    </node>
  </node_attributes>
</pacemaker-result>
"""


def status(
    digest: str | None, *groups: object, daemon: str = "answers", problem: str | None = None
) -> dict[str, object]:
    """What `clinitctl status --json` says, as far as it is published."""
    return {
        "daemon": {"state": daemon}, "clstat": {"problem": problem}, "table": {"digest": digest, "refusal": None},
        "groups": [*groups],
    }  # fmt: skip


def group(digest: str | None, level: str = "3", resource: str = "web") -> dict[str, object]:
    """A group, likewise."""
    return {
        "group": "web", "level": level, "state": "DONE", "health": "well", "digest": digest, "resource": resource,
        "boot_level": "3", "entries": [{"state": "running"}],
    }  # fmt: skip


@given(NAMES)
def test_a_name_comes_back(name: str) -> None:
    """Pacemaker makes ids of names: nothing is in them that it would change, and no two groups become one."""
    attribute = attributes.of_group(name)

    assert attributes.group_of(attribute) == name
    assert re.fullmatch(r"clinit-[A-Za-z0-9._-]+", attribute)


@given(NAMES, NAMES)
def test_a_value_comes_back(level: str, resource: str) -> None:
    """Whatever a level or a resource is called."""
    found = attributes.publish(status("0" * 16, group(None, level, resource)))

    assert attributes.table_of(found["clinit"]) == ("0" * 16, False, None)
    assert attributes.group_seen(found["clinit-web"]) == GroupSeen(level, "DONE", "well", None, resource, at_boot=True)
    tried = attributes.publish(status(None, group(None, level, resource) | {"trial": {"level": level}}))["clinit-web"]
    assert attributes.group_seen(tried) == GroupSeen(level, "DONE", "well", None, resource, at_boot=True, on_trial=True)
    assert attributes.group_seen(f"{found['clinit-web']} more") == attributes.group_seen(found["clinit-web"])


def test_a_cluster() -> None:
    """Nodes with their conditions; what they publish; and the resources that are groups."""
    seen = crmmon.cluster_seen(XML.encode(), {"n1": 1000}, 1010)

    assert [(node.name, node.condition) for node in seen.nodes] == [
        ("n1", Condition.ONLINE), ("n2", Condition.UNCLEAN), ("n3", Condition.STANDBY),
    ]  # fmt: skip
    assert seen.nodes[0].groups == {"web": GroupSeen("3", "DONE", "well", "fedcba9876543210", "the-web")}
    assert (seen.nodes[0].table, seen.nodes[0].is_stale) == ("0123456789abcdef", False)
    assert seen.nodes[2].groups is None
    resource = seen.resource_of("web")
    assert resource is not None
    assert (resource.name, resource.nodes) == ("the-web", ("n1",))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (status("0" * 16), None),
        (status(None), Trouble.NO_TABLE),
        (status(None, group("1" * 16)), Trouble.NO_TABLE),
        (status(None, group(None)), None),  # it is of an older version, which tells no digests
        (status("0" * 16, daemon="gone", problem="old"), Trouble.NO_DAEMON),
        (status(None, daemon="silent"), Trouble.NO_DAEMON),
        (status(None, daemon="closed"), None),  # it is only who asks that gets no answer
        (status("0" * 16, problem="old"), Trouble.OLD_CLSTAT),
    ],
)
def test_a_daemon_with_a_trouble(found: dict[str, dict[str, str]], expected: Trouble | None) -> None:
    """It is published, and told of the node."""
    value = attributes.publish(found)["clinit"]

    assert attributes.table_of(value) == (found["table"]["digest"], False, expected)
    seen = crmmon.cluster_seen(XML.replace("0123456789abcdef accepted", value).encode(), {"n1": 1000}, 1010)
    kinds = [finding.kind for finding in findings(seen) if finding.nodes == ("n1",)]
    assert kinds == ([] if expected is None else [Kind(expected)])


def test_a_clock_that_is_wrong() -> None:
    """A time that is to come says no more than one that is long ago; the same text at each look."""
    ahead, later = (crmmon.cluster_seen(XML.encode(), {"n1": 4600}, now).nodes[0] for now in (1000, 1030))
    assert ahead.is_stale
    assert "1970-01-01 01:16:40 UTC, which is to come" in ahead.reason
    assert ahead == later


def test_what_is_old() -> None:
    """A node whose publisher has not looked for long is stale; of an old CIB that is not to be known."""
    assert crmmon.cluster_seen(XML.encode(), {"n1": 1000}, 1000 + crmmon.STALE + 1).nodes[0].is_stale
    assert crmmon.cluster_seen(XML.encode(), {}, 1000).nodes[0].is_stale
    assert not crmmon.cluster_seen(XML.encode(), None, 10**9).nodes[0].is_stale


@pytest.mark.parametrize("text", [b"", b"<html/>", b"<crm_mon>", b"\xff"])
def test_rubbish(text: bytes) -> None:
    """It is no XML of Pacemaker's."""
    with pytest.raises(ValueError):
        crmmon.cluster_seen(text, None, 0)


def test_the_documented_screen() -> None:
    """docs/nodes.md shows a second copy that somebody has started by hand, and a push that has not reached a node."""
    node = (
        '<node name="n{0}" id="{0}" online="true" standby="false" maintenance="false" pending="false" unclean="false"/>'
    )
    active = (
        '<resource id="{0}" resource_agent="ocf:clinit:group" active="true"><node name="n{1}" id="{1}"/></resource>'
    )
    stop, at = "stop DONE at-rest {} {} -", "3 DONE well {} {} -"
    published = {
        1: {"clinit": "9f86d081884c7d65 accepted", "clinit-web": at, "clinit-files": stop},
        2: {"clinit": "9f86d081884c7d65 accepted", "clinit-web": stop, "clinit-files": at},
        3: {"clinit": "60303ae22b998861 accepted", "clinit-web": stop, "clinit-files": at},
    }
    told = "".join(
        f'<node name="n{number}">'
        + "".join(f'<attribute name="{name}" value="{value.format("a" * 16, name.removeprefix("clinit-"))}"/>'
                  for name, value in here.items())
        + "</node>"
        for number, here in published.items()
    )  # fmt: skip
    xml = (
        f"<pacemaker-result><nodes>{''.join(map(node.format, published))}</nodes>"
        f"<resources>{active.format('web', 1)}{active.format('files', 2)}</resources>"
        f"<node_attributes>{told}</node_attributes></pacemaker-result>"
    )
    seen = crmmon.cluster_seen(xml.encode(), dict.fromkeys(("n1", "n2", "n3"), 1000), 1010)

    shown = "".join(f"{line}\n" for line in view.lines(seen, findings(seen), None, ", ".join))

    assert block(PROJECT / "docs/nodes.md", "example", "conflict") == shown


CLONE = """\
<clone id="the-clone">
  <resource id="web" resource_agent="ocf:clinit:group" active="true" managed="{}"><node name="n1"/></resource>
  <resource id="web" resource_agent="ocf:clinit:group" active="true" managed="{}"><node name="n2"/></resource>
</clone>
"""


@pytest.mark.parametrize("managed", [("false", "true"), ("false", "false")])
def test_a_clone_with_a_node_in_maintenance(managed: tuple[str, str]) -> None:
    """The cluster acts on the other instance."""
    text = f"<crm_mon><resources>{CLONE.format(*managed)}</resources></crm_mon>"
    (resource,) = crmmon.cluster_seen(text.encode(), {}, 0).resources or ()
    assert resource == ResourceSeen("web", ("n1", "n2"), is_clone=True, is_managed="true" in managed)
