"""The ancestor's own side of the wire: perl, and a client in it."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

PERL_CLIENT = Path(__file__).with_name("ldt_client.pl")


@cache
def perl_trouble() -> str:
    """Why perl cannot be asked, if so."""
    try:
        done = subprocess.run(["perl", "-MStorable", "-e1"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "no perl"
    return done.stderr


def need_perl() -> None:
    """Skip the test if perl cannot be asked, but not where nobody would see it."""
    if trouble := perl_trouble():
        assert not os.environ.get("CI"), trouble
        pytest.skip(trouble)
