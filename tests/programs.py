"""Programs that entries run in nodes: the command fields of tables.

Those that say something need the script `event`, which an Instance writes into its node.
"""

from instance import EVENTS

RUN = "exec sleep 1000"
# The same but for its line, as after a push.
RUN_NEW = "exec sleep 2000"


def saying(log: str) -> str:
    """What makes the shell know `say WHAT…`; see `instance.EVENT_SCRIPT`.

    Args:
        log: the name of a group, or the path of a file, for what is said.
    """
    path = log if log.startswith("/") else f"{EVENTS}/{log}"
    return f"EVENTS={path}; . event;"


def until_there(file: str) -> str:
    """What makes the shell wait until there is a file."""
    return f"until [ -e {file} ]; do sleep 0.02; done"


def slow_to_stop(seconds: float) -> str:
    """A command that runs until SIGINT, and then takes so long."""
    # The signal goes to whatever the entry runs, also to what the trap starts.
    return f"trap 'trap \"\" INT; sleep {seconds}; exit' INT; while :; do sleep 0.02; done"


def held(file: str) -> str:
    """A command that writes a file, and runs until SIGINT, then until the file is removed.

    Only SIGKILL ends it before, which comes 15 s after SIGINT.
    """
    trap = f'trap "" INT TERM; while [ -e {file} ]; do sleep 0.02; done; exit'
    return f"trap '{trap}' INT; : >{file}; while :; do sleep 0.02; done"


def polite(log: str, tag: str, seconds: float = 0.4) -> str:
    """A command that says that it is up; on SIGINT says that it is stopping, takes its time, and says that it is gone.

    Args:
        log: as for `saying`.
        tag: what stands before `up`, `stopping` and `gone`.
        seconds: how long it takes.
    """
    trap = f'trap "" INT; say {tag} stopping; sleep {seconds}; say {tag} gone; exit'
    return f"{saying(log)} trap '{trap}' INT; say {tag} up; while :; do sleep 0.02; done"


def deaf(*signals: str, then: str = ":") -> str:
    """A command that runs until it is killed.

    Args:
        signals: what it ignores, SIGINT if none is named.
        then: what it does as soon as it ignores them.
    """
    return f"trap '' {' '.join(signals or ('INT',))}; {then}; while :; do sleep 0.1; done"
