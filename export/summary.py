"""`python -m export.summary FOLDER`: what `make demo` made, in one table.

Reads FOLDER/models/manifest.json and FOLDER/timings/*.json; measures nothing itself.
"""

import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table


def main(arguments=None) -> int:
    """Prints the summary; returns the exit status."""
    (folder,) = map(Path, arguments or sys.argv[1:])
    manifest = json.loads((folder / "models" / "manifest.json").read_text(encoding="utf-8"))
    timings = sorted((folder / "timings").glob("*.json"))
    table = Table(
        "what", Column("result", overflow="fold"), title="bokeh-tf demo", title_justify="left"
    )
    for entry in manifest["files"]:
        for what, result in _model_rows(folder, entry):
            table.add_row(what, result)
    if timings:
        table.add_row("CPU time", _timing(json.loads(timings[-1].read_text(encoding="utf-8"))))
        table.add_row("timings, raw samples", str(timings[-1]))
    for path in sorted((folder / "pictures").iterdir()):
        table.add_row(
            "before | after | weights" if "_compare" in path.stem else "picture", str(path)
        )
    Console().print(table)
    return 0


def _model_rows(folder, entry):
    check = entry["check"]
    yield "model", str(folder / "models" / entry["file"])
    yield (
        "size",
        f"{entry['bytes'] / 1e6:.2f} MB, {entry['macs'] / 1e9:.2f} GMAC, {entry['parameters']:,}"
        " parameters",
    )
    yield "GPU delegate", f"{check['verdict'].upper()} {check.get('adapter') or check['reason']}"
    for part in check.get("precisions", []):
        worst = max(output["difference"]["max_abs"] for output in part["outputs"])
        yield f"largest error, {part['precision']}", f"{worst:.1e}"


def _timing(result):
    times = (
        (part["summary"]["median_ms"]["value"], part["threads"]) for part in result["measurements"]
    )
    return ", ".join(
        f"{median_ms:.0f} ms on {threads} thread{'s' * (threads > 1)}"
        for median_ms, threads in times
    )


if __name__ == "__main__":
    sys.exit(main())
