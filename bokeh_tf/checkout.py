"""The commit that this package runs from, which results and manifests record."""

import subprocess
from pathlib import Path

from bokeh_tf.paths import exists

_TIMEOUT_S = 10


def git_commit():
    """Commit of the checkout around this package, "-dirty" after it where tracked files
    differ; None outside one.
    """
    root = Path(__file__).resolve().parents[1]
    if not exists(root / ".git"):
        return None
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return None
    return (
        f"{commit}-dirty" if _git(root, "status", "--porcelain", "--untracked-files=no") else commit
    )


def _git(root, *arguments):
    try:
        answer = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
