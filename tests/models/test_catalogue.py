"""The catalogue and the reported rows against hand-copied facts of the
papers, and `bokeh-tf models`.
"""

import json
import subprocess
import sys
from collections import Counter

import pytest

from bokeh_tf import models
from bokeh_tf.cli import main
from bokeh_tf.delegate.findings import TARGETS
from bokeh_tf.errors import ModelFileError
from bokeh_tf.models import catalogue, listing, measured
from bokeh_tf.models.reported import ROWS, VAL294, rows_of

# Copied from tables 1 and 2 of the AIM 2020 report: team, seconds, PSNR, SSIM, MOS.
AIM_2020_TABLE_1 = """
Airia-bokeh 5.52 23.58 0.8770 4.2
AIA-Smart 1.71 23.56 0.8829 3.8
CET_SP 1.17 21.91 0.8201 3.3
CET_CVLab 1.17 23.05 0.8591 3.2
Team_Horizon 19.27 23.27 0.8818 3.2
IPCV_IITM 27.24 23.77 0.8866 2.5
CET21_CV 0.74 22.80 0.8628 1.3
CET_ECE 0.74 22.85 0.8629 1.2
xuehuapiaopiao-team - 22.98 0.8758 -
Terminator - 23.04 0.8756 -
"""
AIM_2020_TABLE_2 = """
Airia-bokeh 1.52 23.58 0.8770 4.2
AIA-Smart 15.2 22.94 0.8842 4.0
CET_CVLab 2.75 23.05 0.8591 3.2
Team_Horizon - 23.27 0.8818 3.2
"""
# Copied from tables 1 to 4 of the DBSI paper: PSNR, SSIM, LPIPS.
DBSI_TABLES = """
table_1 22.53 0.8330 0.3251
table_1 23.45 0.8675 0.2463
table_2 23.17 0.8613 0.2506
table_2 23.45 0.8675 0.2463
table_3 23.22 0.8572 0.2607
table_3 23.45 0.8675 0.2463
table_4 23.91 0.8533 0.2716
table_4 23.56 0.8557 0.2574
table_4 23.45 0.8675 0.2463
"""
# Copied from its table 5, the leaderboard of AIM 2019: PSNR, SSIM, MOS.
AIM_2019_TABLE = """
islab-zju 23.43 0.89 0.87
CVL-IITM-PERC 22.14 0.86 0.88
IPCV_IITM 23.17 0.88 0.93
VIDAR 23.93 0.89 0.98
XMU-VIPLab 23.18 0.89 1.02
KAIST-VICLAB 23.37 0.86 1.08
SLYYM 22.25 0.85 1.10
Bazinga 22.15 0.84 1.48
aps_vision@IITG 20.88 0.77 1.53
CVL-IITM-FDL 22.90 0.87 -
"""


def parsed(text):
    lines = [line.split() for line in text.strip().splitlines()]
    return [
        (name.replace("_", " "), *(None if word == "-" else float(word) for word in words))
        for name, *words in lines
    ]


def rows_in(paper, table):
    return [
        row
        for row in ROWS
        if row.conditions.paper == paper and row.conditions.table.startswith(table)
    ]


@pytest.mark.parametrize(
    ("table", "copied"), [("table 1", AIM_2020_TABLE_1), ("table 2", AIM_2020_TABLE_2)]
)
def test_rows_are_those_of_the_aim_2020_report(table, copied):
    rows = rows_in("AIM 2020", table)
    ours = [
        (row.subject.replace("_", " "), row.runtime_s, row.psnr_db, row.ssim, row.mos)
        for row in rows
    ]
    assert ours == parsed(copied)


def test_rows_are_those_of_the_dbsi_paper():
    ours = [
        (row.conditions.table, row.psnr_db, row.ssim, row.lpips) for number in range(1, 5)
        for row in rows_in("DBSI", f"table {number}")
    ]  # fmt: skip
    assert ours == parsed(DBSI_TABLES)
    leaderboard = [
        (row.subject.replace("_", " "), row.psnr_db, row.ssim, row.mos)
        for row in rows_in("DBSI", "table 5")
    ]
    assert leaderboard == parsed(AIM_2019_TABLE)


