"""What was measured of every model and variant: `measured.json`, schema version 1.

`{"schema_version": 1, "rows": [..]}`, in the catalogue's order. A row has `model`, `variant`,
`reference_size_px`, `check_size_px`, `parameters` (trainable), `moving_statistics`, `macs` by size
("512x768": null where the model cannot take it), `float16_bytes`, `lint` (by target: `release`,
`verdict`, `findings`), `memory` (`peak_bytes`, `place`, `weights_bytes`), `probe` (`verdict`,
`adapter`, `runtime_version`, `errors` by precision: `max_error` relative to the output's range,
`psnr_db`, null where the output is exact), `classic_gl` (what the classic engine made of the same
file on OpenGL, in half precision: `verdict`, "not asked" where it was not there; `psnr_db` of the
worst output; `reasons`), `reasons` (why it is not green, in words), and what it was measured from:
`sources_sha256`, `versions`. Green does not hang on `classic_gl`: phones with OpenCL use that.
"""

import json
from pathlib import Path

from bokeh_tf.errors import ModelFileError
from bokeh_tf.paths import is_file

SCHEMA_VERSION = 1
# Of the classic engine, where there was none; a row from before it was asked has no such part.
NOT_ASKED: dict[str, object] = {"verdict": "not asked", "psnr_db": None, "reasons": []}
PATH = Path(__file__).with_name("measured.json")


def read(*, path=PATH) -> dict[tuple[str, str], dict]:
    """The rows by (model, variant); none where nothing was measured yet."""
    path = Path(path)
    if not is_file(path):
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"schema version {document['schema_version']}")
        rows = [{"classic_gl": NOT_ASKED, **row} for row in document["rows"]]
        return {(row["model"], row["variant"]): row for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelFileError(
            f"{path}: not a table of measured models ({error!r}). Reinstall the package."
        ) from error


def is_green(row) -> bool:
    """Whether both delegates take a measured model whole and the real one computes it right."""
    lint = [target["verdict"] for target in row["lint"].values()]
    return (
        bool(lint)
        and set(lint) == {"compatible"}
        and row["probe"]["verdict"] == "full"
        and not row["reasons"]
    )
