"""`cltab2systemd rehearse` as people and CI run it: answers, exit codes, what is left of it, and of the machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from answers import answered
from jsondocument import schema_of
from support import cgroups_of, host_state
from translator import run

from cltab2systemd.rehearsal.performance import Performance
from cltab2systemd.rehearsal.standin import StandIns
from lab.install import PROJECT
from lab.waiting import wait_until

TABLE = "web:db:3m:respawn:sleep 1000\nweb:app:3:respawn:sleep 1001\nmail:queue:1:respawn:sleep 1002\n"
CHANGED = TABLE.replace("1001", "2001")
COMMAND = [sys.executable, "-c", "from cltab2systemd.commands.main import main; main()", "rehearse"]


@pytest.fixture
def tables(lab: None, tmp_path: Path) -> tuple[Path, Path]:
    """An old table and a new one."""
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text(TABLE)
    new.write_text(CHANGED)
    return old, new


def test_what_changes_is_rehearsed(tables: tuple[Path, Path]) -> None:
    """The group that changes goes through all pairs of levels, there and back, while the other one stands by."""
    done = run("rehearse", *tables, "--format", "json")
    answered(done, code=0, err="")
    report = json.loads(done.stdout)

    assert (report["fine"], report["ended_early"], report["standing_by"]) == (True, None, ["mail"])
    (web,) = report["groups"]
    assert (web["group"], web["change"], web["findings"]) == ("web", "changed", [])
    pairs = {
        tuple((place["table"], place["level"]) if place else None for place in (move["from"], move["to"]))
        for move in web["moves"]
    }
    assert {(("old", a), ("new", b)) for a in "3m" for b in "3m"} <= pairs
    assert {(("new", a), ("old", b)) for a in "3m" for b in "3m"} <= pairs
    moved = next(
        move for move in web["moves"]
        if move["from"] == {"table": "old", "level": "3"} and move["to"] == {"table": "new", "level": "3"}
    )  # fmt: skip
    assert {entry["tag"]: (entry["foretold"], entry["seen"]) for entry in moved["entries"]} == {
        "db": ("leave", "leave"), "app": ("restart", "restart"),
    }  # fmt: skip


def test_a_readiness_goes_with_its_entry(tables: tuple[Path, Path]) -> None:
    """If its entry is restarted, it is asked again, as foretold."""
    for path in tables:
        path.write_text(f"{path.read_text()}:::ready.app:tcp:5432\n")
    options = ("--group", "web", "--from", "3", "--to", "3", "--format", "json")
    done = run("rehearse", *options, *tables)
    answered(done, code=0, err="")
    (web,) = json.loads(done.stdout)["groups"]
    seen = {entry["tag"]: (entry["foretold"], entry["seen"]) for entry in web["moves"][-1]["entries"]}
    assert seen == {"db": ("leave", "leave"), "app": ("restart",) * 2, "app:ready": ("restart",) * 2}


def test_a_level_that_the_new_table_does_not_have(tables: tuple[Path, Path]) -> None:
    """What diff says of --apply there is said as well; requests for other levels are as foretold."""
    old, new = tables
    new.write_text(TABLE.replace("mail:queue:1", "mail:queue:2"))
    why = (
        "no entry of mail names level '1': refused, and the group stays as it is ('clinit mail 1' stops everything); "
        "its levels are 2"
    )
    done = run("rehearse", old, new)
    assert done.exit_code == 0
    assert f"\n  'clinit --apply' is refused at 1: {why}\n" in done.stdout
    report = json.loads(run("rehearse", "--format", "json", old, new).stdout)
    schema_of("`rehearse`").validate(report)
    assert report["groups"][0]["refused"] == [{"level": "1", "code": "unnamed-level", "error": why}]
    assert (
        report["groups"][0]["refused"]
        == json.loads(run("diff", "--format", "json", old, new).stdout)["groups"][1]["refused"]
    )


@pytest.mark.parametrize("option", ["--fail", "--real"])
def test_an_entry_that_does_not_run(tables: tuple[Path, Path], option: str) -> None:
    """What is asked of it cannot be seen: that is told, with the reason."""
    for path in tables:
        path.write_text(f"{path.read_text()}web:never:3:off:true\nweb:late:late,:wait:true\n")
    words = [word for tag in ("queue", "never", "late", "app") for word in (option, tag)]
    old, new = tables

    def unseen(*more: str) -> list[str]:
        done = run("rehearse", "--from", "3", "--to", "3", "--format", "json", *more, *words, old, new)
        return [line for line in json.loads(done.stdout)["not_seen"] if line.startswith(option)]

    expected = [f"{option} late: no move leads to a level at which it runs", f"{option} never: that entry is off"]
    assert unseen() == [*expected, f"{option} queue: mail is not rehearsed (--all has it rehearsed, too)"]
    by_name = f"{option} queue: mail is not rehearsed (--group mail has it rehearsed, too)"
    assert unseen("--group", "web") == [*expected, by_name]
    nowhere = f"{option} queue: no move leads to a level at which it runs"
    assert unseen("--group", "web", "--group", "mail") == [*expected, nowhere]


def test_a_fault_is_red(tables: tuple[Path, Path]) -> None:
    """The text names the group, the entry and the reason, and the exit code is 1."""
    old, new = tables
    new.write_text(CHANGED + "web:late:3:wait:/no/such/program --now\n")
    done = run("rehearse", "--group", "web", "--from", "3", "--to", "3", old, new)

    assert done.exit_code == 1
    assert "web: " in done.stdout
    assert "/no" in done.stdout
    assert "Not seen:" in done.stdout


def test_its_limits_and_other_file_systems(lab: None, tmp_path: Path) -> None:
    """Who takes more than --memory and --tasks fails, and nobody else; what --bind-ro shows is there, read-only."""
    table = tmp_path / "table"
    table.write_text(
        "web:shown:3:test:test -f /mnt/config && ! touch /mnt/other\n"
        "mail:eater:3:test:exec python3 -c 'bytearray(1 << 30)'\n"
        "shop:forker:3:test:for number in $(seq 400); do sleep 9 & done\n"
    )
    script = 'mount -t tmpfs tmpfs /mnt; echo >/mnt/config; exec "$@"'
    words = [*COMMAND, "--all", "--real", "all", "--memory", "256M", "--tasks", "200", "--format", "json"]
    tables = [str(table), str(table)]

    def told(*options: str) -> dict[str, str]:
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-ec", script, "sh", *words, *options, *tables],
            cwd=PROJECT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 1, done.stderr
        findings = [finding for group in json.loads(done.stdout)["groups"] for finding in group["findings"]]
        return {finding["tag"]: " ".join((finding["text"], *finding["lines"])) for finding in findings}

    limited = told("--bind-ro", "/mnt")
    assert {*limited} == {"eater", "forker"}
    assert "SIGKILL" in limited["eater"]
    assert "Cannot fork" in limited["forker"]
    assert "--bind-ro /mnt shows it" in told("--group", "web")["shown"]


@pytest.mark.parametrize("memory", ["2M", "10M"])
def test_too_little_memory(tables: tuple[Path, Path], memory: str) -> None:
    """It is said that it was not enough, on one line, and no Python of it."""
    done = run("rehearse", "--memory", memory, *tables)
    answered(done, code=3, out="")
    (line,) = done.stderr.splitlines()
    assert line.startswith("cltab2systemd: cannot rehearse here: --memory is not enough, give more: ")
    assert "Command" not in line


def test_a_time_that_is_up_before_it_has_begun(lab: None) -> None:
    """It is told as such, and not without a word."""
    sides = dict.fromkeys(("old", "new", "clear"), "")
    stand_ins = {side: StandIns() for side in sides}
    with pytest.raises(TimeoutError, match="before it had begun"), Performance(sides, stand_ins, seconds=0.0):
        pass


def test_nothing_to_rehearse(tables: tuple[Path, Path]) -> None:
    """Two tables that say the same need no rehearsal; with --all, groups go from level to level."""
    old, _ = tables
    answered(run("rehearse", old, old), code=0, out="")
    none = run("rehearse", "--group", "mail", "--from", "1", "--to", "1", old, old)
    answered(none, code=0, out="", err="cltab2systemd: there is no such move, so there is nothing to rehearse\n")
    report = json.loads(run("rehearse", "--format", "json", old, old).stdout)
    schema_of("`rehearse`").validate(report)
    assert (report["fine"], report["moves_planned"], report["moves_made"]) == (True, 0, 0)
    everything = run("rehearse", "--all", old, old)
    assert everything.exit_code == 0
    assert "web: " in everything.stdout
    assert "mail: " in everything.stdout


def test_what_is_refused(tables: tuple[Path, Path], tmp_path: Path) -> None:
    """Tags that nobody has, tables with errors, and users who are not root."""
    old, new = tables
    unknown = run("rehearse", "--real", "nobody", old, new)
    assert unknown.exit_code == 2
    assert "no such entry: nobody" in unknown.stderr
    for option, name, meant in (("--real", "ueue", "queue"), ("--fail", "queu", "queue"), ("--group", "mial", "mail")):
        misspelt = run("rehearse", option, name, old, new)
        assert misspelt.exit_code == 2
        assert f"{option}: no such" in misspelt.stderr
        assert f": {name}; did you mean '{meant}'?" in misspelt.stderr
    bad = tmp_path / "bad"
    bad.write_text("web:x\n")
    assert run("rehearse", old, bad).exit_code == 1
    tmp_path.chmod(0o755)
    words = ["setpriv", "--reuid=65534", "--clear-groups", *COMMAND, str(old), str(new)]
    refused = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert refused.returncode in {1, 3}
    assert refused.stderr


@pytest.mark.parametrize("option", ["--from", "--to"])
def test_a_level_that_there_is_not(tables: tuple[Path, Path], option: str) -> None:
    """It is refused, with those that there are and the one that was meant; one that either table has is taken."""
    old, new = tables
    old.write_text(f"{TABLE}web:gone:before,:wait:true\n")
    new.write_text(f"{CHANGED}web:came:behind,:wait:true\n:::levels.web:stopped\n")
    unknown = run("rehearse", option, "9", old, new)
    assert unknown.exit_code == 2
    there = "the levels are 3, m, before, 1, behind, stopped"
    assert f"{option}: no such level: 9; {there}\n" in unknown.stderr
    for name, meant in (("befor", "before"), ("behidn", "behind"), ("stoped", "stopped")):
        misspelt = run("rehearse", option, name, old, new)
        assert misspelt.exit_code == 2
        assert f"{option}: no such level: {name}; {there}; did you mean '{meant}'?" in misspelt.stderr, misspelt.stderr

    of_others = run("rehearse", "--group", "mail", option, "m", old, new)
    assert of_others.exit_code == 2
    assert "no such level: m; the levels are 1\n" in of_others.stderr
    for name in ("before", "behind", "stopped"):
        answered(run("rehearse", option, name, old, new), code=0, err="")


def cgroups_of_child(pid: int) -> list[str]:
    """The cgroups of the rehearsal of a process; other tests may have some of the same name. The last word is a pid."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [path for path in cgroups_of("rehearsal") if Path(path).name.rpartition("-")[2] in children]


