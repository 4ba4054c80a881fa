"""The codes for which a request is refused, or a switch does not come to its end. Pure.

Programs go by these, for the text beside them is for people and may be worded otherwise. clinit(8) has them for users.
A code never changes its meaning, and is never used again for another.
"""

from __future__ import annotations

import enum


class Refusal(enum.StrEnum):
    """Why a request is refused. Nothing is started; what was stopped before that is noted in the group's reasons."""

    BAD_LEVEL = "bad-level"  # a level is a name without blanks
    LONG_NAME = "long-name"  # the names of group and level do not fit into the name of a unit
    UNNAMED_LEVEL = "unnamed-level"  # no entry names the level, and the request was strict; or new lines have lost it
    UNDECLARED_LEVEL = "undeclared-level"  # no entry names the level, and the group has declared others without entries
    LEFT_TABLE = "left-table"  # the group has left the table since the request came
    NO_SUCH_ENTRY = "no-such-entry"  # the group has no such entry, as its lines are in force
    NOT_IN_LEVEL = "not-in-level"  # the group is at a level that does not have the entry, or at none
    ON_ITS_WAY = "on-its-way"  # the group is being started or stopped, so nothing is done to one entry
    HALTING = "halting"  # all groups are being halted, and then the daemon ends
    WAITS_FOR_ITSELF = "waits-for-itself"  # an entry of the group would wait for the switch that stops it
    LEFT_TO_CLUSTER = "left-to-cluster"  # an entry may run in a group that a cluster is to stop first
    PREFLIGHT_FAILED = "preflight-failed"  # what has to hold before anything is stopped does not
    NOT_STOPPED = "not-stopped"  # an entry that has to go runs on
    NO_UNIT = "no-unit"  # somebody removes the group's units
    BAD_UNIT = "bad-unit"  # a unit that orders the switch is masked, or cannot be loaded
    UNWRITABLE = "unwritable"  # a file cannot be written: the disk is full, for one
    SYSTEMD_REFUSES = "systemd-refuses"  # systemd says no
    NO_SYSTEMD = "no-systemd"  # systemd does not answer, and may in a moment
    NO_TRIAL = "no-trial"  # the group is not on trial, or not any more
    HALT_FAILED = "halt-failed"  # not all groups can be halted, and the daemon goes on
    INTERNAL = "internal"  # a fault of the daemon's, which is in the journal


class Supersession(enum.StrEnum):
    """What took a group elsewhere, before it came to the level that a request was for."""

    LATER_REQUEST = "later-request"  # another request for the group
    HALT = "halt"  # all groups are halted
    LEFT_TABLE = "left-table"  # the group has left the table
    TRIAL_OVER = "trial-over"  # the level was on trial, and nobody has confirmed it in time
    BY_HAND = "by-hand"  # somebody with systemctl, or a shutdown of the machine
