"""What a daemon that was started by hand hands on to its entries."""

from __future__ import annotations

from cltab2systemd.units.surroundings import Surroundings, environment, environment_text, surroundings


def test_environment_text() -> None:
    """Values are quoted as EnvironmentFile= reads them, in the order of their names."""
    environment = {"Z": 'a "b" `c` $d \\ e', "A": "", "NL": "x\ny"}

    assert 'A=""\nNL="x\ny"\nZ="a \\"b\\" \\`c\\` \\$d \\\\ e"\n' == environment_text(environment)


def test_systemds_own_variables_stay_behind() -> None:
    """What systemd tells the daemon about itself is not true of an entry."""
    own = ["INVOCATION_ID", "JOURNAL_STREAM", "NOTIFY_SOCKET", "LISTEN_FDS", "SYSTEMD_EXEC_PID", "RUNTIME_DIRECTORY"]

    assert 'HOME="/root"\n' == environment_text({**dict.fromkeys(own, "x"), "HOME": "/root"})


def test_what_the_units_say_stays_behind() -> None:
    """The class of the session in which somebody starts the daemon would take what `su -` starts out of the entries."""
    own = ["XDG_SESSION_CLASS", "CLINIT_THROTTLE"]

    assert 'XDG_SESSION_ID="1"\n' == environment_text({**dict.fromkeys(own, "user"), "XDG_SESSION_ID": "1"})


def test_environment() -> None:
    """Of what the kernel keeps, each setting is one; what is none is left out."""
    assert {"A": "1", "B": "x=y\udcff", "": "z"} == environment(b"A=1\0B=x=y\xff\0=z\0nothing\0")


def test_what_systemd_would_refuse_is_left_out() -> None:
    """A value that is not UTF-8, or a name that is none, would have systemd refuse the whole file."""
    assert 'GOOD="é"\n' == environment_text({"BAD": "\udcff", "BASH_FUNC_x%%": "() { :; }", "1": "x", "GOOD": "é"})


def test_surroundings() -> None:
    """A directory that no unit file can name is left out; a specifier in one is none."""
    assert Surroundings("/a b/%%i", "/run/x") == surroundings("/a b/%i", "/run/x")
    assert Surroundings(None, "/run/x") == surroundings("/a\n[Service]", "/run/x")
