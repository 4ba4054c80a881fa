"""The project, installed as an administrator would with pip, in a directory that a node takes as a layer."""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from lab.errors import LabError
from lab.layers import made

PROJECT = Path(__file__).resolve().parent.parent

_PYTHON = "/usr/bin/python3"
_SOURCES = ("pyproject.toml", "README*", "LICENSE*", "cltab2systemd", "templates", "packaging", "man")
_MAN_PAGES = (
    ("clinit", 8), ("clinitctl", 8), ("clstat", 5), ("cltab", 5), ("cltab2systemd", 8), ("cltab2systemd-generator", 8),
)  # fmt: skip
# What pip does not install, but a package does; by where it goes.
_SYSTEM_FILES = {
    "packaging/systemd/cltab2systemd-generator": "usr/lib/systemd/system-generators",
    "packaging/systemd/clinit-keepalived.service": "usr/lib/systemd/system",
    "packaging/systemd/clinit-metrics.service": "usr/lib/systemd/system",
    "packaging/systemd/clinit-metrics.timer": "usr/lib/systemd/system",
    "packaging/systemd/clinit-publish.service": "usr/lib/systemd/system",
    "packaging/systemd/clinit.service": "usr/lib/systemd/system",
    "packaging/systemd/clinit.slice": "usr/lib/systemd/system",
    "packaging/systemd/clinit.socket": "usr/lib/systemd/system",
    "packaging/systemd/cltab2systemd-boot.service": "usr/lib/systemd/system",
    "packaging/forget-boot": "usr/libexec/cltab2systemd",
    "packaging/prober": "usr/libexec/cltab2systemd",
    "packaging/sysusers.d/clinit.conf": "usr/lib/sysusers.d",
    "packaging/tmpfiles.d/cltab2systemd.conf": "usr/lib/tmpfiles.d",
    "packaging/clinit.catalog": "usr/lib/systemd/catalog",
    "packaging/ocf/group": "usr/lib/ocf/resource.d/clinit",
    "packaging/ocf/ocf_clinit_group.7": "usr/share/man/man7",
    "packaging/keepalived-follow": "usr/libexec/cltab2systemd",
    "packaging/examples/clinit-for-clusters": "usr/share/doc/cltab2systemd/examples",
    "packaging/examples/clinit-mail": "usr/share/doc/cltab2systemd/examples",
    "packaging/examples/clinitnotify@.service": "usr/share/doc/cltab2systemd/examples",
    "packaging/examples/keepalived-notify": "usr/share/doc/cltab2systemd/examples",
    **{f"man/{page}.{section}": f"usr/share/man/man{section}" for page, section in _MAN_PAGES},
}
# And links.
_SYSTEM_LINKS = {
    "usr/lib/systemd/system/sysinit.target.wants/cltab2systemd-boot.service": "../cltab2systemd-boot.service",
}
# Where these look for it, and where pip puts it.
_COMMANDS = {f"usr/bin/{name}": f"/usr/local/bin/{name}" for name in ("clinit", "clinitctl", "cltab2systemd")}


def installed_layer(project: Path = PROJECT) -> Path:
    """Return a directory with the project installed, commands below usr/local, for the use as a node's layer.

    It lies in the project's build/lab and is made anew (some seconds) only when a source has changed. Layers of
    older sources are removed, except those that a running process has asked for. Raises LabError if pip fails.
    """
    return made(project / "build/lab", sources_digest(project), lambda layer: _install(project, layer))


def sources_digest(project: Path) -> str:
    """Return a digest of everything that gets installed: names, permissions and contents."""
    digest = hashlib.sha256()
    for path in _sources(project):
        # Contents by their length first: no two trees can give the same sequence of bytes.
        content = path.read_bytes()
        digest.update(f"{path.relative_to(project)}\0{path.stat().st_mode:o}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def _sources(project: Path) -> list[Path]:
    tops = [path for pattern in _SOURCES for path in project.glob(pattern)]
    files = [path for top in tops for path in (top.rglob("*") if top.is_dir() else [top])]
    return sorted(path for path in files if path.is_file() and "__pycache__" not in path.parts)


def _install(project: Path, layer: Path) -> None:
    # In the same directory as the layer, for the rename; and a copy of the sources, for pip builds in place.
    with tempfile.TemporaryDirectory(dir=layer.parent, prefix="new-") as name:
        source, root = Path(name, "source"), Path(name, "root")
        root.mkdir(mode=0o755)
        for path in _sources(project):
            copy = source / path.relative_to(project)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
        # templates is a link inside of the package, and glob does not follow links.
        for link in (path for path in (project / "cltab2systemd").rglob("*") if path.is_symlink()):
            copy = source / link.relative_to(project)
            copy.unlink(missing_ok=True)
            copy.symlink_to(link.readlink())
        options = "--no-deps --no-build-isolation --no-warn-script-location --disable-pip-version-check --compile"
        done = subprocess.run(
            [_PYTHON, "-m", "pip", "install", "--root", root, *options.split(), "--root-user-action=ignore", "."],
            cwd=source,
            # Nothing from outside is to decide where and how pip installs.
            env={"PATH": "/usr/bin:/bin", "HOME": name, "LANG": "C.UTF-8", "PIP_NO_INDEX": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # The layer's directories lend their modes to those of the node.
            umask=0o022,
            check=False,
        )
        if done.returncode != 0:
            raise LabError(f"the project cannot be installed into a layer:\n{done.stdout}")
        _add_system_files(project, root)
        root.rename(layer)


def _add_system_files(project: Path, root: Path) -> None:
    for path, directory in _SYSTEM_FILES.items():
        if (project / path).exists():
            (root / directory).mkdir(mode=0o755, parents=True, exist_ok=True)
            shutil.copy(project / path, root / directory)
    for link, target in _SYSTEM_LINKS.items():
        (root / link).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        (root / link).symlink_to(target)
    for command, target in _COMMANDS.items():
        if (root / target.removeprefix("/")).exists():
            (root / command).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            (root / command).symlink_to(target)
