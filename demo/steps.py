"""What the demo shows, in order."""

from pathlib import Path

from demo.stage import Stage

TABLE = Path(__file__).with_name("cltab").read_text(encoding="utf-8")

_PAGE = ("curl", "--silent", "--fail", "http://127.0.0.1:8080/")
_OPEN = "<h1>The shop is open</h1>"
_CLOSED = "<h1>Back at noon</h1>"


def play(stage: Stage) -> None:
    """Play all steps. Raises StepError at the first one that does not show what it says."""
    _table(stage)
    _daemon(stage)
    runner = _mail(stage)
    shipper = _production(stage)
    _maintenance(stage, shipper, runner)
    _respawn(stage, runner)
    _systemd(stage, shipper)
    _failure(stage, runner)
    _recovery(stage, shipper, runner)
    _halt(stage)


def _table(stage: Stage) -> None:
    with stage.step("One table says what runs on a machine: groups of programs, and at which levels they run."):
        text = stage.run("cat", "/etc/cltab")
        stage.equal("the table", text, TABLE)
        stage.run("cltab2systemd", "check", "/etc/cltab")


def _daemon(stage: Stage) -> None:
    with stage.step("The control daemon turns the table into units of systemd. Nothing runs until it is told to."):
        stage.run("systemd-run", "--quiet", "--unit=clinitd", "--property=IgnoreOnIsolate=yes", "clinit", "-d")
        stage.until("the daemon listens", lambda: stage.exists("/run/clinit/clinit.s"))
        # Answered when the daemon has read the table.
        stage.run("clinit")
        stage.equal("what runs", stage.ask("systemctl", "list-units", "--quiet", "clinit-*@*"), "")
        stage.clstat()


def _mail(stage: Stage) -> str:
    with stage.step("The group mail goes to level 1: the spool is made, the queue goes out once, the runner stays."):
        stage.equal("the answer", stage.run("clinit", "--wait", "mail", "1"), "mail 1 DONE\n")
        stage.until("the queue is empty", lambda: not stage.ask("sh", "-c", "ls /var/spool/letters/queued-* || :"))
        stage.until("the journal has the letters", lambda: "sent queued-3" in _said(stage, "mail", "queue"))
        text = stage.run("journalctl", "--quiet", "--output=cat", "-u", "clinit-mail@queue")
        stage.contains("the journal", text, "sent queued-1", "sent queued-2", "sent queued-3")
        stage.clstat("mail 1 DONE")
        return stage.pid("mail", "runner")


def _production(stage: Stage) -> str:
    with stage.step("The group web goes to level 3. When the command returns, the shop serves: a test has asked it."):
        stage.equal("the answer", stage.run("clinit", "--wait", "web", "3"), "web 3 DONE\n")
        stage.equal("the page", stage.run(*_PAGE), f"{_OPEN}\n")
        stage.clstat("web 3 DONE", "mail 1 DONE")
        return stage.pid("web", "shipper")


def _maintenance(stage: Stage, shipper: str, runner: str) -> None:
    with stage.step(
        "Maintenance, level m: one server goes, then another comes. The log shipper, which is in both levels, "
        "is not touched, nor is the other group."
    ):
        shop = stage.pid("web", "shop")
        stage.equal("the answer", stage.run("clinit", "--wait", "web", "m"), "web m DONE\n")
        stage.equal("the page", stage.run(*_PAGE), f"{_CLOSED}\n")
        stage.equal("whether the shop's process is there", stage.exists(f"/proc/{shop}"), expected=False)
        stage.equal("the pid of web:shipper", stage.pid("web", "shipper"), shipper)
        stage.equal("the pid of mail:runner", stage.pid("mail", "runner"), runner)
        stage.say(f"web:shipper has pid {shipper} and mail:runner has pid {runner}, as before")
        stage.clstat("web m DONE", "mail 1 DONE")


def _respawn(stage: Stage, runner: str) -> None:
    with stage.step("A respawn entry that dies, here of kill -9, comes back at once and serves again."):
        before = stage.pid("web", "closed")
        stage.run("kill", "-9", before)
        stage.until("web:closed has another process", lambda: stage.main_pid("web", "closed") not in {before, "0"})
        stage.until("the page is served again", lambda: stage.ask(*_PAGE) == _CLOSED)
        after = stage.pid("web", "closed")
        stage.differ("the pid of web:closed", after, before)
        stage.equal("the page", stage.run(*_PAGE), f"{_CLOSED}\n")
        stage.say(f"web:closed had pid {before}, and has pid {after}")
        stage.equal("the pid of mail:runner", stage.pid("mail", "runner"), runner)
        stage.clstat("web m DONE", "mail 1 DONE")


def _systemd(stage: Stage, shipper: str) -> None:
    with stage.step("Levels and entries are plain units: systemctl and journalctl show them like any other."):
        text = stage.run("systemctl", "status", "--no-pager", "--lines=0", "clinit-web@*")
        stage.contains("the status", text, "clinit-web@m.target", "clinit-web@closed.service", f"Main PID: {shipper} ")
        stage.until("the journal has the requests", lambda: _said(stage, "web", "shipper").count("GET /") >= 3)
        text = stage.run("journalctl", "--quiet", "--no-hostname", "-u", "clinit-web@shipper")
        stage.contains("the journal", text, '"GET / HTTP/1.1" 200', f"shipper[{shipper}]:")
        stage.say(f"what web:shipper, pid {shipper}, was given to ship by the servers of both levels")
        stage.clstat("web m DONE", "mail 1 DONE")


def _failure(stage: Stage, runner: str) -> None:
    with stage.step("Level s has a test that fails: whoever asked is told by an exit code, everybody else by clstat."):
        stage.equal("the answer", stage.run("clinit", "--wait", "web", "s", code=4), "web s FAILED\n")
        stage.clstat("web s FAILED", "mail 1 DONE")
        stage.equal("the pid of mail:runner", stage.pid("mail", "runner"), runner)
    with stage.step("One command tells which entry is not well, why, and what to do; its exit code is for monitoring."):
        text = stage.run("clinitctl", "status", "web", code=4)
        stage.contains("the status", text, "web: level s FAILED", "exited with 1", "clinit web s")


def _recovery(stage: Stage, shipper: str, runner: str) -> None:
    with stage.step("Back to level 3: the failure is forgotten. What had been stopped starts anew."):
        stage.equal("the answer", stage.run("clinit", "--wait", "web", "3"), "web 3 DONE\n")
        stage.equal("the page", stage.run(*_PAGE), f"{_OPEN}\n")
        stage.differ("the pid of web:shipper", stage.pid("web", "shipper"), shipper)
        stage.equal("the pid of mail:runner", stage.pid("mail", "runner"), runner)
        stage.clstat("web 3 DONE", "mail 1 DONE")


def _halt(stage: Stage) -> None:
    with stage.step("The end: all groups are stopped in order, then the daemon. Nothing is left, and nothing failed."):
        stage.run("clinit", "-k", "--wait")
        stage.until("the daemon is gone", lambda: not stage.exists("/run/clinit/clinit.s"))
        stage.until("clstat is gone", lambda: not stage.exists("/run/clinit/clstat"))
        units = "clinit-*.service", "clinit-*.target"
        stage.equal("what runs", stage.run("systemctl", "list-units", "--quiet", "--state=active,failed", *units), "")


def _said(stage: Stage, group: str, tag: str) -> str:
    """What an entry has written so far."""
    stage.ask("journalctl", "--sync")
    return stage.ask("journalctl", "--quiet", "--output=cat", "-u", f"clinit-{group}@{tag}")
