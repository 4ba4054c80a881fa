"""Directories that nodes take as layers: made once, kept while a process uses them, and removed when none does."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

# Layers in use by this process, and the open directory that locks each of them against removal.
_locks: dict[Path, int] = {}


def made(store: Path, name: str, make: Callable[[Path], None]) -> Path:
    """Return the layer of a name, made if it is not there. Others that nobody uses are removed.

    Args:
        store: the directory of such layers; it need not be there.
        name: says what the layer is made from.
        make: makes it, all at once.
    """
    store.mkdir(parents=True, exist_ok=True)
    with (store / "lock").open("w") as lock:
        # One at a time: who comes second finds the first one's work.
        fcntl.flock(lock, fcntl.LOCK_EX)
        layer = store / name
        if not layer.is_dir():
            make(layer)
        keep(layer)
        remove_unused(path for path in store.iterdir() if path.is_dir())
    return layer


def keep(layer: Path) -> None:
    """Lock a layer against removal for as long as this process runs."""
    if layer not in _locks:
        _locks[layer] = os.open(layer, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(_locks[layer], fcntl.LOCK_SH)


def remove_unused(layers: Iterable[Path]) -> None:
    """Remove those layers that no running process keeps."""
    for layer in layers:
        if layer in _locks:
            continue
        fd = os.open(layer, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # The lower layer of somebody's running node.
            continue
        else:
            shutil.rmtree(layer)
        finally:
            os.close(fd)
