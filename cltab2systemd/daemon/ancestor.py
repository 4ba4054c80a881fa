"""What clients of Cluster::Init ask, and the answers that they know. Their framing is `ldt`'s business."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltab2systemd import varlink
from cltab2systemd.daemon.service import Call, CallError
from cltab2systemd.units.names import HALT_LEVEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cltab2systemd.daemon.peers import Peer
    from cltab2systemd.daemon.service import Service

UNKNOWN = "result unknown"
# So many findings fit into a message.
MOST_FINDINGS = 20


async def reply(service: Service, fields: Mapping[str, str | None], peer: Peer) -> dict[str, str | None]:
    """The reply to a request: its own group and level, and the message.

    A request moves `group` to `level`; level `:::SHUTDOWN:::`, with any group, halts all. Every request has the table
    read again, and to ask for no more than that, clients name a group that does not exist. One without a group or a
    level gets `result unknown`.

    Args:
        service: what the daemon offers.
        fields: the request's; `group` and `level` count.
        peer: the client.
    """
    group, level = fields.get("group"), fields.get("level")
    if level == HALT_LEVEL:
        call = Call(f"{varlink.INTERFACE}.Halt", {}, more=False, peer=peer)
    elif group and level:
        call = Call(f"{varlink.INTERFACE}.Switch", {"group": group, "level": level}, more=False, peer=peer)
    else:
        call = Call(f"{varlink.INTERFACE}.Reread", {}, more=False, peer=peer)
    return {name: fields[name] for name in ("group", "level") if name in fields} | {
        "msg": await _message(service, call)
    }


async def _message(service: Service, call: Call) -> str:
    try:
        async for answer in service.answer(call):
            return str(answer.parameters.get("message", UNKNOWN))
    except CallError as error:
        findings = error.parameters.get("findings")
        texts = [str(finding["text"]) for finding in findings[:MOST_FINDINGS]] if isinstance(findings, list) else []
        return "\n".join([str(error.parameters.get("message", UNKNOWN)), *texts])
    return UNKNOWN
