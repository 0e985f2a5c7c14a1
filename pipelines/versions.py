"""Which code built a release."""

from __future__ import annotations

import subprocess
from functools import cache

from huiyang import __version__
from huiyang.settings import PROJECT_ROOT


@cache
def git_commit() -> str:
    """The checkout's commit, `+changes` if files differ from it; the version where there is no checkout."""
    try:
        commit = _git("rev-parse", "HEAD").strip()
        changed = bool(_git("status", "--porcelain", "--untracked-files=no").strip())
    except (OSError, subprocess.CalledProcessError):
        return __version__
    return f"{commit}+changes" if changed else commit


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=PROJECT_ROOT, check=True, capture_output=True, text=True).stdout
