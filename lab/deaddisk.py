"""A filesystem in a node whose server takes each question, and answers none, as a dead NFS server.

Who has asked it something is in uninterruptible sleep, and outlives SIGKILL.
"""

from pathlib import Path

from cltab2systemd.node.spec import Bind
from lab.node import Node
from lab.waiting import wait_until

DEVICE = Bind(Path("/dev/fuse"), Path("/dev/fuse"), read_only=False)
"""What a node needs to be bound, for a node can make no device."""

_PROGRAM = "/root/dead-disk"
# Only the kernel's first question is answered, FUSE_INIT of linux/fuse.h.
_SERVER = """\
import ctypes, os, pathlib, struct, sys
disk = sys.argv[1]
fuse = os.open("/dev/fuse", os.O_RDWR)
os.mkdir(disk)
options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0"
if ctypes.CDLL(None, use_errno=True).mount(b"disk", disk.encode(), b"fuse", 0, options.encode()):
    raise OSError(ctypes.get_errno(), "mount")
number = struct.unpack_from("=8xQ", os.read(fuse, 1 << 20))[0]
os.write(fuse, struct.pack("=IiQII56x", 80, 0, number, 7, 31))
os.read(fuse, 1 << 20)
pathlib.Path(f"{disk}.asked").touch()
while True:
    os.read(fuse, 1 << 20)
"""


def mount(node: Node, directory: str) -> None:
    """Mount it in a new directory of a node; it ends with the node."""
    node.write(_PROGRAM, _SERVER)
    node.run("systemd-run", "--quiet", "--unit=dead-disk", "python3", _PROGRAM, directory)
    wait_until(lambda: directory in node.read("/proc/1/mountinfo"), what=f"a dead disk at {directory}")


def is_asked(node: Node, directory: str) -> bool:
    """Whether somebody has asked it something, and waits for the answer."""
    return node.exists(Path(f"{directory}.asked"))
