"""`clinit` with all its options: what they mean, what is printed, and the exit codes."""

from __future__ import annotations

import os

import click

from cltab2systemd import __version__
from cltab2systemd.client import halting, outcome, watching
from cltab2systemd.client.outcome import switch
from cltab2systemd.client.requests import Client
from cltab2systemd.client.seconds import Seconds
from cltab2systemd.client.status import show_status as print_status
from cltab2systemd.locations import CLSTAT, SOCKET, TABLE, locate

_EPILOG = """\b
Exit codes:
  0  fine
  1  refused: no such group, the table has errors, or not permitted
  2  usage
  3  no daemon; with -v also: it is gone, and what is shown may be old
  4  a group ended FAILED (with --wait or --apply), or some group is FAILED (with -v)
  5  timed out (with --wait or --apply)
  6  a later request or a halt took over (with --wait or --apply)
  130  interrupted; a switch that has begun goes on
"""


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_EPILOG,
    options_metavar="[OPTIONS]",
)
@click.argument("words", nargs=-1, metavar="[[GROUP] LEVEL]")
@click.option("-d", "--daemon", is_flag=True, help="Run the daemon in the foreground.")
@click.option("-k", "--halt", is_flag=True, help="Stop all groups gracefully, then the daemon.")
@click.option("-v", "--status", "show_status", is_flag=True, help="Print status afterwards: GROUP LEVEL STATE lines.")
@click.option("-w", "--wait", is_flag=True, help="Wait until the group has settled, and print how.")
@click.option("--strict", is_flag=True, help="Refuse a level that no entry names; else it stops everything.")
@click.option(
    "--try",
    "trial",
    type=Seconds(),
    metavar="SECONDS",
    help="Go back to where the group is after so long, unless --keep comes before that.",
)
@click.option("--apply", "is_apply", is_flag=True, help="Have all groups take the table's lines, each at its level.")
@click.option("--json", "as_json", is_flag=True, help="Print what --apply has done for a program.")
@click.option("--keep", is_flag=True, help="Confirm what --try has begun: the GROUP stays.")
@click.option("--timeout", type=Seconds(), metavar="SECONDS", help="Wait at most so long.")
@click.option(
    "--progress",
    type=click.Choice(watching.FORMS),
    metavar="HOW",
    help=f"How to show progress with --wait or --apply, on the standard error; else as ${watching.VARIABLE} says.",
)
@click.option("-c", "--cltab", metavar="FILE", help=f"The table.  [default: {TABLE}]")
@click.option("-s", "--socket", metavar="PATH", help=f"The daemon's socket.  [default: {SOCKET}]")
@click.option("--clstat", metavar="PATH", help=f"The status file.  [default: {CLSTAT}]")
@click.version_option(__version__, prog_name="clinit")
def command(
    words: tuple[str, ...],
    *,
    daemon: bool,
    halt: bool,
    show_status: bool,
    wait: bool,
    strict: bool,
    is_apply: bool,
    as_json: bool,
    trial: float | None,
    keep: bool,
    timeout: float | None,
    progress: str | None,
    cltab: str | None,
    socket: str | None,
    clstat: str | None,
) -> None:
    """Move a group of programs in the table to a runlevel.

    With a GROUP and a LEVEL, the daemon moves that group to that level, and touches no other. The GROUP can be left
    out: it is this host's name then, and the level one that the group has. With neither, the daemon reads the table
    again. With -v and a GROUP alone, the status of that group is printed. With --apply, the table is read, groups that
    run with other lines take these, and groups that have left it are stopped. A settings line in the table, such as
    `:::socket:PATH`, beats the option of the same name.
    """
    wait = wait and not is_apply  # which waits in any case
    _check_usage(words, daemon=daemon, halt=halt, wait=wait, timeout=None if is_apply else timeout)
    _check_wishes(words, strict=strict, wait=wait, is_apply=is_apply, progress=progress)
    _check_trial(words, trial, keep=keep, others=wait or daemon or halt or strict or trial is not None)
    others = (words, daemon, halt, wait, strict, keep, trial is not None, as_json and show_status)
    _check_apply(is_apply=is_apply, as_json=as_json, others=any(others))
    if daemon:
        raise SystemExit(_run_daemon(cltab, socket, clstat))
    instance, code = Client(cltab, socket, clstat), outcome.FINE
    if show_status and len(words) == 1 and not (wait or strict or keep or trial) and instance.knows_group(words[0]):
        raise SystemExit(print_status(instance, words[0]))
    if keep:
        code = outcome.keep(instance, "".join(words))
    elif is_apply:
        code = _apply(instance, timeout, as_json=as_json, progress=progress)
    elif words:
        code = switch(instance, list(words), wait=wait, timeout=timeout, strict=strict, trial=trial, progress=progress,
                      is_shown=show_status)  # fmt: skip
    elif halt:
        code = halting.halt(instance, wait=wait, timeout=timeout, progress=progress)
    elif not show_status:
        code = _reread(instance)
    shown = print_status(instance, is_halted=halt) if show_status else outcome.FINE
    raise SystemExit(code or shown)


