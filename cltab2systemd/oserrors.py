"""What a person is told of an error of the operating system: which file, what is wrong with it, and what to do.

Imports nothing heavy: the client words its errors here, too.
"""

from __future__ import annotations

import errno

from cltab2systemd.text import decoded

# What to do about it. `{directory}` is where the file lies.
_HINTS = {
    errno.ENOSPC: "make room there (df {directory})",
    errno.EDQUOT: "make room there (df {directory})",
    errno.EROFS: "make it writable (findmnt --target {directory})",
    errno.EIO: "the disk has an error (dmesg)",
    errno.EMFILE: "close some connections, or raise LimitNOFILE=",
    errno.ENFILE: "too much is open on this machine (sysctl fs.file-max)",
    errno.ENOMEM: "the machine has no memory left",
}


def worded(error: OSError, path: object = None) -> str:
    """An error as a person reads it: `FILE: REASON; WHAT TO DO`.

    Args:
        error: what the operating system said.
        path: the file that it is about, if the error does not know it.

    Returns:
        The text, without Python's numbers. The file and the hint are left out where there is none.
    """
    file = _text(error.filename if error.filename is not None else path)
    reason = error.strerror or str(error) or type(error).__name__
    hint = _HINTS.get(error.errno or 0, "")
    if not file:
        hint = "" if "{" in hint else hint
    directory = file.rpartition("/")[0] or "/"
    told = f"{file}: {reason}" if file else reason
    return f"{told}; {hint.format(directory=directory)}" if hint else told


def _text(path: object) -> str:
    if isinstance(path, bytes):
        return decoded(path)
    return "" if path is None else str(path)
