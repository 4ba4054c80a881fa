"""clstat: the file in which HA managers and people read how a switch went. Pure: text in, text out.

One line per group, `Cluster::Init::Group GROUP LEVEL STATE`; lines of another class are none of ours. Only
`cltab2systemd.daemon.statusfile` writes it, and any program may read it without the daemon.
"""

CLASS = "Cluster::Init::Group"

# The states that a switch ends in, and that of a group that was stopped for good.
SETTLED = ("DONE", "PASSED", "FAILED")
STOPPED = "CONFIGURED"

# A status line as read: the state stays text here, so that reading stays free of heavy imports.
Line = tuple[str, str, str]


def parse(text: str) -> list[Line]:
    """The lines of a clstat: (group, level, state), in file order. Anything else in the text is passed over."""
    # Only ASCII blanks separate: a name may hold any other character.
    fields = (
        [field for field in line.replace("\t", " ").split(" ") if field] for line in text.split("\n") if CLASS in line
    )
    return [(found[1], found[2], found[3]) for found in fields if len(found) >= 4 and found[0] == CLASS]


def serialize(lines: list[Line]) -> str:
    """The text of a clstat that says these lines."""
    return "".join(f"{CLASS} {group} {level} {state}\n" for group, level, state in lines)


def select(lines: list[Line], group: str | None = None, level: str | None = None) -> str:
    """The ancestor's `status(group, level, clstat)`.

    With neither, lines `GROUP LEVEL STATE`; with a group, `LEVEL STATE`; with a level, `GROUP STATE`; with both,
    `STATE` alone without a newline. Nothing matching: an empty string.
    """
    chosen = [line for line in lines if group in {None, line[0]} and level in {None, line[1]}]
    if group is not None and level is not None:
        return chosen[0][2] if chosen else ""
    shown = [
        " ".join(field for field, asked in zip(line, (group, level, None), strict=True) if asked is None)
        for line in chosen
    ]
    return "".join(f"{line}\n" for line in shown)
