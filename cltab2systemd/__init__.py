"""Groups of programs at runlevels, from one table, on systemd."""

__version__ = "0.1.0"
