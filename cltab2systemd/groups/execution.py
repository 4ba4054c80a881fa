"""Whether a process of systemd's is the command of its service by now. Pure."""

import enum


class Execution(enum.Enum):
    """Whether the main process of a service is its command: systemd says `running` as soon as it has forked."""

    COMMAND = enum.auto()  # it is
    ENDED = enum.auto()  # it has ended, and systemd is about to start the next one; how, its end tells
    AGAIN = enum.auto()  # it is not yet, but one before it was, and nobody but systemd has started the service since
    NOT_YET = enum.auto()  # it is not yet, and none was since the service was started
