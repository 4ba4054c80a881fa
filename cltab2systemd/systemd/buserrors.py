"""What is raised if systemd does not do what it is asked over D-Bus."""

from __future__ import annotations


class BusError(Exception):
    """systemd did not do what it was asked."""


class BusUnavailableError(BusError):
    """systemd cannot be reached, or did not answer. It may answer again in a moment."""


class BusReloadingError(BusUnavailableError):
    """A daemon-reload is at work, and systemd answers nobody until it has ended."""


class BusRefusedError(BusError):
    """systemd said no; the text is its own."""
