"""Paths below a root that is not ours."""

import errno
import os
from pathlib import Path

_MAX_LINKS = 40


def inside(root: Path, path: Path) -> Path:
    """Return where path, absolute below root, lies on the host, with all symbolic links resolved as under chroot.

    Neither the last part nor any other has to exist. Raises ValueError for a relative path, OSError (ELOOP).
    """
    if not path.is_absolute():
        raise ValueError(f"not an absolute path in the node: {path}")
    done = Path()
    todo = list(reversed(path.parts[1:]))
    links = 0
    while todo:
        part = todo.pop()
        if part == "..":
            done = done.parent
            continue
        try:
            target = (root / done / part).readlink()
        except OSError:
            # No link, or not there.
            done /= part
            continue
        links += 1
        if links > _MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        if target.is_absolute():
            done = Path()
            target = target.relative_to("/")
        todo += reversed(target.parts)
    return root / done
