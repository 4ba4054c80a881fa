"""``python3 -m lab shell``, ``… run -- CMD...``: a node to try things out; ``… root RELEASE``: a root for nodes."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from cltab2systemd.node.errors import NodeError
from lab.install import installed_layer
from lab.node import Node
from lab.roots import RELEASES, installed_package, root


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code of the shell or the command, 1 if there is no node."""
    parser = argparse.ArgumentParser(prog="python3 -m lab", description="A throwaway systemd node for one command.")
    parser.add_argument("--name", default="lab", help="host name of the node (default: %(default)s)")
    parser.add_argument("--bare", action="store_true", help="do not install the project in the node")
    parser.add_argument("--release", choices=RELEASES, help="of this Debian release, with the project's package")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("shell", help="an interactive shell in the node")
    run = commands.add_parser("run", help="one command in the node")
    run.add_argument("words", nargs="+", metavar="CMD", help="the command; -- before it keeps its options its own")
    make_root = commands.add_parser("root", help="make the root of a release if it is not there, and print its path")
    make_root.add_argument("root", choices=RELEASES, metavar="RELEASE", help=", ".join(RELEASES))
    options = parser.parse_args(argv)
    try:
        if options.command == "root":
            print(root(options.root))
            return 0
        with _node(options.name, options.release, bare=options.bare) as node:
            return _foreground(node, ["bash"] if options.command == "shell" else options.words)
    except NodeError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1


def _node(name: str, release: str | None, *, bare: bool) -> Node:
    if release:
        return Node(name, root=root(release), layers=[] if bare else [installed_package(release)])
    return Node(name, layers=[] if bare else [installed_layer()])


def _foreground(node: Node, words: Sequence[str]) -> int:
    # A Ctrl-C is meant for the command, which has our terminal.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    terminal = {"TERM": os.environ.get("TERM", "dumb")}
    process = node.popen(*words, env=terminal, stdin=None, new_session=False)
    status = process.wait()
    return 128 - status if status < 0 else status


if __name__ == "__main__":
    sys.exit(main())
