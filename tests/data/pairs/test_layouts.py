"""Folders of pairs: every layout that is found in the wild, the official split, tables,
lists, and what is refused.
"""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from bokeh_tf.data.pairs.layouts import KNOWN, find_pairs
from bokeh_tf.data.pairs.pair import places_of, read_list, write_list
from bokeh_tf.errors import DataError


def fill(folder, names):
    """Puts empty files into `folder`: the loader looks at names only."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


def jpegs(numbers, ending=""):
    return [f"{number}{ending}.jpg" for number in numbers]


def table(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def splits_of(found):
    return {pair.id: pair.split for pair in found.pairs}


def test_ebb_as_downloaded_has_the_official_split(tmp_path):
    for name in ("original", "bokeh"):
        fill(tmp_path / "Training" / name, jpegs((0, 7, 4399, 4400, 4693)))
    found = find_pairs(tmp_path)
    assert splits_of(found) == {
        "0": "train",
        "7": "train",
        "4399": "train",
        "4400": "val294",
        "4693": "val294",
    }
    assert found.pairs[0].source == tmp_path / "Training" / "original" / "0.jpg"
    assert found.pairs[0].target == tmp_path / "Training" / "bokeh" / "0.jpg"
    assert found.report.splits == {"train": 3, "val294": 2}


def test_a_copy_of_ebb_lacks_pairs_and_a_few_numbered_pairs_lack_nothing(tmp_path):
    for folder, numbers in (("some", (*range(500), *range(4400, 4500))), ("own", range(8))):
        for name in ("original", "bokeh"):
            fill(tmp_path / folder / name, jpegs(numbers))
    assert find_pairs(tmp_path / "some").report.missing == (
        "EBB! train: 3900 of its 4400 pairs",
        "EBB! val294: 194 of its 294 pairs",
    )
    assert find_pairs(tmp_path / "own").report.missing == ()


def test_whole_ebb_lacks_nothing_and_is_sorted_by_number(tmp_path):
    for name in ("original", "bokeh"):
        fill(tmp_path / name, jpegs(range(4694)))
    found = find_pairs(tmp_path)
    assert found.report.missing == () and found.report.splits == {"train": 4400, "val294": 294}
    assert [pair.id for pair in found.pairs] == [str(number) for number in range(4694)]


def test_the_folder_training_itself_may_be_named(tmp_path):
    for name in ("Original", "BOKEH"):
        fill(tmp_path / "Training" / name, jpegs((3,)))
    (pair,) = find_pairs(tmp_path / "Training").pairs
    assert pair.id == "3"


def test_pynet_with_depth_maps_and_a_test_folder(tmp_path):
    for split, numbers in (("train", (12, 4700)), ("test", (0, 12))):
        for name in ("original", "bokeh"):
            fill(tmp_path / "ebb_dataset" / split / name, jpegs(numbers))
        fill(
            tmp_path / "ebb_dataset" / split / "original_depth",
            [f"{number}.png" for number in numbers[:1]],
        )
    found = find_pairs(tmp_path)
    assert splits_of(found) == {
        "12": "train",
        "4700": "extra",
        "ebb_dataset/test/0": "test",
        "ebb_dataset/test/12": "test",
    }
    assert found.pairs[0].id == "4700" and not found.pairs[0].maps
    by_id = {pair.id: pair for pair in found.pairs}
    assert by_id["12"].maps == {
        "depth": tmp_path / "ebb_dataset" / "train" / "original_depth" / "12.png"
    }
    assert found.report.maps == {"depth": 2}
    assert "ebb_dataset/train: depth of 4700" in found.report.missing


def test_val294_of_bokehlicious(tmp_path):
    for name in ("in", "gt"):
        fill(tmp_path / "EBB_Val294" / "validation" / name, jpegs(range(4400, 4694)))
    found = find_pairs(tmp_path)
    assert found.report.splits == {"val294": 294} and found.report.missing == ()
    assert found.pairs[0].id == "4400"


def test_a_validation_folder_of_other_pairs_is_not_val294(tmp_path):
    for name in ("in", "gt"):
        fill(tmp_path / "validation" / name, jpegs((1, 2)))
    assert splits_of(find_pairs(tmp_path)) == {
        "validation/1": "validation",
        "validation/2": "validation",
    }


def test_vabm_with_depth_and_focus_maps(tmp_path):
    for name in ("input", "target", "depth", "focal"):
        fill(tmp_path / "EBB!" / "train" / name, jpegs((5,)))
    (pair,) = find_pairs(tmp_path).pairs
    assert sorted(pair.maps) == ["depth", "focus"] and pair.split == "train"


def test_realbokeh_has_one_photo_for_several_apertures(tmp_path):
    place = tmp_path / "RealBokeh_3MP" / "test"
    fill(place / "in", ["7.JPG", "8.JPG"])
    fill(place / "gt", ["7_f2.0.JPG", "7_f4.0.JPG"])
    fill(place / "metadata", ["broken.json"])
    scene = {
        "id": 7,
        "source_image": "in/7.JPG",
        "source_av": 22.0,
        "target_images": ["gt/7_f2.0.JPG", "gt/7_f4.0.JPG"],
    }
    (place / "metadata" / "7.json").write_text(
        json.dumps(scene | {"target_avs": [2, 4.0]}), encoding="utf-8"
    )
    lacking = scene | {
        "source_image": "in/8.JPG",
        "target_images": ["gt/8_f2.0.JPG"],
        "target_avs": [2.0],
    }
    (place / "metadata" / "8.json").write_text(json.dumps(lacking), encoding="utf-8")
    # Its picture has the name of another one, in a folder beside.
    fill(place / "more", ["7_f2.0.JPG"])
    second = scene | {"target_images": ["more/7_f2.0.JPG"], "target_avs": [5.6]}
    (place / "metadata" / "9.json").write_text(json.dumps(second), encoding="utf-8")
    found = find_pairs(tmp_path)
    assert [(pair.id, pair.split, pair.source.name) for pair in found.pairs] == [
        ("RealBokeh_3MP/test/7_f2.0", "test", "7.JPG"),
        ("RealBokeh_3MP/test/7_f4.0", "test", "7.JPG"),
    ]
    assert [pair.conditions for pair in found.pairs] == [
        {"target_f_number": 2.0},
        {"target_f_number": 4.0},
    ]
    assert found.report.missing == ("RealBokeh_3MP/test: 1 target missing, of 8_f2.0",)
    assert any("broken.json: not a scene of RealBokeh" in note for note in found.report.notes)
    kept, other = (f"RealBokeh_3MP/test/{folder}/7_f2.0.JPG" for folder in ("gt", "more"))
    assert f"{other}: left out, {kept} has the same name" in found.report.notes


def test_metadata_of_another_data_set_hides_no_pairs(tmp_path):
    for name in ("in", "gt"):
        fill(tmp_path / name, ["1.png"])
    fill(tmp_path / "metadata", [])
    (tmp_path / "metadata" / "licence.json").write_text('{"licence": "mine"}', encoding="utf-8")
    assert [pair.id for pair in find_pairs(tmp_path).pairs] == ["1"]


@pytest.mark.parametrize(
    "folders",
    [
        *(("input", "gt"), ("lq", "gt"), ("LR", "HR"), ("low", "high"), ("sharp", "blur")),
        *(("src", "tgt"), ("source", "target")),
    ],
)
def test_folders_of_other_common_names(tmp_path, folders):
    for name in folders:
        fill(tmp_path / "mine" / name, ["a b.png"])
    found = find_pairs(tmp_path)
    (pair,) = found.pairs
    assert (pair.source.parent.name, pair.target.parent.name) == folders
    assert found.report.missing == ()


def test_names_that_differ_in_padding_or_in_a_scale_are_partners(tmp_path):
    fill(tmp_path / "LR", ["0007x4.png", "12_x2.png", "c.png", "5.png", "05.png"])
    fill(tmp_path / "HR", ["7.png", "012.png", "c.png", "005.png"])
    found = find_pairs(tmp_path)
    assert {pair.source.name: pair.target.name for pair in found.pairs} == {
        "0007x4.png": "7.png",
        "12_x2.png": "012.png",
        "c.png": "c.png",
    }
    # 005 could be the target of two sources, so it is that of none.
    assert len(found.report.missing) == 2


def test_a_table_with_backslashes_and_spaces(tmp_path):
    fill(tmp_path / "my photos", ["a 1.jpg", "b 1.jpg"])
    table(
        tmp_path / "pairs.csv",
        [[" original", "bokeh "], [r"my photos\a 1.jpg", r" .\my photos\b 1.jpg"]],
    )
    (pair,) = find_pairs(tmp_path).pairs
    assert (pair.source.name, pair.target.name) == ("a 1.jpg", "b 1.jpg")


def test_a_list_with_spaces_around_ids(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("split, id\ntrain, 7 \ntrain, \n", encoding="utf-8")
    assert read_list(path) == ["7"]


def test_one_folder_with_lens_names(tmp_path):
    fill(
        tmp_path,
        ["00000.src.jpg", "00000.tgt.jpg", "00000.alpha.png", "00001.src.jpg", "00001.tgt.jpg"],
    )
    (tmp_path / "meta.txt").write_text(
        "00000,Sony50mmf16.0BS, Canon50mmf1.4BS, 33\n00001, Sony50mmf16.0BS, Sony50mmf1.8BS, x\n",
        encoding="utf-8",
    )
    first, second = find_pairs(tmp_path).pairs
    conditions = {
        "source_f_number": 16,
        "target_f_number": 1.4,
        "focal_length_mm": 50,
        "disparity": 33,
    }
    assert first.id == "00000" and first.split == "train" and first.conditions == conditions
    assert first.maps == {"mask": tmp_path / "00000.alpha.png"}
    assert second.conditions == {
        "source_f_number": 16,
        "target_f_number": 1.8,
        "focal_length_mm": 50,
    }


def test_one_folder_with_input_and_gt(tmp_path):
    fill(tmp_path, ["größe – 写真_Input.JPG", "größe – 写真_GT.jpg", "b_Input.jpg"])
    found = find_pairs(tmp_path)
    assert [pair.id for pair in found.pairs] == ["größe – 写真"]
    assert found.report.missing == (f"{tmp_path}: 1 target missing, of b",)


def test_what_lies_too_deep_is_counted(tmp_path):
    for place in ("near", "1/2/near", "1/2/3/near", "1/2/3/4/far"):
        for name in ("in", "gt"):
            fill(tmp_path / place / name, ["a.jpg"])
    fill(tmp_path / "1" / "2" / "3" / ".hidden", ["a.jpg"])
    found = find_pairs(tmp_path)
    assert sorted(pair.id for pair in found.pairs) == ["1/2/near/a", "near/a"]
    # 1/2/3/near and 1/2/3/4; those in 1/2/near hold a pair's pictures.
    assert any(note.startswith("2 folders more than 3 levels down") for note in found.report.notes)
    assert places_of(found.pairs, tmp_path) == "1 in 1/2/near/in, 1 in near/in"
    lonely = tmp_path / "other"
    fill(lonely / "1" / "2" / "3" / "in", ["a.jpg"])
    with pytest.raises(
        DataError, match=r"no pairs of pictures found\. 1 folder more than 3 levels"
    ):
        find_pairs(lonely)


def test_many_places_are_one_line(tmp_path):
    for number in range(6):
        for name in ("in", "gt"):
            fill(tmp_path / str(number) / name, ["a.jpg", "b.jpg"])
    shown = places_of(find_pairs(tmp_path).pairs, tmp_path)
    assert shown == "2 in 0/in, 2 in 1/in, 2 in 2/in, 2 in 3/in and 2 more folders"
    assert places_of(find_pairs(tmp_path / "0").pairs, tmp_path / "0") == "2 in in"


def test_files_without_a_partner_are_named(tmp_path):
    fill(tmp_path / "original", jpegs(range(10)))
    fill(tmp_path / "bokeh", jpegs([0, 99]))
    report = find_pairs(tmp_path).report
    assert f"{tmp_path}: 9 targets missing, of 1, 2, 3, 4, 5, 6 and 3 more" in report.missing
    assert f"{tmp_path}: 1 source missing, of 99" in report.missing


def test_inputs_that_have_no_published_targets_are_noted(tmp_path):
    for name in ("original", "bokeh"):
        fill(tmp_path / "Training" / name, jpegs((0,)))
    fill(tmp_path / "ValidationBokehFree", jpegs(range(3)))
    assert (
        "ValidationBokehFree: 3 inputs, whose targets were never published"
        in find_pairs(tmp_path).report.notes
    )


def test_a_pair_found_twice_counts_once(tmp_path):
    for folder in (tmp_path / "Training", tmp_path / "again"):
        for name in ("original", "bokeh"):
            fill(folder / name, jpegs((4400,)))
    found = find_pairs(tmp_path)
    assert len(found.pairs) == 1 and found.report.splits == {"val294": 1}
    assert "again: left out, found before: 4400" in found.report.notes


def test_own_photos_are_all_for_training(tmp_path):
    for name in ("original", "bokeh"):
        fill(tmp_path / name, jpegs((4500, 5012)))
    # EBB! has no number 5012: the numbers are a camera's, and 4500 is not in Val294.
    assert splits_of(find_pairs(tmp_path)) == {"4500": "train", "5012": "train"}


def test_a_table_adds_conditions_and_names_what_is_missing(tmp_path):
    for name in ("original", "bokeh"):
        fill(tmp_path / "Training" / name, jpegs((0, 1)))
    rows = [["./Training/bokeh/0.jpg", "./Training/original/0.jpg", "1.8", "a"]]
    rows.append(["./Training/bokeh/7.jpg", "./Training/original/7.jpg", "1.8", "b"])
    table(
        tmp_path / "data" / "train.csv", [["bokeh", "original", "target_f_number", "note"], *rows]
    )
    found = find_pairs(tmp_path)
    assert found.pairs[0].conditions == {"target_f_number": 1.8} and found.pairs[1].conditions == {}
    assert found.report.conditions == {"target_f_number": 1}
    assert (
        "data/train.csv: names ./Training/original/7.jpg, which is not here" in found.report.missing
    )


def test_a_table_by_id_and_one_about_something_else(tmp_path):
    for name in ("original", "bokeh"):
        fill(tmp_path / name, jpegs(("a, b",)))
    table(tmp_path / "focus.csv", [["id", "focus_distance_m", "exposure"], ["a, b", "0.75", "nan"]])
    table(tmp_path / "prices.csv", [["id", "price"], ["bread", "3"]])
    found = find_pairs(tmp_path)
    assert found.pairs[0].conditions == {"focus_distance_m": 0.75}
    assert not any("prices" in line for line in found.report.missing)


def test_a_table_alone_can_name_the_pairs(tmp_path):
    fill(tmp_path / "f16", ["x.jpg"])
    fill(tmp_path / "f2", ["y.jpg"])
    table(
        tmp_path / "pairs.csv",
        [["source", "target", "target_f_number"], ["f16/x.jpg", "f2/y.jpg", "2"]],
    )
    (pair,) = find_pairs(tmp_path).pairs
    assert (pair.source.name, pair.target.name, pair.conditions) == (
        "x.jpg",
        "y.jpg",
        {"target_f_number": 2},
    )


def test_pairs_of_one_name_in_a_table_do_not_replace_each_other(tmp_path):
    fill(tmp_path / "photos", ["a.jpg", "a.png", "wide.jpg", "wider.jpg"])
    rows = [
        ["photos/a.jpg", "photos/wide.jpg", "2.8"],
        ["photos/a.jpg", "photos/wider.jpg", "1.4"],
        ["photos/a.png", "photos/wider.jpg", "1.8"],
    ]
    table(tmp_path / "pairs.csv", [["source", "target", "target_f_number"], *rows])
    found = find_pairs(tmp_path)
    (pair,) = found.pairs
    assert (pair.target.name, pair.conditions) == ("wide.jpg", {"target_f_number": 2.8})
    assert [one.pairs for one in found.report.layouts] == [1]
    lost = "photos/a.jpg with photos/wider.jpg, photos/a.png with photos/wider.jpg"
    assert f"pairs.csv: left out, another pair has the name: {lost}" in found.report.notes


def test_a_damaged_table_is_noted_and_not_fatal(tmp_path):
    for name in ("original", "bokeh"):
        fill(tmp_path / name, jpegs((0,)))
    (tmp_path / "train.csv").write_bytes(b"\xff\xfe\x00")
    (note,) = find_pairs(tmp_path).report.notes
    assert "train.csv: cannot be read as UTF-8" in note


@pytest.fixture
def folder(tmp_path):
    for split, numbers in (("train", (0, 1, 2, 3)), ("test", (0, 1))):
        for name in ("original", "bokeh"):
            fill(tmp_path / "ebb" / split / name, jpegs(numbers))
    return tmp_path / "ebb"


@pytest.mark.parametrize(
    "text", ["1.jpg\n3.jpg\n", "1\n\n3", "train/original/1.jpg\ntrain/bokeh/3.jpg\n"]
)
def test_a_list_chooses_pairs(folder, tmp_path, text):
    (tmp_path / "list.txt").write_text("\ufeff" + text, encoding="utf-8")
    found = find_pairs(folder, only=tmp_path / "list.txt")
    assert [pair.id for pair in found.pairs] == ["1", "3"]
    assert found.report.splits == {"train": 2}


def test_a_written_list_chooses_the_same_pairs(folder, tmp_path):
    pairs = [pair for pair in find_pairs(folder).pairs if pair.id in ("2", "test/0")]
    write_list(tmp_path / "clean.csv", pairs, folder=folder)
    assert sorted(read_list(tmp_path / "clean.csv")) == ["2", "test/0"]
    assert list(find_pairs(folder, only=tmp_path / "clean.csv").pairs) == pairs


def test_what_a_list_names_in_vain_is_missing(folder, tmp_path):
    (tmp_path / "list.txt").write_text("1.jpg\n77.jpg\n", encoding="utf-8")
    assert any(
        "77.jpg not found" in line
        for line in find_pairs(folder, only=tmp_path / "list.txt").report.missing
    )


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "names no pair"),
        (b"77.jpg", "names no pair of"),
        (b"\xff\xfa", "cannot be read as UTF-8"),
    ],
)
def test_useless_lists_are_refused_in_one_line(folder, tmp_path, content, complaint):
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(DataError, match=complaint) as error:
        find_pairs(folder, only=tmp_path / "list.txt")
    assert "\n" not in str(error.value)


def test_an_ambiguous_name_is_refused(tmp_path):
    for split in ("a", "b"):
        for name in ("in", "gt"):
            fill(tmp_path / split / name, ["x.jpg"])
    (tmp_path / "list.txt").write_text("x.jpg", encoding="utf-8")
    with pytest.raises(DataError, match=r"stands for several pairs \(a/x, b/x\)"):
        find_pairs(tmp_path, only=tmp_path / "list.txt")


def test_nothing_found_lists_the_known_layouts(tmp_path):
    fill(tmp_path / "originals", jpegs((0,)))
    with pytest.raises(DataError) as error:
        find_pairs(tmp_path)
    assert "\n" not in str(error.value) and all(layout in str(error.value) for layout in KNOWN)


def test_a_lone_folder_is_a_hint(tmp_path):
    fill(tmp_path / "original", jpegs((0,)))
    with pytest.raises(DataError, match="original has no folder bokeh beside it"):
        find_pairs(tmp_path)


def test_missing_folder_and_file_are_refused(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        find_pairs(tmp_path / "missing")
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="not a folder"):
        find_pairs(tmp_path / "a.png")
