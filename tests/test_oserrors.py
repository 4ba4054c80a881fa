"""Errors of the operating system, as a person is told of them."""

import errno

import pytest

from cltab2systemd.oserrors import worded


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/run/a/b"),
            "/run/a/b: No space left on device; make room there (df /run/a)",
        ),
        (
            OSError(errno.EROFS, "Read-only file system", "/x"),
            "/x: Read-only file system; make it writable (findmnt --target /)",
        ),
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), "Connection reset by peer"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (OSError(errno.EACCES, "Permission denied", b"/\xff"), "/\udcff: Permission denied"),
        (OSError("the daemon closed the connection"), "the daemon closed the connection"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_words(error: OSError, expected: str) -> None:
    """The file, the reason and what to do, as far as they are known; no number of an error."""
    assert expected == worded(error)


def test_a_file_that_the_error_does_not_know() -> None:
    """A path that is known from elsewhere is told."""
    assert "/f: No space left on device; make room there (df /)" == worded(
        OSError(errno.ENOSPC, "No space left on device"), "/f"
    )
