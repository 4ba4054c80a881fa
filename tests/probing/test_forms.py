"""The fixed probes as text."""

import re

import pytest

from cltab2systemd.probing import forms

GOOD = {
    "tcp:5432": (forms.TCP, "", 5432, ""),
    "tcp:db.example.com:5432": (forms.TCP, "db.example.com", 5432, ""),
    "tcp:[::1]:80": (forms.TCP, "::1", 80, ""),
    "unix:/run/x.sock": (forms.UNIX, "/run/x.sock", 0, ""),
    "unix:@name": (forms.UNIX, "@name", 0, ""),
    "http://localhost": (forms.HTTP, "localhost", 80, "/"),
    "http://localhost:8080/health?deep=1": (forms.HTTP, "localhost", 8080, "/health?deep=1"),
    "http://[::1]:8080/": (forms.HTTP, "::1", 8080, "/"),
    "http://[::1]/x": (forms.HTTP, "::1", 80, "/x"),
    "file:/run/ready": (forms.FILE, "/run/ready", 0, ""),
    "group:db": (forms.GROUP, "db", 0, ""),
    "group:db:prod": (forms.GROUP, "db", 0, "prod"),
}
BAD = {
    "tcp:": "not a port: nothing; it is a number from 1 to 65535",
    "tcp:0": "not a port: 0; it is a number from 1 to 65535",
    "tcp:65536": "not a port: 65536; it is a number from 1 to 65535",
    "tcp:1234567890123456789012": "not a port: 1234567890123456789012; it is a number from 1 to 65535",
    "tcp:٣": "not a port: ٣; it is a number from 1 to 65535",
    "tcp:::1:80": "not a host: ::1; an IPv6 address has brackets, as [::1]",
    "tcp:80 now": "a probe is one word",
    "unix:run/x.sock": "a socket is an absolute path, or @ and a name",
    "unix:@": "a socket is an absolute path, or @ and a name",
    "unix:/" + "x" * 107: "the path of a socket has at most 107 bytes",
    "http:localhost": "it begins with http://",
    "http://": "it has no host",
    "http://:80/": "it has no host",
    "http://user@localhost/": "it cannot have a user or a password; a command can, as curl -fsS",
    "http://localhost:x/": "not a port: x; it is a number from 1 to 65535",
    "file:run/ready": "a file is an absolute path",
    "group:": "a group is GROUP or GROUP:LEVEL",
    "group:db:": "a group is GROUP or GROUP:LEVEL",
    "group:db:3:4": "a group is GROUP or GROUP:LEVEL",
}


@pytest.mark.parametrize(("text", "expected"), GOOD.items(), ids=GOOD)
def test_a_probe_is_read(text: str, expected: tuple[str, str, int, str]) -> None:
    """Where it asks."""
    found = forms.form(text)
    assert forms.is_probe(text)
    assert (found.scheme, found.where, found.port, found.rest) == expected


@pytest.mark.parametrize(("text", "message"), BAD.items(), ids=BAD)
def test_what_is_no_probe_says_why(text: str, message: str) -> None:
    """It is meant as one, and the message is for whoever has written it."""
    assert forms.is_probe(text)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        forms.form(text)


@pytest.mark.parametrize("command", ["pg_isready", "/usr/bin/tcp:5", "tcp", "curl http://localhost", "https://x/", ""])
def test_a_command_is_no_probe(command: str) -> None:
    """It has no scheme at its beginning."""
    assert not forms.is_probe(command)


def test_every_scheme_has_a_form() -> None:
    """The list that people are told has all of them."""
    assert {form.partition(":")[0] for form in forms.FORMS.replace(" and ", ", ").split(", ")} == set(forms.SCHEMES)
    assert {forms.form(text).scheme for text in GOOD} == set(forms.SCHEMES)
