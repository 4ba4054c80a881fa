"""What bash knows and dash does not: `check` tells of it where /bin/sh is dash, and the real dash fails as it tells."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from trees import found, make

from cltab2systemd.check import everything

MISSING, OTHER = "missing-program", "other-shell"
ONLY_BASH = [
    ("[[ -d /srv ]]", MISSING, "[["),
    ("[[ -d /srv ]] && true", MISSING, "[["),
    ("true; if [[ a = a ]]; then true; fi", MISSING, "[["),
    ("until ! [[ a = a ]]; do true; done", MISSING, "[["),
    ("A=b source /dev/null && touch /srv/x", MISSING, "source"),
    ("true && { source /dev/null; }", MISSING, "source"),
    ("let x=1+2; echo $x", MISSING, "let"),
    ("shopt -s nullglob; echo *", MISSING, "shopt"),
    ("declare -a x; true $x", MISSING, "declare"),
    ('test "a" == "a"', OTHER, "=="),
    ("[ a == a ]", OTHER, "=="),
    ("! [ ! a == a ] && true", OTHER, "=="),
    ("if [ -n a -a a == a ]; then true; fi", OTHER, "=="),
    ("for i in {1..3}; do test -n $i; done", OTHER, "{1..3}"),
    ("mkdir -p /srv/{a,b}/c", OTHER, "{a,b}"),
    ("true &>/dev/null", OTHER, "&>"),
    ("true &>>/dev/null; true", OTHER, "&>>"),
    ("~/bin/app", OTHER, "~/bin/app"),
    ("exec ~/bin/app -x", OTHER, "~/bin/app"),
    ("cd ~ && pwd", OTHER, "~"),
    ("true >~/log", OTHER, "~/log"),
]
WELL = [
    ". /dev/null && touch /srv/x",
    "[ a = a ] && test a = a",
    "[ == = == ]",
    "test -n '=='; test '==' = a",
    "bash -c '[[ a == a ]]; source /dev/null; for i in {1..3}; do true; done' >/dev/null 2>&1",
    "echo '[[' \"source\" '{1..3}' \\{1..3} \"{a,b}\" ${A:-{1..3}} # [[ a == b ]] ~/x",
    "echo [[ source == {} {a} {a,b} {1..x} x{,} ~root ~x/y a~/b '~/x' \"~/x\"",
    '[ -n "$BASH_VERSION" ] && [[ a = a ]]',
    'source() { . "$1"; }; source /dev/null',
    "case $A in a) true;; [[) false;; source) true;; esac",
    "true & >/srv/x",
    "true >&2 && (true) 2>&1",
    "HOME=/root; ~/bin/app",
    "find /srv -name x -exec echo {} \\;",
    "curl -s http://localhost/{a,b}; true",
]  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine whose /bin/sh is dash."""
    make(tmp_path, {"/srv/x": "text", "/usr/bin/dash": "!", "/root/bin/app": "!", "/dev/null": ""})
    (tmp_path / "usr/bin/sh").unlink()
    (tmp_path / "usr/bin/sh").symlink_to("dash")
    return tmp_path


def let_be_bash(root: Path) -> None:
    (root / "usr/bin/sh").unlink()
    (root / "usr/bin/sh").symlink_to("bash")


@pytest.mark.parametrize(("command", "code", "text"), ONLY_BASH)
def test_what_only_bash_knows(root: Path, command: str, code: str, text: str) -> None:
    """It is told where it stands, of checks as well; not of a machine with another shell, or of what never runs."""
    assert found(root, f"g:t:1:wait:{command}\n") == [(code, 1, text)]
    assert found(root, f"g:t:1:respawn:true\n:::preflight.t:{command}\n") == [(code, 2, text)]
    assert found(root, f"g:t:1:off:{command}\n") == []
    let_be_bash(root)
    assert found(root, f"g:t:1:wait:{command}\n") == []


