"""Strategies of hypothesis: names, commands and directives as they stand in tables, and whole tables."""

import re

from hypothesis import strategies as st

from cltab2systemd.table.grammar import parse
from cltab2systemd.table.model import Mode, Table
from cltab2systemd.text import decoded, encoded

# Fields as bytes, decoded as a file is: any character, and bytes that are not UTF-8.
_NAME_BYTES = st.one_of(
    st.text("abz019.-_/@\\%é数\ufffe", min_size=1, max_size=8).map(str.encode),
    st.binary(min_size=1, max_size=8).map(lambda data: re.sub(rb"[\x00-\x20\x7f:]", b"x", data)),
)
# What a file may not begin with: a comment, and the marks of UTF-8 and UTF-16.
_BEGINNINGS = ("#", "\ufeff", decoded(b"\xff\xfe"), decoded(b"\xfe\xff"))
NAME = _NAME_BYTES.map(decoded).filter(lambda name: not name.startswith(_BEGINNINGS))

# What a name of a table can be: any text without NUL, blanks aside; and bytes that are not UTF-8.
ANY_NAME = st.one_of(
    st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1),
    st.binary(min_size=1).map(lambda data: decoded(data.replace(b"\0", b"x"))),
    st.text("ab.-_/@\\x2d%é\udcff", min_size=1, max_size=6),
    # What looks like a part of a unit's name: ours, another instance's, another kind's.
    st.lists(
        st.sampled_from(
            ["a", "web", "-", "--", "-unnamed", "unnamed", "_12345678", "_1234abcd", "clinit-", "clinitgate-", "@",
             ".service", ".target", ".slice", "\\x2d", "\\x40", "/", "*", "[a-z]", "?"]
        ),
        min_size=1, max_size=4,
    ).map("".join),
)  # fmt: skip

COMMAND = st.one_of(
    st.sampled_from(["true", "sleep 1; exit 3", "a #b", "echo $$ %n \\", "[Service]", "x\rExecStart=y", ""]),
    st.binary(max_size=30).map(lambda data: decoded(re.sub(rb"[\x00\n]", b" ", data))),
)
DIRECTIVE = st.one_of(
    st.sampled_from(["MemoryMax=1G", "CPUWeight = 50", "TasksMax=%i", "Environment=", "[Service]", "# ExecStart=x"]),
    st.tuples(st.sampled_from(["User", "ProtectHome", "LimitCPU", "Zzz9"]), COMMAND).map("=".join),
).filter(lambda text: parse(encoded(f":::group.g:{text}\n"), "")[1] == ())

# What asks whether an entry is ready. No table has such a group, so that none waits for itself.
CHECK = st.one_of(
    st.sampled_from(["tcp:5432", "timeout=90s unix:/run/x", "http://[::1]:80/x?y", "file:/a%b", "group:elsewhere:3"]),
    COMMAND.map(lambda command: f"timeout=1.5s env {command}"),
)


@st.composite
def tables(
    draw: st.DrawFn,
    of_service: st.SearchStrategy[str] = DIRECTIVE,
    of_group: st.SearchStrategy[str] = DIRECTIVE,
    *,
    most_required: int = 0,
    most_notifying: int = 0,
) -> Table:
    """A table without errors, as parsed from a file: few groups and levels, so that entries share them."""
    groups = draw(st.lists(NAME, min_size=1, max_size=3))
    levels = draw(st.lists(NAME, min_size=1, max_size=3))
    lines = [
        f"{draw(st.sampled_from(groups))}:{tag}:{draw(st.sampled_from([*levels, ','.join(levels), levels[0] + ',']))}"
        f":{draw(st.sampled_from(Mode))}:{draw(COMMAND)}\n"
        for tag in draw(st.lists(NAME, min_size=1, max_size=6, unique=True))
    ]
    tags = [line.split(":")[1] for line in lines]
    waited_for = [line.split(":")[1] for line in lines if Mode(line.split(":")[3]).is_waited_for]
    running_on = [line.split(":")[1] for line in lines if Mode(line.split(":")[3]).may_run_on]
    few_tags = st.lists(st.sampled_from(tags), max_size=2, unique=True)
    ready = draw(few_tags)
    judged = [*waited_for, *(tag for tag in ready if tag in running_on)]
    required = st.lists(st.sampled_from(judged), max_size=most_required) if judged else st.just([])
    notifying = st.lists(st.sampled_from(running_on), max_size=most_notifying) if running_on else st.just([])
    few_groups = st.lists(st.sampled_from(groups), max_size=1)
    booted = draw(few_groups)
    settings = [
        *(f":::service.{tag}:{draw(of_service)}\n" for tag in draw(st.lists(st.sampled_from(tags), max_size=3))),
        *(f":::group.{group}:{draw(of_group)}\n" for group in draw(st.lists(st.sampled_from(groups), max_size=2))),
        *(f":::initdefault.{group}:{draw(NAME)}\n" for group in booted),
        # A boot level that is not declared would be an error.
        *(f":::levels.{group}:{draw(NAME)},x\n" for group in draw(few_groups) if group not in booted),
        *(f":::service.{tag}:Type=notify\n" for tag in draw(notifying)),
        *(f":::required.{tag}:yes\n" for tag in draw(required)),
        *(f":::services.{group}:{draw(of_service)}\n" for group in draw(st.lists(st.sampled_from(groups), max_size=2))),
        *(f":::stop.{group}:ordered\n" for group in draw(few_groups)),
        *(f":::pacemaker.{group}:level={draw(NAME)} after={draw(NAME)}\n" for group in draw(few_groups)),
        *(f":::ready.{tag}:{draw(CHECK)}\n" for tag in ready),
        *(f":::preflight.{tag}:timeout=9s env {draw(COMMAND)}\n" for tag in draw(few_tags)),
        *(f":::health.{tag}:5s {draw(CHECK)}\n" for tag in draw(few_tags) if tag not in waited_for),
    ]
    lines = draw(st.permutations([*lines, *settings])) if settings else lines
    table, findings = parse(encoded("".join(lines)), "/etc/cltab")
    assert findings == ()
    return table