def test_every_team_of_the_challenge_has_its_model():
    assert all(row.models for row in rows_in("AIM 2020", "table"))
    assert {name for row in ROWS for name in row.models} <= set(models.MODELS)
    assert Counter(row.subject for row in rows_of("wavelet_cnn")) == {"CET_CVLab": 2, "CET_SP": 1}
    assert [row.psnr_db for row in rows_of("dmshn")] == [24.65, 24.72]


def test_rows_that_are_no_bar_or_not_read_in_their_table_say_so():
    after = [row for row in ROWS if row.conditions.protocol == "dmshn"]
    assert [row.subject for row in after if row.is_contaminated] == ["PyNET"]
    assert [row.subject for row in after if not row.doubt] == ["BRViT"]
    assert all(row.conditions.data == VAL294 for row in ROWS if row.conditions.protocol)


def test_the_catalogue_is_in_the_order_of_the_models():
    assert tuple(entry.name for entry in catalogue.ENTRIES) == models.MODELS
    with pytest.raises(ValueError, match=r"Received: 'nope'. Known: .*megadepth"):
        catalogue.entry("nope")
    with pytest.raises(ValueError, match=r"Received: 'huge'. Known: base, stacked, tiny"):
        catalogue.entry("dmshn").variant("huge")


def test_measured_rows_are_of_models_there_are():
    known = {
        (entry.name, variant.name) for entry in catalogue.ENTRIES for variant in entry.variants
    }
    assert set(measured.read()) <= known


@pytest.mark.parametrize(
    "content", ["", "[]", '{"schema_version": 99, "rows": []}', '{"schema_version": 1, "rows": 5}']
)
def test_a_damaged_table_is_one_line(tmp_path, content):
    path = tmp_path / "gemessen – 測.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ModelFileError, match="not a table of measured models") as caught:
        measured.read(path=path)
    assert "\n" not in str(caught.value)


def test_no_table_is_no_rows(tmp_path):
    assert measured.read(path=tmp_path / "none.json") == {}


def test_models_lists_every_variant(capsys):
    assert main(["models"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert [(line[0], line[1]) for line in lines] == [
        (entry.name, variant.name) for entry in catalogue.ENTRIES for variant in entry.variants
    ]


def test_the_list_has_a_column_for_every_target_of_the_check():
    assert listing.LINTED == TARGETS


def test_one_model_shows_what_its_authors_report_and_where(capsys):
    assert main(["models", "bgnet"]) == 0
    text = capsys.readouterr().out
    for part in (
        "Airia-bokeh",
        "23.58",
        "0.8770",
        "1.52 s",
        "AIM 2020, table 2, track 2",
        "AIM2020-bokeh-BGNet",
    ):
        assert part in text
    assert "dmshn" not in text


def test_json_has_all_of_it(capsys):
    assert main(["models", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema_version"] == 1
    assert [model["name"] for model in document["models"]] == list(models.MODELS)
    (pynet,) = [model for model in document["models"] if model["name"] == "pynet"]
    assert [row["psnr_db"] for row in pynet["reported"]] == [22.98, 23.04, 24.93]
    assert pynet["reported"][0]["note"] == "not ranked: it uses depth maps computed beforehand"


def test_an_unknown_model_is_wrong_usage(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["models", "nope"])
    error = capsys.readouterr().err
    assert stop.value.code == 2 and "Received: 'nope'. Known: " in error and "megadepth" in error


def test_the_list_needs_no_keras():
    code = (
        "import sys; from bokeh_tf.cli import main; main(['models', '--json']);"
        "sys.exit(any(name in sys.modules for name in ('keras', 'tensorflow', 'ai_edge_litert',"
        " 'cv2')))"
    )
    child = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert child.returncode == 0, child.stderr