@pytest.mark.parametrize("command", WELL)
def test_what_dash_knows(root: Path, command: str) -> None:
    """Nothing is told of it, nor of what another shell is given."""
    assert [told for told in found(root, f"g:t:1:wait:{command}\n") if told[0] in {MISSING, OTHER}] == []


@pytest.mark.skipif(not Path("/bin/dash").exists(), reason="no dash")
@pytest.mark.parametrize(("command", "code", "text"), ONLY_BASH)
def test_the_real_dash(tmp_path: Path, command: str, code: str, text: str) -> None:
    """It says so itself, or takes the words as they are."""
    command = command.replace("/srv", str(tmp_path))
    traced = ["/bin/dash", "-x", "-c", command]
    done = subprocess.run(
        traced, env={"PATH": "/usr/bin:/bin"}, cwd="/", capture_output=True, text=True, check=False, timeout=10,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if code == MISSING:
        assert f"{text}: not found" in done.stderr
    elif text == "==":
        assert "a: unexpected operator" in done.stderr
    elif text.startswith("&>"):
        assert f"true {text}" not in done.stderr
        assert done.returncode == 0
        failing = subprocess.run(["/bin/dash", "-c", command.replace("true", "false", 1)], check=False)
        assert failing.returncode == 0
    elif text == "{1..3}":
        assert "+ test -n {1..3}\n" in done.stderr
    elif text == "{a,b}":
        assert (tmp_path / "{a,b}/c").is_dir()
    else:
        assert text in done.stderr
        assert done.returncode in {2, 127}


def test_where_there_is_such_a_program(root: Path) -> None:
    """As busybox brings one; or an entry may install it."""
    (root / "usr/bin/[[").symlink_to("sh")
    assert found(root, "g:t:1:test:[[ -d /srv ]]\n") == []
    assert found(root, "g:i:1:wait:apt-get -y install x\ng:t:1:test:source /dev/null; true\n") == []


def test_background_is_told_once(root: Path) -> None:
    """Of a `respawn` it is worse, and has its own code."""
    codes = [code for code, *_ in found(root, "g:t:1:respawn:sleep 9 &>/dev/null\ng:u:1:respawn:true &>/x; sleep 9\n")]
    assert codes == ["respawned-daemon", OTHER]


@pytest.mark.parametrize(
    ("directive", "is_told"),
    [("User=root", False), ("Environment=HOME=/root", False), ("EnvironmentFile=/etc/x", False), ("Nice=1", True),
     ("PAMName=login", False)],
)  # fmt: skip
def test_a_home(root: Path, directive: str, *, is_told: bool) -> None:
    """Directives may set one."""
    table = f"g:t:1:wait:~/bin/app\n:::service.t:{directive}\n"
    assert [code for code, *_ in found(root, table) if code == OTHER] == [OTHER] * is_told


def test_another_root(root: Path) -> None:
    """Which shell that has is not known."""
    assert OTHER not in [code for code, *_ in found(root, "g:t:1:wait:[ a == b ]\n:::service.t:RootDirectory=/srv\n")]


def test_what_is_told(root: Path) -> None:
    """Each finding names the shell, and has a way out."""
    table = "g:a:1:test:[[ -d /srv ]]\ng:b:1:test:[ a == a ]\ng:c:1:wait:~/bin/app\n"
    dash = f"/bin/sh is dash on {root}"
    home = f"systemd sets no HOME for an entry without User=, and /bin/sh, which is dash on {root}, leaves"
    assert [(f.message, f.hint) for f in everything.findings(table.encode(), "cltab", str(root))] == [
        (f"{dash}, which does not know '[[', and there is no such program",
         "write '[ … ]', whose '=' compares, or have bash run it: exec bash -c '…'"),
        (f"{dash}, whose '[' does not know '==': it ends with 2", "write '='"),
        (f"{home} '~/bin/app' as it is then",
         "write the whole path, or add :::service.c:Environment=HOME=/DIRECTORY"),
    ]  # fmt: skip
