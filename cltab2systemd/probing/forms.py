"""The fixed probes: what a table asks without a program. Pure, and quick to import: the prober starts with it.

| probe | it holds when |
| --- | --- |
| `tcp:PORT`, `tcp:HOST:PORT` | a connection is accepted there; without a host, by this machine (127.0.0.1, else ::1) |
| `unix:PATH` | a connection is accepted by the socket; `@NAME` is one in the abstract namespace |
| `http://HOST[:PORT][/PATH]` | the answer to GET has a status of 2xx or 3xx |
| `file:PATH` | there is such a file |
| `group:GROUP:LEVEL` | the group is at that level, and clstat says DONE or PASSED |
| `group:GROUP` | the group is so at any level that an entry names |
"""

from __future__ import annotations

from cltab2systemd.text import encoded

TCP, UNIX, HTTP, FILE, GROUP = "tcp", "unix", "http", "file", "group"
SCHEMES = (TCP, UNIX, HTTP, FILE, GROUP)
FORMS = "tcp:PORT, tcp:HOST:PORT, unix:PATH, http://HOST[:PORT]/PATH, file:PATH, group:GROUP and group:GROUP:LEVEL"

_HTTP_PORT = 80
# What the kernel takes as the path of a socket, with the NUL at its end.
_LONGEST_SOCKET_PATH = 107


class Form:
    """A fixed probe.

    Attributes:
        scheme: one of `SCHEMES`.
        where: the host (tcp, http; empty for this machine), the path (unix, file) or the group.
        port: of tcp and http; else 0.
        rest: the path and query of http, the level of group (empty for any); else empty.
    """

    __slots__ = ("port", "rest", "scheme", "where")

    def __init__(self, scheme: str, where: str, port: int = 0, rest: str = "") -> None:
        self.scheme, self.where, self.port, self.rest = scheme, where, port, rest


def is_probe(text: str) -> bool:
    """Whether a text is meant as a fixed probe, well-formed or not: a program's name has no such beginning."""
    return text.partition(":")[0] in SCHEMES and ":" in text


def form(text: str) -> Form:
    """What a fixed probe asks. ValueError with what is wrong, fit for a person, if it is not well-formed."""
    scheme, _, rest = text.partition(":")
    if any(character.isspace() for character in text):
        raise ValueError("a probe is one word")
    return _READERS[scheme](rest)


def _tcp(rest: str) -> Form:
    host, _, port = rest.rpartition(":")
    return Form(TCP, _host(host), _port(port))


def _http(rest: str) -> Form:
    if not rest.startswith("//"):
        raise ValueError("it begins with http://")
    authority, slash, path = rest[2:].partition("/")
    if "@" in authority:
        raise ValueError("it cannot have a user or a password; a command can, as curl -fsS")
    host, port = authority, str(_HTTP_PORT)
    if not authority.endswith("]") and ":" in authority:
        host, _, port = authority.rpartition(":")
    if not host:
        raise ValueError("it has no host")
    return Form(HTTP, _host(host), _port(port), slash + path or "/")


def _unix(rest: str) -> Form:
    if not rest.startswith(("/", "@")) or len(rest) < 2:
        raise ValueError("a socket is an absolute path, or @ and a name")
    if len(encoded(rest)) > _LONGEST_SOCKET_PATH:
        raise ValueError(f"the path of a socket has at most {_LONGEST_SOCKET_PATH} bytes")
    return Form(UNIX, rest)


def _file(rest: str) -> Form:
    if not rest.startswith("/"):
        raise ValueError("a file is an absolute path")
    return Form(FILE, rest)


def _group(rest: str) -> Form:
    name, _, level = rest.partition(":")
    if not name or ":" in level or rest.endswith(":"):
        raise ValueError("a group is GROUP or GROUP:LEVEL")
    return Form(GROUP, name, rest=level)


def _host(text: str) -> str:
    host = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if any(character in "[]/?#@" for character in host) or (":" in host and host == text):
        raise ValueError(f"not a host: {text}; an IPv6 address has brackets, as [::1]")
    return host


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536):
        raise ValueError(f"not a port: {text or 'nothing'}; it is a number from 1 to 65535")
    return int(text)


_READERS = {TCP: _tcp, UNIX: _unix, HTTP: _http, FILE: _file, GROUP: _group}
