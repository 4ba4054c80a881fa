"""Clients of Cluster::Init: how they are known, what they ask, and the answers that they understand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd import varlink
from cltab2systemd.ancestor import messages
from cltab2systemd.daemon.service import Call, CallError
from cltab2systemd.units.names import HALT_LEVEL

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from cltab2systemd.daemon.peers import Peer
    from cltab2systemd.daemon.service import Service

UNKNOWN = "result unknown"
# The level by which clients ask for the table to be read, of a group that there is not; with two or three colons.
_REREAD = "REREAD"
# So many findings fit into a message.
MOST_FINDINGS = 20


def is_first_byte(first: bytes) -> bool:
    """Whether a connection that starts with this byte is one of the ancestor's: its messages start with digits."""
    return first.isdigit()


async def read_request(first: bytes, reader: asyncio.StreamReader) -> dict[str, str | None]:
    """The fields of the request on a connection.

    Args:
        first: its first byte, which was read already.
        reader: the rest of the connection.

    Raises:
        LdtError: it is not a message of the ancestor's.
        asyncio.IncompleteReadError: the connection ended before the request did.
    """
    header = first + await reader.readexactly(messages.MAGIC_DIGITS - 1)
    return messages.unframe(await reader.readexactly(messages.payload_length(header)))


async def reply(service: Service, fields: Mapping[str, str | None], peer: Peer) -> bytes:
    """The reply to a request, ready to be sent: the request's own group and level, and the message.

    A request moves `group` to `level`; level `:::SHUTDOWN:::`, with any group, halts all. Every request has the table
    read again, and to ask for no more than that, clients name a group that does not exist, and level `::REREAD::`. That
    stops groups that have left the table, as a bare `clinit` does. One without a group or a level gets `result
    unknown`.

    Args:
        service: what the daemon offers.
        fields: the request's; `group` and `level` count.
        peer: the client.

    Raises:
        LdtError: the reply does not fit into a message.
    """
    group, level = fields.get("group"), fields.get("level")
    if group and level and level.strip(":") == _REREAD:
        await _message(service, Call(f"{varlink.INTERFACE}.Reread", {}, more=False, peer=peer))
    if level == HALT_LEVEL:
        call = Call(f"{varlink.INTERFACE}.Halt", {}, more=False, peer=peer)
    elif group and level:
        call = Call(f"{varlink.INTERFACE}.Switch", {"group": group, "level": level}, more=False, peer=peer)
    else:
        call = Call(f"{varlink.INTERFACE}.Reread", {}, more=False, peer=peer)
    asked = {name: fields[name] for name in ("group", "level") if name in fields}
    return messages.frame(asked | {"msg": await _message(service, call)})


async def _message(service: Service, call: Call) -> str:
    try:
        async for answer in service.answer(call):
            return str(answer.parameters.get("message", UNKNOWN))
    except CallError as error:
        findings = error.parameters.get("findings")
        texts = [str(finding["text"]) for finding in findings[:MOST_FINDINGS]] if isinstance(findings, list) else []
        output = error.parameters.get("output")
        texts += [f"  {line}" for line in output] if isinstance(output, list) else []
        return "\n".join([str(error.parameters.get("message", UNKNOWN)), *texts])
    return UNKNOWN
