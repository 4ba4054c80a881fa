r"""A cluster's configuration as a shell script of pcs's commands. Pure.

pcs has no command that makes a resource or else changes it. So the script has pcs make all of it in an empty
configuration, and puts that into a copy of the cluster's by ids. The copy is pushed if it differs.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from cltab2systemd.crmxml import literal
from cltab2systemd.pacemaker.heading import as_comment, heading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cltab2systemd.pacemaker.configuration import Configuration, Pairs, Primitive

_USAGE = (
    "sh FILE        changes the cluster, unless it is so already",
    "sh FILE CIB    changes a copy of its configuration instead, to look at it before:",
    "  pcs cluster cib CIB; sh FILE CIB; crm_verify -x CIB; crm_simulate -S -x CIB",
)
_BEGINNING = """\
set -eu
directory=$(mktemp -d)
trap 'rm -r "$directory"' EXIT
wanted=$directory/wanted.xml before=$directory/before.xml after=$directory/after.xml

# What the table stands for, and nothing else.
cibadmin --empty >"$wanted"
new() {
	said=$(pcs -f "$wanted" "$@" 2>&1) || {
		printf '%s\\n' "$said" >&2
		exit 1
	}
}
"""
_COPY = """
# What there is.
if [ $# -gt 0 ]; then
	cp -- "$1" "$before"
else
	pcs cluster cib "$before"
fi
cp "$before" "$after"
has() {
	CIB_file=$1 cibadmin --query --xpath "$2" >/dev/null 2>&1
}
# The ids of elements of that name.
ids() {
	CIB_file=$before cibadmin --query --xpath "$2" 2>/dev/null |
		sed -n 's/^ *<'"$1"' .*\\bid="\\([^"]*\\)".*/\\1/p'
}
refuse() {
	echo "$0: nothing is changed: $1" >&2
	exit 1
}
# Ends before anything is changed if there is something of this id that is not the group's resource, at its place.
expect() {
	if has "$before" "//*[@id='$1']" && ! has "$before" "$2"; then
		refuse "$1 is in the cluster, but not as $2"
	fi
}
# Likewise if it has other operations than the table's, as other tools name them: both would be there, and both count.
only() {
	for operation in $(ids op "$2"); do
		refuse "$1 has an operation that is not the table's; to remove it: pcs resource op delete $operation"
	done
}
# Likewise if the group has another resource: they would be on two nodes at once.
alone() {
	for other in $(ids primitive "$2"); do
		refuse "$other is a resource of the same group as $1; if it is to go: pcs resource delete $other"
	done
}
"""
_END = """
# Both together, by ids.
CIB_file=$wanted cibadmin --query --scope configuration >"$directory/configuration.xml"
CIB_file=$after cibadmin --modify --allow-create --scope configuration --xml-file "$directory/configuration.xml"
if ! has "$after" "//primitive[@class='stonith']"; then
	echo "$0: there is no fencing resource: see to fencing first, unless a watchdog alone does it" >&2
fi

# What has left the table, and stays.
named="contains(@id,'.prefers.') or contains(@id,'.after.') or contains(@id,'.with.')"
addresses="//group[primitive[@provider='clinit']]/primitive[@type='IPaddr2'][contains(@id,'.ip')]"
ours="//primitive[@provider='clinit'] | $addresses | //constraints/*[$named]"
CIB_file=$before cibadmin --query --xpath "$ours" 2>/dev/null |
	sed -n 's/^ *<\\(primitive\\|rsc_[a-z]*\\) .*\\bid="\\([^"]*\\)".*/\\1 \\2/p' |
	while read -r element id; do
		kind=constraint
		[ "$element" != primitive ] || kind=resource
		has "$wanted" "//*[@id='$id']" || echo "$0: $id is not in the table; if it is to go: pcs $kind delete $id" >&2
	done

code=0
crm_diff --no-version --original "$before" --new "$after" >/dev/null || code=$?
case $code in
0) echo "The cluster is so already." ;;
1)
	if [ $# -gt 0 ]; then
		cp "$after" "$1"
	else
		pcs cluster cib-push "$after" diff-against="$before"
	fi
	;;
*) exit "$code" ;;
esac
"""


def text(configuration: Configuration, path: str) -> str:
    """The script, of a table with this path."""
    head = as_comment(heading(configuration, path, _USAGE))
    lines = ["#!/bin/sh", *head, _BEGINNING.rstrip("\n"), *_made(configuration), _COPY.rstrip("\n")]
    return "\n".join([*lines, *_expected(configuration), _END])


def _made(configuration: Configuration) -> Iterator[str]:
    for primitive in configuration.primitives:
        yield from _primitive(primitive)
    for group in configuration.together:
        yield _command("resource group add", group.id, *group.members)
    for it in configuration.locations:
        # Behind `--`, for a score may begin with a hyphen.
        yield _command("constraint location add --", it.id, it.resource, it.node, it.score)
    for order in configuration.orders:
        what = (order.first, "then", "start", order.then, "kind=Mandatory", f"id={order.id}")
        yield _command("constraint order start", *what)
    for colocation in configuration.colocations:
        also = (colocation.resource, "with", colocation.beside, "score=INFINITY", f"id={colocation.id}")
        yield _command("constraint colocation add", *also)


def _primitive(primitive: Primitive) -> Iterator[str]:
    agent = f"ocf:{primitive.provider}:{primitive.kind}"
    words = _command("resource create", primitive.id, agent, *_words(primitive.parameters))
    yield f"{words} \\"
    for operation in primitive.operations:
        yield f"\t{shlex.join(('op', operation.name, *_words(operation.options)))} \\"
    if primitive.meta:
        yield f"\t{shlex.join(('meta', *_words(primitive.meta)))} \\"
    yield "\t--no-default-ops"


def _command(name: str, *words: str) -> str:
    return f"new {name} {shlex.join(words)}"


def _words(pairs: Pairs) -> Iterator[str]:
    return (f"{name}={value}" for name, value in pairs)


def _expected(configuration: Configuration) -> Iterator[str]:
    inside = {member: f"group[@id='{group.id}']/" for group in configuration.together for member in group.members}
    for primitive in configuration.primitives:
        agent = f"[@provider='{primitive.provider}'][@type='{primitive.kind}']"
        place = f"//resources/{inside.get(primitive.id, '')}primitive[@id='{primitive.id}']{agent}"
        yield f"expect {primitive.id} {shlex.quote(place)}"
        known = " or ".join(f"@id='{operation.id_in(primitive.id)}'" for operation in primitive.operations)
        yield f"only {primitive.id} {shlex.quote(f'{place}/operations/op[not({known})]')}"
        for name, value in primitive.parameters:
            if name == "group":
                others = f"//primitive[@provider='{primitive.provider}'][@id!='{primitive.id}']"
                path = f"{others}[.//nvpair[@name='{name}'][@value={literal(value)}]]"
                yield f"alone {primitive.id} {shlex.quote(path)}"