def _check_usage(words: tuple[str, ...], *, daemon: bool, halt: bool, wait: bool, timeout: float | None) -> None:
    if len(words) > 2:
        raise click.UsageError(f"a group and a level are two words, not {len(words)}")
    if any(not word for word in words):
        raise click.UsageError("a group or level cannot be empty")
    if (daemon or halt) and words:
        raise click.UsageError("-d and -k take no group or level")
    if daemon and (halt or wait):
        raise click.UsageError("-d goes with none of -k and -w")
    if wait and not words and not halt:
        raise click.UsageError("-w waits for a switch: name the group and the level")
    if timeout is not None and not wait:
        raise click.UsageError("--timeout goes with --wait or --apply")


def _reread(instance: Client) -> int:
    with outcome.Reported() as reported:
        outcome.note(instance.reread())
    return reported.code


def _apply(instance: Client, timeout: float | None, *, as_json: bool, progress: str | None) -> int:
    from cltab2systemd.client.applying import apply  # noqa: PLC0415 - other requests have no use for it

    return apply(instance, timeout=timeout, is_json=as_json, progress=progress)


def _check_apply(*, is_apply: bool, as_json: bool, others: bool) -> None:
    if is_apply and others:
        raise click.UsageError(
            "--apply is for all groups: it takes no level, and of the other options only --timeout, --progress, "
            "--json, or -v, and those that say where all is; it waits in any case"
        )
    if as_json and not is_apply:
        raise click.UsageError("--json goes with --apply")


def _check_wishes(words: tuple[str, ...], *, strict: bool, wait: bool, is_apply: bool, progress: str | None) -> None:
    if strict and not words:
        raise click.UsageError("--strict goes with a level")
    if progress is not None and not (wait or is_apply):
        raise click.UsageError("--progress goes with --wait or --apply")


def _check_trial(words: tuple[str, ...], trial: float | None, *, keep: bool, others: bool) -> None:
    if trial is not None and not words:
        raise click.UsageError("--try goes with a level")
    if keep and (len(words) > 1 or others):
        raise click.UsageError("--keep takes a group, and no option besides but -v and those that say where all is")


def _run_daemon(cltab: str | None, socket: str | None, clstat: str | None) -> int:
    from cltab2systemd.daemon import main as daemon  # noqa: PLC0415 - jinja2 and pystemd, which no client needs

    try:
        daemon.run(locate(cltab, socket, clstat, trusted=True))
    except daemon.DaemonError as error:
        outcome.complain(f"clinit: {error}")
        # clinit.service has systemd not try again after EX_TEMPFAIL.
        return os.EX_TEMPFAIL if isinstance(error, daemon.OccupiedError) else outcome.REFUSED
    return outcome.FINE
