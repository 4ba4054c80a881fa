"""Shells that complete command lines, and the files that tell them how."""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import TYPE_CHECKING

from lab.install import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COMPLETION = PROJECT / "packaging/completion"
TABLE = """\
# group:tag:levels:mode:command
:::socket:/run/elsewhere:a:b
web:dirs:3m:wait:mkdir -p /srv/www
web:server:3:respawn:exec python3 -m http.server
mail:queue:prod,test:respawn:exec sleep 1000:1:2
wéb:x:ä1:once:true
too:few:fields

$(touch:evil:1:once:true
"""
PLACES = {
    "clinit": "bash-completion/completions",
    "_clinit": "zsh/vendor-completions",
    "clinit.fish": "fish/vendor_completions.d",
    "clinitctl.fish": "fish/vendor_completions.d",
    "cltab2systemd.fish": "fish/vendor_completions.d",
    "cltab-words.awk": "cltab2systemd",
}


def complete(directory: Path, *words: str, host: str = "host") -> list[str]:
    """What bash offers for the last of the words of a command line, which Readline has split."""
    line = " ".join(shlex.quote(word) for word in words)
    script = f"""
        HOSTNAME={host}
        . share/bash-completion/completions/clinit
        COMP_WORDS=({line}) COMP_CWORD={len(words) - 1}
        read -r _ _ function _ < <(complete -p {words[0]})
        $function
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    command = ["bash", "--norc", "--noprofile", "-c", script]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True)
    assert not done.stderr
    return [word for word in done.stdout.split("\n") if word]


# Completes the line in LINE as a terminal's Tab does, and writes into the file in OUT what is added to the matches.
ZSHRC = r"""
fpath=($PWD/share/zsh/vendor-completions $fpath)
autoload -Uz compinit
compinit -u -D
compadd() {
    local -a _matches
    builtin compadd -O _matches "$@"
    print -rl -- $_matches >>$OUT
    builtin compadd "$@"
}
zle -C complete-line complete-word _main_complete
zle-line-init() { BUFFER=$LINE; CURSOR=$#BUFFER; zle complete-line; exit 0 }
zle -N zle-line-init
"""


def in_zsh(directory: Path, *words: str) -> list[str]:
    """What zsh offers for the last of the words of a command line."""
    (directory / ".zshrc").write_text(ZSHRC)
    out = directory / ".out"
    out.write_text("")
    environment = {**os.environ, "ZDOTDIR": str(directory), "OUT": str(out), "LINE": " ".join(words),
                   "LC_ALL": "C.UTF-8", "TERM": "dumb"}  # fmt: skip
    command = ["script", "--quiet", "--return", "--command", "zsh -d -i", "/dev/null"]
    subprocess.run(command, cwd=directory, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    return [line.removesuffix("=") for line in out.read_text().split("\n") if line]


def in_fish(directory: Path, *words: str) -> list[str]:
    """What fish offers for the last of the words of a command line."""
    script = "for file in share/fish/vendor_completions.d/*.fish; source $file; end; complete -C $argv[1]"
    environment = {**os.environ, "HOME": str(directory), "LC_ALL": "C.UTF-8"}
    command = ["fish", "--no-config", "-c", script, " ".join(words)]
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=True)
    assert not done.stderr
    offered = [line.partition("\t")[0].rstrip("/") for line in done.stdout.split("\n") if line]
    return [word.rpartition("=")[2] if word.startswith("--") and "=" in word else word for word in offered]


SHELLS: dict[str, Callable[..., list[str]]] = {"bash": complete, "zsh": in_zsh, "fish": in_fish}