def test_the_machine_is_as_before(tables: tuple[Path, Path]) -> None:
    """Nothing on it has changed, and nothing is left, also after SIGKILL in the middle."""
    before = host_state()
    assert run("rehearse", *tables).exit_code == 0
    with subprocess.Popen([*COMMAND, "--all", *map(str, tables)], cwd=PROJECT, stdout=subprocess.DEVNULL) as process:
        mine = wait_until(lambda: cgroups_of_child(process.pid), what="it has begun")
        os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: not [path for path in mine if Path(path).exists()], timeout=30, what="nothing is left of it")
    after = host_state()

    assert after.mounts == before.mounts
    assert after.descendants == before.descendants
    assert [path for path in after.files - before.files if "clinit" in path or "cltab" in path] == []


def test_a_command_that_ends_the_rehearsal(tables: tuple[Path, Path]) -> None:
    """What runs for real may end the process that performs it: that is told, and no machine comes to harm."""
    old, new = tables
    new.write_text(CHANGED + "web:killer:3:wait:pkill -KILL -f rehearsal.stage; sleep 1\n")
    done = run("rehearse", "--real", "killer", "--group", "web", old, new)

    assert done.exit_code == 1
    assert "has ended" in done.stdout
    assert "Not rehearsed: " in done.stdout
