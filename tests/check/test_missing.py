"""What a table needs and a machine does not have: programs, directories, files, users."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from trees import found, make

from cltab2systemd.check import everything

MISSING, NOT_EXECUTABLE, PATH = "missing-program", "not-executable", "missing-path"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make(
        tmp_path,
        {
            "/usr/sbin/there": "!", "/usr/sbin/chroot": "!",
            "/srv/app/bin/server": "!", "/srv/app/run.sh": "!#!/bin/sh\n",
            "/opt/tools/tool": "!",
            "/srv/app/old.sh": "!#!/opt/perl/bin/perl\n", "/srv/app/env.sh": "!#!/usr/bin/env ruby\n",
            "/srv/app/dos.sh": "!#!/bin/sh\r\n", "/srv/app/plain": "text", "/srv/app/gone": "->/opt/none",
            "/etc/app.env": "A=1\n", "/etc/path.env": "PATH=/opt/tools\n", "/srv/mounted": None,
            "/etc/fstab": "# a comment\n/dev/drbd0 /data ext4 noauto 0 0\n", "/etc/auto.master": "/net -hosts\n",
            "/etc/systemd/system/home-shared.mount": "", "/srv/jail/bin/inside": "!",
            "/etc/passwd": "root:x:0:0::/:/bin/sh\nwww:x:33:33::/:\n", "/etc/group": "root:x:0:\n",
            "/usr/lib/sysusers.d/a.conf": "u made - -\n", "/usr/lib/tmpfiles.d/a.conf": "d /var/lib/made 0755\n",
        },
    )  # fmt: skip
    return tmp_path


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("there -x", None),
        ("exec /usr/sbin/there", None),
        ("/srv/app/run.sh", None),
        ("cd /srv/app && exec ./run.sh", None),
        ("cd /srv/app && exec bin/server", None),
        ("theer", (MISSING, "theer")),
        ("exec theer -x", (MISSING, "theer")),
        ("/usr/sbin/none a", (MISSING, "/usr/sbin/none")),
        ("nice -n 5 timeout 5 none", (MISSING, "none")),
        ("nonice x", (MISSING, "nonice")),
        ("su - www -c 'exec /srv/app/bin/none'", (MISSING, "'exec /srv/app/bin/none'")),
        ("su - www -c 'none'", None),
        ("runuser -u www -- /none", (MISSING, "/none")),
        ("runuser -u www -- theer -x", (MISSING, "theer")),
        ("sudo -n -u www nice -n 5 none", (MISSING, "none")),
        ("sudo -u www there", None),
        ("setpriv --reuid=www --clear-groups none", (MISSING, "none")),
        ("sudo -u www PATH=/opt/tools tool", None),
        ("sudo -i -u www none", None),
        ("sudo -u www tool", (MISSING, "tool")),
        ("cd /srv/app && exec ./none", (MISSING, "./none")),
        ("cd /srv/none && exec there", (PATH, "/srv/none")),
        ("cd /srv/app/plain && exec there", (PATH, "/srv/app/plain")),
        ("sh /srv/app/none.sh", (PATH, "/srv/app/none.sh")),
        ("sh -eu /srv/app/none.sh", (PATH, "/srv/app/none.sh")),
        ("python3 -u /srv/app/none.py", (PATH, "/srv/app/none.py")),
        ("python3 -u /srv/app/run.sh", None),
        ("there >/srv/none/log", (PATH, "/srv/none/log")),
        ("exec there >>/srv/none/log 2>&1", (PATH, "/srv/none/log")),
        ("there 2>/srv/app/plain/log", (PATH, "/srv/app/plain/log")),
        ("there </srv/none", (PATH, "/srv/none")),
        ("there </srv/app/plain >/srv/app/log 2>/run/none/log", None),
        ("there >/data/log 2>>/var/lib/made/log </dev/null", None),
        ("cd /srv/app && exec there >log 2>none/log", (PATH, "none/log")),
        ("! theer; there", (MISSING, "theer")),
        ("! there", (MISSING, "!")),
        ("time -p theer; there", (MISSING, "theer")),
        ("time there", (MISSING, "time")),
        ("time there; there", None),
        ("nice time there; there", (MISSING, "time")),
        ("/usr/bin/time -v there; there", (MISSING, "/usr/bin/time")),
        ("perl -lne 'print if /x/' /srv/none", (MISSING, "perl")),
        ("sh +x /srv/app/plain", None),
        ("env -S 'theer -x'", (MISSING, "'theer -x'")),
        ("env A=b theer", (MISSING, "theer")),
        ("sudo chroot /srv/jail /bin/inside", None),
        ("sudo chroot /srv/jail /bin/none", (MISSING, "/bin/none")),
        ("sudo chroot /srv/jail inside", None),
        ("sudo chroot /srv/jail there", (MISSING, "there")),
        ("sudo chroot /srv/none /bin/inside", (PATH, "/srv/none")),
        ("sudo chroot /srv/mounted /bin/inside", None),
        ("sudo chroot /data /bin/inside", None),
        ("/srv/app/gone", (MISSING, "/srv/app/gone")),
        ("/srv/app/plain", (NOT_EXECUTABLE, "/srv/app/plain")),
        ("sh /srv/app/plain", None),
        ("/srv/app/bin", (NOT_EXECUTABLE, "/srv/app/bin")),
        ("/srv/app/old.sh", (NOT_EXECUTABLE, "/srv/app/old.sh")),
        ("/srv/app/env.sh", (NOT_EXECUTABLE, "/srv/app/env.sh")),
        ("/srv/app/dos.sh", (NOT_EXECUTABLE, "/srv/app/dos.sh")),
        ("/data/bin/x", None),
        ("/net/host/x", None),
        ("/home/shared/x", None),
        ("/srv/mounted/bin/x", None),
        ("/run/made/later", None),
        ("/var/lib/made", None),
    ],
)
def test_commands(root: Path, command: str, expected: tuple[str, str] | None) -> None:
    """What a command names is looked for, where it can be told; in checks of an entry as well."""
    told = [] if expected is None else [(expected[0], 1, expected[1])]
    assert found(root, f"g:t:1:wait:{command}\n") == told
    assert found(root, f"g:t:1:off:{command}\n") == []
    for setting in ("preflight.t", "ready.t", "health.t:10s"):
        line = f":::{setting}{' ' if 'health' in setting else ':'}{command}\n"
        assert found(root, f"g:t:1:respawn:there\n{line}") == [(code, 2, text) for code, _, text in told]


@pytest.mark.parametrize(
    ("directive", "expected"),
    [
        ("Environment=PATH=/opt/tools", []),
        ("Environment=A=1 'PATH=/opt/tools:/usr/bin'", []),
        ("EnvironmentFile=/etc/path.env", []),
        ("ExecSearchPath=/opt/tools", []),
        ("PassEnvironment=PATH", []),
        ("BindPaths=/opt/tools:/usr/bin", []),
        ("Environment=PATH=/usr/bin", [MISSING]),
        ("EnvironmentFile=/etc/app.env", [MISSING]),
        ("Nice=5", [MISSING]),
        ("RootDirectory=/srv/jail", [MISSING]),
    ],
)
def test_the_path_of_an_entry(root: Path, directive: str, expected: list[str]) -> None:
    """A name is looked for in the PATH that the directives of the entry make."""
    table = f"g:t:1:wait:tool\n:::service.t:{directive}\n"
    assert [code for code, *_ in found(root, table)] == expected
    table = f"g:t:1:wait:tool\n:::services.g:{directive}\n"
    assert [code for code, *_ in found(root, table)] == expected


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/etc/sudoers", '# secure_path="/none"\nDefaults\tsecure_path="/usr/bin:/opt/tools"\n'),
        ("/etc/sudoers.d/tools", "Defaults secure_path = /opt/tools:/usr/bin\n"),
        ("/etc/environment", "PATH=/opt/tools\n"),
        ("/etc/login.defs", "ENV_PATH\tPATH=/usr/bin:/opt/tools\n"),
        ("/opt/bin/tool", "!"),
    ],
)
def test_the_path_of_another_user(root: Path, path: str, text: str) -> None:
    """A name behind sudo and its like may be wherever that user may find it."""
    table = "g:t:1:wait:sudo -u www tool\ng:u:1:wait:runuser -u www -- none\n"
    make(root, {path: text}, usual=False, base=False)
    assert found(root, table) == [(MISSING, 2, "none")]


def test_another_root_directory(root: Path) -> None:
    """A program is looked for in the root that the entry has."""
    for path, expected in (("/bin/inside", []), ("/usr/sbin/there", [(MISSING, 1, "/usr/sbin/there")])):
        assert found(root, f"g:t:1:wait:{path}\n:::service.t:RootDirectory=/srv/jail\n") == expected


@pytest.mark.parametrize(
    ("directive", "marked"),
    [
        ("WorkingDirectory=/srv/none", "/srv/none"),
        ("WorkingDirectory=-/srv/none", ""),
        ("WorkingDirectory=/srv/app", ""),
        ("WorkingDirectory=~", ""),
        ("WorkingDirectory=/srv/%i", ""),
        ("WorkingDirectory=/var/lib/made", ""),
        ("EnvironmentFile=/etc/none.env", "/etc/none.env"),
        ("EnvironmentFile=-/etc/none.env", ""),
        ("EnvironmentFile=/etc/*.env", ""),
        ("EnvironmentFile=/run/none.env", ""),
        ("StandardOutput=append:/var/log/none/x.log", "/var/log/none/x.log"),
        ("StandardOutput=append:/srv/app/x.log", ""),
        ("StandardOutput=journal", ""),
        ("StandardError=truncate:/srv/none/x.log", "/srv/none/x.log"),
        ("StandardInput=file:/srv/none", "/srv/none"),
        ("RootDirectory=/srv/none", "/srv/none"),
        ("ReadWritePaths=/srv/app -/srv/no1 /srv/none", "/srv/none"),
        ("ReadWritePaths=/data/x", ""),
        ("BindPaths=/srv/none:/srv/app", "/srv/none"),
        ("LoadCredential=key:/etc/none", "/etc/none"),
    ],
)
def test_directives(root: Path, directive: str, marked: str) -> None:
    """What a directive points to has to be there, unless it says that it need not."""
    told = found(root, f"g:t:1:respawn:there\n:::service.t:{directive}\n")
    assert [text for code, _, text in told if code == PATH] == ([marked] if marked else [])


@pytest.mark.parametrize(
    "entry",
    [
        "mkdir -p /srv/later/deep/er", "install -d -o www /srv/later/deep", "mount /dev/sdb /srv/later", "mount -a",
        "mount LABEL=data /srv/later", "rsync -a host:/x/ /srv/later/", "/usr/sbin/there --make /srv/later/deep",
        "tar -C /srv/later -xf /srv/app/plain", "systemctl start srv-later.mount", "there --make /srv/later; there",
        "if there; then mkdir /srv/later; fi", "mkdir -p /srv/$X",
    ],
)  # fmt: skip
def test_what_the_table_brings(root: Path, entry: str) -> None:
    """What an entry makes or mounts is not missing, in any group."""
    needing = "g:t:1:respawn:cd /srv/later/deep && exec there\n:::service.t:WorkingDirectory=/srv/later/deep\n"
    assert [code for code, *_ in found(root, needing)] == [PATH, PATH]
    assert found(root, f"{needing}g:first:1:wait:{entry}\n:::service.first:KillMode=process\n") == []
    assert found(root, f"{needing}h:first:1:wait:{entry}\n:::service.first:KillMode=process\n") == []
    assert len(found(root, f"{needing}h:first:1:off:{entry}\n")) == 2


@pytest.mark.parametrize(
    "command",
    [
        "curl -o /srv/later http://x/y; /srv/later", "curl --output=/srv/later http://x/y && exec /srv/later",
        "wget -O /srv/later http://x/y && chmod +x /srv/later && exec /srv/later --port 80",
        "cp /mnt/a /srv/later && exec /srv/later", "install -m 755 /mnt/a /srv/later; /srv/later",
        "tar -C /srv/later -xf /mnt/a.tar && cd /srv/later/app && exec ./bin/server",
        "cd /srv/app && tar xf a.tar && exec ./later/server", "cd /srv/app && cp -r ../x ../later && cd ../later",
        "cd /srv/app && git clone http://x/y later && cd later && exec ./server",
        "git clone http://x/y /srv/later; cd /srv/later && exec bin/server",
        "mkdir -p /srv/later/deep && cd /srv/later", "mkdir -p /srv/later && cd /srv/later && exec there",
        "ln -sfn /srv/app /srv/later; exec /srv/later/bin/other", "mv /srv/app/plain /srv/app/later; sh /srv/app/later",
        "there >/srv/app/later; sh /srv/app/later", "cd /srv/app; there >later.sh; sh later.sh",
        "curl http://x/y | tee /srv/later; sh /srv/later", "sudo cp /mnt/a /srv/later; sudo -u www /srv/later",
        "/usr/sbin/there --make /srv/later; cd /srv/later", "chmod +x /srv/app/plain && exec /srv/app/plain",
        "sh -c 'curl -o /srv/later http://x/y; exec /srv/later'", "sh -c 'mkdir /srv/later'; cd /srv/later",
        "su www -c 'mkdir -p /srv/later && cd /srv/later && exec there'", "cp /mnt/a /usr/local/bin/later && later",
        "D=/srv/later; mkdir -p $D; cd /srv/later", "mkdir -p /srv/$X/later; cd /srv/a/later",
        "mount /srv/later; cd /srv/later",
        "mkdir later && cd later && there >f", "git clone http://x/later.git && cd later && exec ./server",
        "tar xf /srv/app/plain && later/app/server", "wget http://x/later.sh; sh later.sh; sh ./later.sh",
        "test -e /srv/later || curl -o /srv/later http://x/y; exec /srv/later",
    ],
)  # fmt: skip
def test_what_a_command_makes_itself(root: Path, command: str) -> None:
    """What an earlier part of a command may make is not missing, neither for it nor for other entries."""
    programs = ("curl", "wget", "git", "tee", "chmod", "cp", "ln", "tar")
    make(root, dict.fromkeys((f"/usr/bin/{name}" for name in programs), "!"), usual=False, base=False)
    for mode in ("wait", "respawn"):
        assert found(root, f"g:t:1:{mode}:{command}\n") == []
    assert found(root, f"g:t:1:respawn:there\n:::preflight.t:{command}\n") == []


@pytest.mark.parametrize(
    ("command", "marked"),
    [
        ("/srv/later; touch /srv/later", ["/srv/later"]),
        ("mkdir -p /srv/other && cd /srv/later", ["/srv/later"]),
        ("cd /srv/app && mkdir -p /run/x && exec ./later", ["./later"]),
        ("rm -f /srv/later; exec /srv/later", ["/srv/later"]),
        ("chmod +x /srv/later; exec /srv/later", ["/srv/later"]),
        ("ls /srv/later; cd /srv/later && there", ["/srv/later"]),
        ("touch /srv/app/other; exec /srv/app/plain", ["/srv/app/plain"]),
        ("mkdir -p /run/x && later", ["later"]),
        ("there </srv/app/plain; cd /srv/app/none && there", ["/srv/app/none"]),
    ],
)
def test_what_a_command_does_not_make(root: Path, command: str, marked: list[str]) -> None:
    """What only looks makes nothing, nor does what makes something else, or comes later."""
    make(root, {"/usr/bin/chmod": "!"} if not (root / "usr/bin/chmod").exists() else {}, usual=False, base=False)
    assert [text for _, _, text in found(root, f"g:t:1:respawn:{command}\n")] == marked


def test_what_makes_a_file_is_not_in_the_way_of_others(root: Path) -> None:
    """An entry runs what another one has fetched for itself, or changed."""
    (root / "usr/bin/there").symlink_to("../sbin/there")
    make(root, dict.fromkeys(("/usr/bin/git", "/usr/bin/wget"), "!"), usual=False, base=False)
    fetched = "g:a:1:wait:curl -o /srv/later http://x/y; /srv/later\n"
    assert found(root, f"{fetched}g:b:1:respawn:exec /srv/later --port 80\n") == []
    assert found(root, "g:a:1:wait:chmod +x /srv/app/plain\ng:b:1:respawn:/srv/app/plain\n") == []
    assert found(root, "g:a:1:wait:there >/srv/app/later\ng:b:1:respawn:sh /srv/app/later\n") == []
    assert found(root, "g:a:1:respawn:there --make /srv/later && exec there\ng:b:1:wait:cd /srv/later && there\n") == []
    for command in ("mkdir -p later/x", "git clone http://x/later.git", "wget http://x/later"):
        assert found(root, f"g:a:1:wait:{command}\ng:b:1:respawn:cd /later && exec there\n") == []
    made = "g:a:1:wait:mkdir -p /srv/later && cd /srv/later && there\n"
    assert found(root, f"{made}g:b:1:respawn:cd /srv/later && exec there\n") == []


def test_what_only_looks_brings_nothing(root: Path) -> None:
    """A path that an entry asks for, or works in, is not there because of that."""
    for entry in ("test -d /srv/later", "ls /srv/later", "respawn:exec there --directory /srv/later"):
        line = entry if entry.startswith("respawn") else f"wait:{entry}"
        codes = [code for code, *_ in found(root, f"g:t:1:respawn:cd /srv/later && there\ng:a:1:{line}\n")]
        assert codes.count(PATH) == 1


@pytest.mark.parametrize("name", ["Runtime", "State", "Cache", "Logs", "Configuration"])
def test_what_systemd_makes(root: Path, name: str) -> None:
    """The directories that systemd makes for an entry."""
    top = {"Runtime": "/run", "State": "/var/lib", "Cache": "/var/cache", "Logs": "/var/log", "Configuration": "/etc"}
    table = f"g:t:1:respawn:there\n:::service.t:WorkingDirectory={top[name]}/app/x\n"
    assert len(found(root, table)) == (name != "Runtime")
    assert found(root, f"{table}:::service.t:{name}Directory=app\n") == []


def test_what_the_table_installs(root: Path) -> None:
    """If an entry installs programs, none is missing."""
    (root / "usr/bin/apt-get").symlink_to("env")
    assert found(root, "g:t:1:wait:apt-get install -y x\ng:u:1:respawn:exec x\n") == []


def test_the_words_of_findings(root: Path) -> None:
    """They name the root, and what may be meant."""
    table = (
        "g:a:1:wait:theer\ng:b:1:wait:/srv/app/rnu.sh\ng:c:1:wait:exec tolo\n:::service.c:Environment=PATH=/opt/tools\n"
        "g:d:1:wait:time there\ng:e:1:wait:! there\n"
    )
    findings = everything.findings(table.encode(), "cltab", str(root))
    assert [(f.message, f.hint) for f in findings] == [
        (f"{root} has no program 'theer' in systemd's PATH", "did you mean 'there'?"),
        (f"{root} has no program '/srv/app/rnu.sh'", "did you mean '/srv/app/run.sh'?"),
        (f"{root} has no program 'tolo' in its PATH, /opt/tools", "did you mean 'tool'?"),
        (f"{root} has no program 'time' in systemd's PATH", "install it, or write its whole path"),
        (f"{root} has no program '!' in systemd's PATH",
         "only a shell knows it, and this command goes to none: write /bin/sh -c '! …'"),
    ]  # fmt: skip


def test_no_shell(root: Path) -> None:
    """That there is none is told once; entries that need none are not in question."""
    (root / "usr/bin/sh").unlink()
    table = "g:off:1:off:there\ng:a:1:wait:/usr/sbin/there\ng:b:1:respawn:exec there\n"
    assert found(root, table) == [(MISSING, 2, "/usr/sbin/there")]
    inside = "g:a:1:wait:/bin/inside\n:::service.a:RootDirectory=/srv/jail\n"
    assert found(root, inside) == []
    (root / "usr/bin/dash").write_text("")
    (root / "usr/bin/sh").symlink_to("dash")
    assert found(root, table) == []


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("exec -a web /usr/sbin/there", [("exec-option", "-a")]),
        ("cd /srv/app && A=b exec -c there", [("exec-option", "-c")]),
        ("exec -- there", [("exec-option", "--")]),
        ("exec -a web there $(date)", [("exec-option", "-a")]),
        ("exec there -a", []),
        ("bash -c 'exec -a web there'", []),
        ("time there; there", [(MISSING, "time")]),
    ],
)
def test_what_dash_does_not_have(root: Path, command: str, expected: list[tuple[str, str]]) -> None:
    """It has no options of exec, and no `time`; another shell may have."""
    table = f"g:t:1:wait:{command}\n"
    assert found(root, table) == []
    (root / "usr/bin/sh").rename(root / "usr/bin/dash")
    (root / "usr/bin/sh").symlink_to("/bin/dash")
    assert found(root, table) == [(code, 1, text) for code, text in expected]
    (root / "usr/bin/time").symlink_to("sh")
    assert found(root, table) == [(code, 1, text) for code, text in expected if text != "time"]


@pytest.mark.parametrize("shell", ["bash", "dash"])
@pytest.mark.parametrize("command", ["A=b time there; there", "'time' there; there", "exec time there", "time there"])
def test_where_time_is_a_program(root: Path, command: str, shell: str) -> None:
    """No shell takes it for a word of its own there; it is told once."""
    (root / "usr/bin/sh").rename(root / "usr/bin" / shell)
    (root / "usr/bin/sh").symlink_to(shell)
    assert [code for code, *_ in found(root, f"g:t:1:wait:{command}\n")] == [MISSING]


@pytest.mark.skipif(not Path("/bin/dash").exists(), reason="no dash")
@pytest.mark.parametrize(
    "command", ["exec -a web /bin/true", "exec -c /bin/true", "exec -- /bin/true", "time /bin/true"]
)
def test_the_real_dash(command: str) -> None:
    """It fails as the findings say."""
    done = subprocess.run(
        ["/bin/dash", "-c", command], env={"PATH": "/none"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 127
    assert f"{command.split()[command.startswith('exec')]}: not found" in done.stderr


def test_users_of_a_root(root: Path) -> None:
    """They are those of its passwd and group, and those that its boot makes."""
    lines = ("User=www", "User=made", "User=nobody-here", "Group=root", "Group=made", "Group=www")
    table = "".join(f"g:t{n}:1:respawn:there\n:::service.t{n}:{line}\n" for n, line in enumerate(lines))
    assert found(root, table) == [("unknown-user", 6, "nobody-here"), ("unknown-user", 12, "www")]
