"""Root of each node may enter each other one by ssh, with a key that is made for these nodes."""

from collections.abc import Iterable

from lab.node import Node

_KEY = "/root/.ssh/id_ed25519"
_HOST_KEY = "/etc/ssh/ssh_host_ed25519_key.pub"


def allow(nodes: Iterable[Node]) -> None:
    """Run sshd on the nodes, which have Debian's openssh-server, also after a boot of theirs, and have it let root in.

    All names of /etc/hosts are known hosts, for nodes that come from one layer have one host key. Raises CommandError.
    """
    nodes = list(nodes)
    first = nodes[0]
    first.run("rm", "-f", _KEY)
    first.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", _KEY)
    private, public, host = (first.read(path) for path in (_KEY, f"{_KEY}.pub", _HOST_KEY))
    for node in nodes:
        node.write(_KEY, private, mode=0o600)
        node.write("/root/.ssh/authorized_keys", public, mode=0o600)
        node.write("/root/.ssh/known_hosts", f"* {host}")
        node.path("/root/.ssh").chmod(0o700)
        node.run("systemctl", "enable", "--now", "--quiet", "ssh.service")
