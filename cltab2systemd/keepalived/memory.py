"""What groups were told last, in a file beside the FIFO: a reader that is killed has a successor that goes on."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

from cltab2systemd.disk.files import read_whole, write_whole
from cltab2systemd.keepalived.log import LOG_ERR, LOG_WARNING, log
from cltab2systemd.keepalived.states import State
from cltab2systemd.keepalived.wish import Told
from cltab2systemd.oserrors import worded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Memory:
    """What each group was told last, for all threads.

    Args:
        path: the file; None to remember nothing beyond this process.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._told: dict[str, Told] = {}
        if path is None:
            return
        try:
            self._told = parse(read_whole(path))
        except FileNotFoundError:
            pass
        except OSError as error:
            log(LOG_WARNING, f"{worded(error, path)}; what was told before is forgotten")
        except ValueError as error:
            log(LOG_WARNING, f"{path}: {error}; what was told before is forgotten")

    def recall(self, group: str) -> Told | None:
        """What a group was told last; None if nothing."""
        return self._told.get(group)

    def keep(self, group: str, told: Told | None) -> None:
        """Keep what a group was told. An error is logged, for the group is to follow all the same."""
        if told is None:
            return
        with self._lock:
            self._told[group] = told
            if self._path is None:
                return
            try:
                write_whole(self._path, text_of(self._told), mode=0o600)
            except OSError as error:
                log(LOG_ERR, worded(error, self._path))


def text_of(told: Mapping[str, Told]) -> bytes:
    """What the file holds: an object of groups, each with a state, and whether what it asks for was accepted."""
    return json.dumps({group: [one.state.value, one.is_accepted] for group, one in told.items()}).encode("ascii")


def parse(data: bytes) -> dict[str, Told]:
    """What `text_of` has written, or a reader of an earlier version. ValueError if it is nothing like it.

    A state that this version does not know, or none, is left out.
    """
    try:
        said = json.loads(data)
        return {
            group: Told(State(state), is_accepted is True)
            for group, (state, is_accepted) in said.items()
            if state in list(State)
        }
    except (TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not what the reader writes ({error})") from error
