"""Makes the Python environments and fetches the front end's libraries, from the hash-locked files.

Runs on a bare Python 3.11 or 3.12 with pip, so it uses the standard library only. Every step is skipped when its
inputs are those of last time; a killed run is resumed by the next.

    python -m huiyang.platform.bootstrap run     what `huiyang up` needs
    python -m huiyang.platform.bootstrap lint    what `make lint` needs
    python -m huiyang.platform.bootstrap test    both, and a browser with Chinese fonts
    python -m huiyang.platform.bootstrap test15  all that, and Debian's PostgreSQL 15
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".tools"
UV = TOOLS / "bin" / "uv"
MAIN = ROOT / ".venv"
SUPERSET = ROOT / ".venv-superset"
FRONTEND = ROOT / "operational_app" / "frontend"
REQUIREMENTS = ROOT / "requirements"
#: Both environments, their caches and the front end's libraries, with room for one upgrade beside the old one.
NEEDED_BYTES = 6 * 2**30
BROWSER_PACKAGES = ["chromium", "fonts-noto-cjk", "fontconfig"]
POSTGRES_15 = Path("/usr/lib/postgresql/15/bin/postgres")
#: Keeps the package from starting a server of its own.
POSTGRES_CLUSTERS = Path("/etc/postgresql-common/createcluster.conf")


class BootstrapError(Exception):
    """What is wrong and what to do, for a person at a terminal."""


@contextmanager
def only_one(lock_file: Path) -> Iterator[None]:
    """Holds the checkout's set-up lock.

    Raises:
        BootstrapError: another set-up of this checkout is at work.
    """
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with lock_file.open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            handle.seek(0)
            holder = handle.read().strip() or "unknown"
            raise BootstrapError(
                f"Another set-up of {ROOT} is at work (process {holder}). Wait until it ends."
            ) from error
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield


def fingerprint(*paths: Path) -> str:
    """SHA-256 over the contents of files, and over which Python makes the environment."""
    digest = hashlib.sha256(sys.version.encode())
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def run(title: str, command: Sequence[str | Path], env: dict[str, str] | None = None) -> None:
    """Runs one command; its output appears only if it fails.

    Raises:
        BootstrapError: it failed; carries the end of its output.
    """
    print(f"  {title} …", end="", flush=True)  # noqa: T201  (rich is not installed yet)
    started = time.monotonic()
    result = subprocess.run(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, env=env
    )
    print(f" {time.monotonic() - started:.0f} s", flush=True)  # noqa: T201
    if result.returncode:
        output = "\n".join(result.stdout.splitlines()[-25:])
        raise BootstrapError(
            f"{title} failed (exit status {result.returncode}):\n{output}\n"
            "Check the network or the package mirror that pip and npm are set to, and run the same command again."
        )


def ensure_uv() -> None:
    """Installs the locked `uv` beside the checkout, without touching the Python it was started with."""
    lock = REQUIREMENTS / "bootstrap.txt"
    stamp = TOOLS / "fingerprint"
    if UV.exists() and stamp.exists() and stamp.read_text() == fingerprint(lock):
        return
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode:
        raise BootstrapError(f"{sys.executable} has no pip. On Debian: apt-get install python3-pip.")
    shutil.rmtree(TOOLS / "uv", ignore_errors=True)
    run(
        "uv, the installer",
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore",
         "--upgrade", "--target", TOOLS, "--require-hashes", "-r", lock],
    )  # fmt: skip
    stamp.write_text(fingerprint(lock))


def holds(python: Path, lock: Path) -> bool:
    """Whether an environment has every package of a locked file at its version, whatever it has beside."""
    result = subprocess.run(
        [UV, "pip", "install", "--dry-run", "--offline", "--require-hashes", "--python", python, "-r", lock],
        capture_output=True, text=True,
    )  # fmt: skip
    return result.returncode == 0 and "Would make no changes" in result.stderr


def ensure_environment(folder: Path, *candidates: str) -> None:
    """Makes `folder` hold exactly one of the locked files; the first candidate is what is installed if none is there.

    A developer's environment (dev.txt) contains the main one at the same versions, so `up` accepts it as it is, also
    one that lacks what dev.txt has got since: installing main.txt would take the tests' tools away.
    """
    python = folder / "bin" / "python"
    stamp = folder / "huiyang-requirements"
    locks = [REQUIREMENTS / name for name in candidates]
    current = stamp.read_text() if stamp.exists() else ""
    is_current = python.exists() and current in [fingerprint(lock) for lock in locks]
    if not is_current and not (len(locks) > 1 and current and python.exists() and holds(python, locks[0])):
        if not python.exists():
            run(f"{folder.name}: environment", [UV, "venv", "--quiet", "--clear", "--python", sys.executable, folder])
        stamp.unlink(missing_ok=True)
        run(
            f"{folder.name}: packages of {locks[0].name}",
            [UV, "pip", "sync", "--quiet", "--require-hashes", "--python", python, locks[0]],
        )
        stamp.write_text(fingerprint(locks[0]))
    if folder == MAIN and not (folder / "bin" / "huiyang").exists():
        run(
            "the command `huiyang`",
            [UV, "pip", "install", "--quiet", "--offline", "--no-deps", "--python", python, "--editable", ROOT],
        )


def ensure_frontend() -> None:
    """Installs the front end's libraries with the Node of the main environment, and builds what asks to be built."""
    lock = FRONTEND / "package-lock.json"
    stamp = FRONTEND / "node_modules" / ".huiyang-fingerprint"
    if stamp.exists() and stamp.read_text() == fingerprint(lock):
        return
    environment = os.environ | {"PATH": f"{MAIN / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    npm: list[str | Path] = [MAIN / "bin" / "npm", "--prefix", FRONTEND]
    run("front-end libraries", [*npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"], env=environment)
    run("front-end build", [*npm, "run", "build", "--if-present"], env=environment)
    stamp.write_text(fingerprint(lock))


def ensure_browser() -> None:
    """Debian's Chromium and Chinese fonts, for browser tests and for reports with pictures."""
    fonts = shutil.which("fc-list") and subprocess.run(["fc-list", ":lang=zh"], capture_output=True).stdout
    if not (shutil.which("chromium") and fonts):
        install_packages("Chromium and Chinese fonts", BROWSER_PACKAGES)


def ensure_postgres_15() -> None:
    """The oldest PostgreSQL that we promise to run on, without a server of its own."""
    if POSTGRES_15.exists():
        return
    if os.geteuid() == 0 and not POSTGRES_CLUSTERS.exists():
        POSTGRES_CLUSTERS.parent.mkdir(parents=True, exist_ok=True)
        POSTGRES_CLUSTERS.write_text("create_main_cluster = false\n")
    install_packages("PostgreSQL 15", ["postgresql-15"])


def install_packages(title: str, packages: list[str]) -> None:
    """Installs Debian packages.

    Raises:
        BootstrapError: this user or this system cannot; says how a person does it.
    """
    command = ["apt-get", "install", "--yes", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold"]
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise BootstrapError(
            f"The tests need {title}. As root: apt-get install {' '.join(packages)}\n"
            "On another system install the like by its own means."
        )
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    run("list of Debian packages", ["apt-get", "update", "--quiet"], env=environment)
    run(title, [*command, *packages], env=environment)


def check_machine() -> None:
    """
    Raises:
        BootstrapError: this Python or this disk cannot carry the installation.
    """
    if not (3, 11) <= sys.version_info[:2] <= (3, 12):
        raise BootstrapError(
            f"This is Python {sys.version.split()[0]}; Python 3.11 or 3.12 is needed. "
            "Name one: make PYTHON=/path/to/python3.11 up"
        )
    if not os.access(ROOT, os.W_OK):
        raise BootstrapError(f"You may not write to {ROOT}. Make the checkout yours: chown -R $USER {ROOT}")
    free = shutil.disk_usage(ROOT).free
    if not MAIN.exists() and free < NEEDED_BYTES:
        raise BootstrapError(
            f"{free / 2**30:.1f} GiB are free at {ROOT}; set-up needs {NEEDED_BYTES / 2**30:.0f} GiB. Free some space."
        )


def main(arguments: list[str]) -> int:
    purposes = {"run", "lint", "test", "test15"}
    if len(arguments) != 1 or arguments[0] not in purposes:
        print(__doc__, file=sys.stderr)  # noqa: T201
        return 2
    purpose = arguments[0]
    try:
        check_machine()
        with only_one(TOOLS / "lock"):
            ensure_uv()
            ensure_environment(MAIN, *(["main.txt", "dev.txt"] if purpose == "run" else ["dev.txt"]))
            if purpose != "lint":
                ensure_environment(SUPERSET, "superset.txt")
                if FRONTEND.exists():
                    ensure_frontend()
            if purpose.startswith("test"):
                ensure_browser()
            if purpose == "test15":
                ensure_postgres_15()
    except BootstrapError as error:
        print(f"\n{error}", file=sys.stderr)  # noqa: T201
        return 1
    except OSError as error:
        print(f"\nSet-up stopped: {error}. Free space or correct permissions, and run it again.", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
