"""Programs that run the one they are given, and which word of a command is the program behind them. Pure.

The rows are data; sources are the programs' manual pages. The words are those that `commandline` reads.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cltab2systemd.check.commandline import is_assignment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cltab2systemd.check.commandline import Word


@dataclass(frozen=True, slots=True)
class Wrapper:
    """Programs that run the one that they are given.

    Attributes:
        names: of the programs.
        valued: their options whose value may be the next word.
        operands: how many words that are no options stand before the program.
        waits: whether the wrapper is there as long as the program: it becomes the program, or waits for it.
        flags: their other options; one that ends with `*` stands for all that begin so. With one that is in neither
            list, it is not certain which word is the program.
        uncertain: the options with which it is not certain either, whatever their value.
        of_user: whether the program is run as another user.
        of_root: whether the program is run in another root: the last word before it.
        built_in: whether it is the shell's own.
    """

    names: str
    valued: str = ""
    operands: int = 0
    waits: bool = True
    flags: str = ""
    uncertain: str = ""
    of_user: bool = False
    of_root: bool = False
    built_in: bool = False


WRAPPERS = (
    Wrapper("exec", "-a", flags="-c -l", built_in=True),
    Wrapper("command", flags="-p", built_in=True),
    # bash's own, and a program, which dash runs.
    Wrapper("time", "-f -o --format --output", flags="-a -p -q -v --append --portability --quiet --verbose",
            built_in=True),
    Wrapper("busybox"),
    Wrapper("nohup cttyhack eatmydata nocache setarch linux64 linux32"),
    Wrapper("setsid", flags="-c -f -w --ctty --fork --wait"),
    Wrapper("env", "-u -C --unset --chdir", flags="-i - -v -0 --ignore-environment --debug"),
    Wrapper("nice", "-n --adjustment"),
    Wrapper("ionice", "-c -n --class --classdata", flags="-t --ignore"),
    Wrapper("stdbuf", "-i -o -e --input --output --error"),
    Wrapper("chrt", "-T -P -D", operands=1, flags="-b -d -f -i -o -r -R -v --batch --fifo --idle --other --rr"),
    Wrapper("taskset", operands=1, flags="-a -c --all-tasks --cpu-list"),
    Wrapper("numactl", "-i -N -m -C -p --interleave --cpunodebind --membind --physcpubind --preferred", flags="-l -a"),
    Wrapper("prlimit choom", "-n"),
    Wrapper("flock", "-w -E --timeout --wait --conflict-exit-code", operands=1,
            flags="-s -x -e -n -u -o -F -v --shared --exclusive --nonblock --nb --unlock --close --no-fork --verbose"),
    # What is in another root is not known.
    Wrapper("unshare", "-S -G --map-group --map-groups --map-user --map-users --propagation --setgid --setgroups "
            "--setuid --boottime --monotonic",
            flags="-c -f -i -m -n -p -r -u -C -T -U --cgroup --fork --ipc --keep-caps --kill-child --map-auto "
            "--map-current-user --map-root-user --mount --mount-proc --net --pid --time --user --uts",
            uncertain="--root --wd"),
    Wrapper("systemd-cat", "-t -p --identifier --priority --stderr-priority"),
    Wrapper("systemd-inhibit", "--what --who --why --mode"),
    Wrapper("dumb-init tini catatonit", flags="-c -v -s -g -w"),
    Wrapper("sudo", "-u -g -p -h -r -t -T -C --user --group --prompt", of_user=True, flags="-E -H -n -S -b -P -k --"),
    # Of kbd: it starts the program on a free terminal, and ends.
    Wrapper("openvt", "-c --console", waits=False),
    # Of s390-tools: it waits until there is such a terminal.
    Wrapper("ttyrun", "-e --exitstatus", operands=1),
    # It ends the program when the time is over: what never ends by itself does then.
    Wrapper("timeout", "-k -s --kill-after --signal", operands=1, waits=False,
            flags="-v -f --foreground --preserve-status --verbose"),
)  # fmt: skip
# Those that are taken for the program itself, wherever another user matters.
USER_WRAPPERS = (
    Wrapper("runuser", "-u -g -G --user --group --supp-group", of_user=True, flags="-m -p --"),
    Wrapper("setpriv", "--reuid --regid --groups --inh-caps --ambient-caps --bounding-set --securebits --pdeathsig",
            of_user=True, flags="--clear-groups --keep-groups --init-groups --no-new-privs --reset-env --nnp"),
    Wrapper("gosu su-exec setuidgid s6-setuidgid", operands=1, of_user=True),
    Wrapper("chpst", "-u -U -e -n -m -d -o -p -f -c", of_user=True, flags="-v -P -0 -1 -2"),
    Wrapper("doas", "-u -C", of_user=True, flags="-n"),
)  # fmt: skip
# Those that are taken for the program itself, wherever the files of the machine matter.
ROOT_WRAPPERS = (Wrapper("chroot", "--groups --userspec", operands=1, flags="--skip-chdir", of_root=True),)
_WRAPPER_OF = {name: wrapper for wrapper in WRAPPERS for name in wrapper.names.split()}
_USER_WRAPPER_OF = {name: wrapper for wrapper in USER_WRAPPERS for name in wrapper.names.split()}
_ANY_OF = _WRAPPER_OF | _USER_WRAPPER_OF | {name: row for row in ROOT_WRAPPERS for name in row.names.split()}

SHELLS = frozenset(["sh", "bash", "dash", "ksh", "ash"])
SHELL_VALUED = "-c -o"
# They give a command to the shell of another user.
AS_USER = frozenset(["su", "runuser"])


def behind_wrappers(words: Sequence[Word], start: int = 0, *, waits_only: bool = False) -> int:
    """Which word is the first that is no assignment, no wrapper and none of its options; their number if all are.

    Args:
        words: of a call.
        start: the words before this one are not looked at.
        waits_only: a wrapper that does not wait for its program is taken for the program itself.
    """
    index = start
    while index < len(words):
        wrapper = _WRAPPER_OF.get(words[index].name)
        if is_assignment(words[index]):
            index += 1
        elif wrapper and (wrapper.waits or not waits_only):
            index = behind_options(words, index + 1, wrapper.valued) + wrapper.operands
        else:
            break
    return min(index, len(words))


def behind_options(words: Sequence[Word], start: int, valued: str) -> int:
    """Which word from `start` on is the first that is no option, and no value of one.

    Args:
        words: of a call.
        start: the words before this one are not looked at.
        valued: the options whose value may be the next word.
    """
    index, with_value = start, valued.split()
    while index < len(words) and words[index].text.startswith("-"):
        index += 2 if words[index].text in with_value else 1
    return index


def wrapper_of(word: Word) -> Wrapper | None:
    """The wrapper of a name, also one that runs a program as another user, or in another root; None if it is none."""
    return _ANY_OF.get(word.name)


def behind_wrapper(wrapper: Wrapper, words: Sequence[Word], start: int) -> int | None:
    """Which word is the one that a wrapper runs, or an assignment before it; None if that is not certain.

    Args:
        wrapper: whose options begin at `start`.
        words: of a call.
        start: the words before this one are not looked at.
    """
    index, valued, flags = start, wrapper.valued.split(), wrapper.flags.split()
    uncertain = wrapper.uncertain.split()
    beginnings = tuple(flag.removesuffix("*") for flag in flags if flag.endswith("*"))
    while index < len(words) and words[index].text.startswith("-"):
        option = words[index].text
        index += 1
        if option.partition("=")[0] in uncertain:
            return None
        if option == "--":
            break
        if option in valued:
            index += 1
        elif option in flags or (option.startswith("--") and "=" in option) or option.startswith(beginnings):
            continue
        elif (end := _bundle(option, valued, flags)) is None:
            return None
        else:
            index += end
    index += wrapper.operands
    return index if index < len(words) else None


def _bundle(option: str, valued: Sequence[str], flags: Sequence[str]) -> int | None:
    """How many words more an argument such as `-xn5` takes; None if it has a letter that is not known.

    Digits stand for themselves, as in `nice -5`, or belong to the letter before them, as in `perl -l0n`.
    """
    if option.startswith("--") or len(option) < 2:
        return None
    for position, letter in enumerate(option[1:], 2):
        if f"-{letter}" in valued:
            return 0 if position < len(option) else 1
        if f"-{letter}" not in flags and not letter.isdigit():
            return None
    return 0


def program_index(words: Sequence[Word]) -> int | None:
    """Which word is the program that the others are arguments of, behind assignments and wrappers; None without one.

    A shell is a wrapper if it is given the path of a script. If it reads anything else, there is no such word.
    """
    index = behind_wrappers(words, waits_only=True)
    while index < len(words) and words[index].name in SHELLS:
        script = behind_options(words, index + 1, SHELL_VALUED)
        if script < len(words) and not words[script].text.startswith("/"):
            return None
        index = behind_wrappers(words, script, waits_only=True)
    return index if index < len(words) else None


def inner_command(name: str, arguments: Sequence[Word]) -> Word | None:
    """The command that a shell, `su` or `flock` is given as one word; None without one, or if it has to be expanded."""
    for option, value in itertools.pairwise(arguments):
        letters = option.text[1:] if option.text.startswith("-") and not option.text.startswith("--") else ""
        if option.text == "--command" or (letters.endswith("c") and letters.isalpha()):
            is_expanded = value.raw.startswith('"') and any(sign in value.raw for sign in "$`")
            is_whole = value.raw[:1] in {"'", '"'} or value.is_exact
            return value if is_whole and not is_expanded else None
        if name in SHELLS and not letters:
            return None
    return None


def innermost(words: Sequence[Word]) -> int | Word | None:
    """What is run in the end, as another user perhaps; None if that is not certain.

    Returns which word is the program that the others are arguments of, or the word that is a whole command.
    """
    index = program_index(words)
    if index is None:
        start = behind_wrappers(words, waits_only=True)
        is_shell = start < len(words) and words[start].name in SHELLS
        return inner_command(words[start].name, words[start + 1 :]) if is_shell else None
    word = words[index]
    if word.name in AS_USER and (inner := inner_command(word.name, words[index + 1 :])) is not None:
        return inner
    wrapper = _USER_WRAPPER_OF.get(word.name)
    following = behind_wrapper(wrapper, words, index + 1) if wrapper else None
    if following is None:
        return index
    behind = innermost(words[following:])
    return following + behind if isinstance(behind, int) else behind
