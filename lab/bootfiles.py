"""What a virtual machine boots with: Debian's kernel, unpacked and not installed, and an initramfs of our own.

The kernel comes from this machine's apt, once, into the project's build/kernel, or where LAB_ROOTS says.
"""

import fcntl
import lzma
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.install import PROJECT

_PACKAGE = "linux-image-amd64"
_BUSYBOX = Path("/bin/busybox")
# What a guest needs to see this machine's files, and to boot nodes over them.
_MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay")

# The root is this machine's, read-only, below a tmpfs that takes all that is written.
_INIT = """\
#!/busybox sh
/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs dev /dev
exec >/dev/ttyS0 2>&1
echo begun >/dev/ttyS1
for module in /modules/*; do insmod "$module"; done
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro lab /lower
mount -t tmpfs -o mode=755 tmpfs /written
mkdir /written/upper /written/work
mount -t overlay -o lowerdir=/lower,upperdir=/written/upper,workdir=/written/work overlay /root
mount -t proc proc /root/proc
mount -t sysfs sysfs /root/sys
mount -t devtmpfs dev /root/dev
mount -t tmpfs -o mode=755 tmpfs /root/run
mount -t cgroup2 cgroup2 /root/sys/fs/cgroup
echo "+cpu +io +memory +pids" >/root/sys/fs/cgroup/cgroup.subtree_control
cp /job /root/run/job
exec switch_root /root /bin/sh /run/job
"""
_DIRECTORIES = ("bin", "dev", "lower", "modules", "root", "written")


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel of Debian's: its release, its image, and the modules that a guest needs, in the order of loading."""

    release: str
    image: Path
    modules: tuple[Path, ...]


def kernel() -> Kernel:
    """Return the kernel of this machine's Debian, fetched (70 MB) if it is not there. Raises LabError."""
    store = Path(os.environ.get("LAB_ROOTS") or PROJECT / "build") / "kernel"
    store.mkdir(parents=True, exist_ok=True)
    with (store / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (store / "files").is_dir():
            _fetch(store)
    (image,) = (store / "files/boot").glob("vmlinuz-*")
    return Kernel(image.name.removeprefix("vmlinuz-"), image, tuple(_in_order(store / "files")))


def initramfs(modules: Iterable[Path], job: str) -> bytes:
    """Return an initramfs that mounts this machine's root, and becomes the job, a shell script, as PID 1 in it.

    Raises LabError without a static busybox.
    """
    if not _BUSYBOX.exists():
        raise LabError("there is no busybox for a virtual machine: apt install busybox-static")
    files = {"init": _INIT.encode(), "busybox": _BUSYBOX.read_bytes(), "job": job.encode()}
    for number, module in enumerate(modules):
        files[f"modules/{number:02}-{module.name.partition('.')[0]}.ko"] = _content(module)
    return _archive(_DIRECTORIES, files)


def _fetch(store: Path) -> None:
    with tempfile.TemporaryDirectory(dir=store, prefix="new-") as name:
        directory = Path(name)
        _run("apt-get", "download", _depends(), cwd=directory)
        (package,) = directory.glob("*.deb")
        # Of 400 MB it is a few that are needed.
        script = 'dpkg-deb --fsys-tarfile "$1" | tar --extract --directory="$2" --wildcards "./boot/vmlinuz-*" "*.ko*"'
        files = directory / "files"
        files.mkdir()
        _run("sh", "-ec", script, "sh", package, files)
        needed = {*_in_order(files)}
        for path in files.rglob("*.ko*"):
            if path not in needed:
                path.unlink()
        files.rename(store / "files")


def _depends() -> str:
    """The package that holds the kernel; the one that is known by name only depends on it."""
    for update in (False, True):
        if update:
            _run("apt-get", "-qq", "update")
        known = _run("apt-cache", "depends", _PACKAGE, check=update)
        if found := re.search(r"Depends: (linux-image-\S+)", known):
            return found[1]
    raise LabError(f"apt on this machine has no {_PACKAGE} for a virtual machine")


def _in_order(files: Path) -> Iterator[Path]:
    """The modules that are needed, each behind those that it needs; what is not there is in the kernel itself."""
    paths = {path.name.partition(".")[0].replace("-", "_"): path for path in files.rglob("*.ko*")}
    done: set[str] = set()

    def load(name: str) -> Iterator[Path]:
        if name in done or name not in paths:
            return
        done.add(name)
        for other in _needed(_content(paths[name])):
            yield from load(other)
        yield paths[name]

    for name in _MODULES:
        yield from load(name)


def _needed(module: bytes) -> list[str]:
    found = re.search(rb"\0depends=([^\0]*)\0", module)
    return [name.replace("-", "_") for name in found[1].decode().split(",") if name] if found else []


def _content(module: Path) -> bytes:
    content = module.read_bytes()
    return lzma.decompress(content) if module.suffix == ".xz" else content


def _archive(directories: Iterable[str], files: Mapping[str, bytes]) -> bytes:
    """A cpio archive of the kind that the kernel reads: Documentation/driver-api/early-userspace/buffer-format."""
    entries = [*((name, 0o040755, b"") for name in directories), *((name, 0o100755, files[name]) for name in files)]
    parts = []
    for number, (name, mode, content) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
        parts += [part + b"\0" * (-len(part) % 4) for part in (head, content)]
    return b"".join(parts)


def _run(*argv: str | Path, cwd: Path | None = None, check: bool = True) -> str:
    if not shutil.which(argv[0]):
        raise LabError(f"there is no {argv[0]} to get a kernel with, for a virtual machine")
    done = subprocess.run(
        argv, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False
    )
    if check and done.returncode != 0:
        raise LabError(f"{argv[0]} failed:\n{(done.stdout + done.stderr)[-4000:]}")
    return done.stdout
