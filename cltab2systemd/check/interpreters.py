"""Interpreters, and which of their arguments is the file that they read. The rows are data. Pure.

Sources are their manual pages. With an option that is in no list, it is not certain which argument that is.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, NamedTuple

from cltab2systemd.check.wrappers import SHELLS, Wrapper, behind_wrapper

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cltab2systemd.check.commandline import Word


class Interpreter(NamedTuple):
    """Programs that read the file which is the first of their arguments that is no option.

    Attributes:
        options: their names and options, as those of a wrapper.
        only_with: the option without which they read no file; empty if they always do.
        suffixes: one of them ends the name of the file, or it is another one's that is read; empty if any may.
    """

    options: Wrapper
    only_with: str = ""
    suffixes: tuple[str, ...] = ()


# An option of one letter whose value is the rest of its word ends with `*`. One that takes digits at most does not, for
# more letters may be behind them, as in `-0777ne`. Without a place here are those that have the program itself, as `-c`
# and `-e`, look for the file elsewhere or in another directory, or only print something.
INTERPRETERS = (
    Interpreter(
        Wrapper(
            " ".join(sorted(SHELLS)),
            "-o -O --rcfile --init-file",
            flags="-a -b -e -f -h -i -k -l -m -n -p -u -v -x -B -C -E -H -P -T --login --norc --noprofile --posix",
        )
    ),
    Interpreter(
        Wrapper("python", "-W -X --check-hash-based-pycs", flags="-b -B -d -E -i -I -O -P -q -s -S -u -v -x"),
    ),
    Interpreter(
        Wrapper("perl", "-I", flags="-a -c -f -n -p -s -t -u -w -T -U -W -X -C -D -F* -i* -l -m* -M* -0"),
    ),
    Interpreter(
        Wrapper(
            "ruby",
            "-E -I -r --disable --enable",
            flags="-a -c -d -l -n -p -s -v -w -y -K -T -U -W -0 -i* -W:* --debug --disable-* --enable-* --jit* "
            "--verbose --yjit*",
        )
    ),
    # It adds a suffix that is missing, and reads index.js of a directory.
    Interpreter(
        Wrapper(
            "node nodejs",
            "-C -r --conditions --cpu-prof-dir --cpu-prof-name --diagnostic-dir --dns-result-order --env-file "
            "--experimental-loader --heap-prof-dir --icu-data-dir --import --input-type --inspect-port --loader "
            "--max-http-header-size --openssl-config --redirect-warnings --report-dir --report-directory "
            "--report-filename --require --stack-trace-limit --title --tls-keylog --trace-event-categories "
            "--test-reporter --trace-event-file-pattern --unhandled-rejections --watch-path",
            flags="-c -i --*",
            uncertain="--eval --print --run",
        ),
        suffixes=(".js", ".mjs", ".cjs", ".ts"),
    ),
    Interpreter(
        Wrapper(
            "php",
            "-c -d -S -t -z --define --docroot --php-ini --server",
            flags="-C -e -f -H -n -q --file --no-*",
            uncertain="--",
        ),
    ),
    Interpreter(Wrapper("lua", "-e -l", flags="-E -i -v -W")),
    Interpreter(Wrapper("tclsh", "-encoding")),
    Interpreter(Wrapper("Rscript", flags="--default-packages* --no-* --slave --vanilla --verbose")),
    Interpreter(
        Wrapper(
            "java",
            "-classpath -cp -p --add-exports --add-modules --add-opens --add-reads --class-path --enable-native-access "
            "--limit-modules --module-path --patch-module --upgrade-module-path",
            flags="-*",
        ),
        only_with="-jar",
    ),
)
# A shell's `-o` takes the next word, also with more letters behind it, and `+` begins an option of its own.
_OF_SHELL = re.compile(r"\+|-[a-zA-Z]*[oO][a-zA-Z]")
_ROW_OF = {name: row for row in INTERPRETERS for name in row.options.names.split()}


def file_of(name: str, arguments: Sequence[Word]) -> Word | None:
    """The file that an interpreter reads; None if that is not certain, or has to be expanded by the shell.

    Args:
        name: of the program, which may have a version behind it: `python3.11`.
        arguments: that it is given.
    """
    row = _row(name)
    if row is None:
        return None
    if row.only_with:
        # What is in a variable are more options.
        arguments = [argument for argument in arguments if not argument.raw.startswith(("$", '"$'))]
    index = behind_wrapper(row.options, arguments, 0)
    if index is None or (row.only_with and row.only_with not in {argument.text for argument in arguments[:index]}):
        return None
    if name in SHELLS and any(_OF_SHELL.match(argument.text) for argument in arguments[: index + 1]):
        return None
    found = arguments[index]
    is_certain = found.is_exact and found.text and found.text.endswith(row.suffixes or ("",))
    return found if is_certain else None


@functools.lru_cache(maxsize=1024)
def _row(name: str) -> Interpreter | None:
    return _ROW_OF.get(name) or _ROW_OF.get(name.rstrip("0123456789."))
