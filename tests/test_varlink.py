"""Varlink: messages as the daemon and the client write and read them, and an interface that says what there is."""

import ast
import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cltab2systemd import varlink

SERVICE_MODULE = Path(varlink.__file__).parent / "daemon/service.py"
OBJECTS_MODULES = [Path(varlink.__file__).parent / "reports" / name for name in ("overview.py", "progress.py")]
DESCRIPTIONS = {"INTERFACE": varlink.DESCRIPTION, "SERVICE": varlink.SERVICE_DESCRIPTION}
BASIC_TYPES = {"string", "int", "bool", "float", "object"}

_NAME = st.one_of(st.text(), st.text("aZ09", max_size=4), st.sampled_from(["é", "²", "٣", '"', "\\", "\udcff", "a\nb"]))


@given(_NAME, _NAME)
def test_a_switch_is_a_call(group: str, level: str) -> None:
    """The text that plain names get is what JSON would write, for any names."""
    assert varlink.call("Switch", {"group": group, "level": level}) == varlink.switch_call(group, level)


@given(st.lists(_NAME, max_size=3))
def test_a_question_how_groups_are_is_a_call(groups: list[str]) -> None:
    """Likewise; without groups, all are meant."""
    assert varlink.call("Describe", {"groups": groups} if groups else {}) == varlink.describe_call(groups)


def test_a_call() -> None:
    """A call is a compact JSON object and a NUL; `more` is there only if it is asked for."""
    assert varlink.call("Halt", {}) == b'{"method":"org.clinit.Manager.Halt","parameters":{}}\0'
    assert varlink.call("Halt", {}, more=True) == b'{"method":"org.clinit.Manager.Halt","parameters":{},"more":true}\0'


def test_the_plain_reply_is_what_the_daemon_writes() -> None:
    """The reply that a client knows by its bytes is the one that is written, and reads as it would read."""
    message: dict[str, object] = {"parameters": {"message": varlink.STARTED}}
    assert varlink.STARTED_REPLY + b"\0" == varlink.encode(message)
    assert message == varlink.decode_reply(varlink.STARTED_REPLY) == varlink.decode(varlink.STARTED_REPLY)
    assert varlink.decode_reply(b'{"error":"x"}') == {"error": "x"}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), _JSON))
def test_round_trip(message: dict[str, object]) -> None:
    """What was encoded is one message, without a NUL in it, and comes back."""
    encoded = varlink.encode(message)
    assert encoded.count(b"\0") == 1
    assert message == varlink.decode(encoded[:-1])


def test_names_that_are_not_utf_8_pass() -> None:
    """A name from a command line with undecodable bytes arrives as such."""
    encoded = varlink.switch_call("caf\udce9", "1")
    assert varlink.decode(encoded[:-1])["parameters"] == {"group": "caf\udce9", "level": "1"}


@pytest.mark.parametrize(
    "message",
    [b"", b"{", b"[]", b"1", b"null", b'"x"', b"\xff{}", b"{} {}", b'{"a":' * 100_000, b"[" * 1_000_000, b"1" * 10_000],
    ids=lambda message: repr(message[:6]),
)
def test_what_is_no_message(message: bytes) -> None:
    """Whatever is not a JSON object is a protocol error, however deep or long it is."""
    with pytest.raises(varlink.ProtocolError):
        varlink.decode(message)


@given(st.binary())
def test_decode_never_fails_otherwise(message: bytes) -> None:
    """Any bytes are a message or a protocol error."""
    with suppress(varlink.ProtocolError):
        assert isinstance(varlink.decode(message), dict)


def declared(description: str) -> dict[tuple[str, str], str]:
    """The declarations of an interface by kind and name, after a check that there is nothing else in it."""
    members = {}
    bare = re.sub(r"^#.*\n", "", description, flags=re.MULTILINE)
    on_one_line = re.sub(r"\(\n([^()]*)\n\)", lambda found: f"({' '.join(found[1].split())})", bare)
    for number, line in enumerate(on_one_line.split("\n")):
        member = r"(method|error|type) ([A-Z][A-Za-z0-9]*) ?(\([^()]*\)( -> \([^()]*\))?)"
        if number == 0:
            assert re.fullmatch(r"interface [a-z]+(\.[a-z]+)+(\.[A-Za-z]+)?", line)
        elif line:
            match = re.fullmatch(member, line)
            assert match, line
            assert (match[1] == "method") == bool(match[4]), line
            members[match[1], match[2]] = match[3]
    return members


def fields(declaration: str) -> dict[str, str]:
    """The fields of the first struct of a declaration."""
    inside = declaration[1 : declaration.index(")")]
    return dict(re.fullmatch(r"([a-z_]+): (\S+)", part).groups() for part in inside.split(", ") if part)  # type: ignore[union-attr,misc]


@pytest.mark.parametrize("description", DESCRIPTIONS.values(), ids=DESCRIPTIONS)
def test_the_description_is_well_formed(description: str) -> None:
    """A description has an interface and members of the grammar, and every type that it uses."""
    members = declared(description)
    for declaration in members.values():
        for kind in re.findall(r": \??(?:\[\])?(?:\[string\])?([A-Za-z]+)", declaration):
            assert kind in BASIC_TYPES or ("type", kind) in members
        assert declaration.count(":") == len(
            re.findall(r"[(,] ?[a-z]+(?:_[a-z]+)*: \??(?:\[\])?[A-Za-z]+(?=[,)])", declaration)
        )


def test_the_names_of_the_interfaces() -> None:
    """Each description is of the interface whose name is used in calls."""
    assert f"\ninterface {varlink.INTERFACE}\n" in varlink.DESCRIPTION
    assert f"\ninterface {varlink.SERVICE}\n" in varlink.SERVICE_DESCRIPTION


def used() -> dict[str, set[str]]:
    """The members that the daemon's service names, as `f"{varlink.INTERFACE}.Member"`, by interface."""
    found = re.findall(r'f"\{varlink\.(INTERFACE|SERVICE)\}\.(\w+)"', SERVICE_MODULE.read_text())
    return {interface: {name for where, name in found if where == interface} for interface in DESCRIPTIONS}


@pytest.mark.parametrize("interface", DESCRIPTIONS)
def test_everything_used_is_declared(interface: str) -> None:
    """Methods and errors of the service are in the description; of ours, there are no others in it."""
    members = {name for kind, name in declared(DESCRIPTIONS[interface]) if kind != "type"}
    assert used()[interface] <= members
    if interface == "INTERFACE":
        assert members == used()[interface]


def test_errors_have_their_declared_parameters() -> None:
    """An error reply has exactly the fields that the description gives it."""
    errors = {}
    for call in ast.walk(ast.parse(SERVICE_MODULE.read_text())):
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "CallError":
            name = ast.unparse(call.args[0]).rpartition(".")[2].rstrip("'")
            errors[name] = {keyword.arg for keyword in call.keywords}
    members = {**declared(varlink.DESCRIPTION), **declared(varlink.SERVICE_DESCRIPTION)}
    assert len(errors) >= 6
    assert {name: set(fields(members["error", name])) for name in errors} == errors


def test_types_are_what_the_service_sends() -> None:
    """The objects of the service have the fields of their types."""
    bodies = (node for module in (SERVICE_MODULE, *OBJECTS_MODULES) for node in ast.parse(module.read_text()).body)
    functions = {node.name: node for node in bodies if isinstance(node, ast.FunctionDef)}
    members = declared(varlink.DESCRIPTION)
    types = {
        "status_object": "GroupStatus", "group_object": "Group", "entry_object": "Entry", "reason_object": "Reason",
        "ending_object": "Ending", "_finding_object": "Finding", "progress_object": "Progress",
        "awaited_object": "Awaited", "tally_object": "Transitions", "table_object": "TableFile",
    }  # fmt: skip
    for function, name in types.items():
        sent = max(
            (node for node in ast.walk(functions[function]) if isinstance(node, ast.Dict)),
            key=lambda node: len(node.keys),
        )
        made = [ast.literal_eval(key) for key in sent.keys if key] + (["progress"] if name == "GroupStatus" else [])
        assert made == list(fields(members["type", name]))
