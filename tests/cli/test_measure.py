"""``deepcollapse measure`` as a user meets it: JSON contract, tables, exit code two for every kind of bad input."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from deepcollapse.cli.app import run

X = np.eye(5, 16)[np.arange(40) % 5] + 0.05 * np.random.default_rng(0).standard_normal((40, 16))
Y = np.arange(40) % 5
GOOD = {"features": X, "labels": Y}
HEAD = {"weight": np.eye(5, 16), "bias": np.zeros(5)}


@pytest.fixture
def called(tmp_path, capsys):
    """Writes each data set as one file, measures them together; exit code, standard output and standard error."""

    def call(*shards, options=()):
        for index, arrays in enumerate(shards):
            np.savez(tmp_path / f"shard{index}.npz", **arrays)
        code = run(["measure", *(str(tmp_path / f"shard{index}.npz") for index in range(len(shards))), *options])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def document(called):
    def call(*shards, options=()):
        code, out, err = called(*shards, options=(*options, "--json"))
        assert (code, err, out.count("\n")) == (0, "", 1)
        return json.loads(out)

    return call


@pytest.fixture
def refusal(called):
    def call(*shards, options=()):
        code, out, err = called(*shards, options=options)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert err.startswith("deepcollapse: ")
        return err

    return call


def test_json_has_the_keys_of_the_contract(document):
    found = document(GOOD | HEAD)
    sides = ("means", "weights")
    assert set(found["nc1"]) >= {"papyan", "zhu", "rank", "quotient"}
    assert set(found["nc2"]) == {f"{n}_{s}" for n in ("equinorm", "equiangular", "etf_error") for s in sides}
    assert set(found["gnc2"]) == {f"{n}_{s}" for n in ("distance", "log") for s in sides}
    assert set(found["nc3"]) >= {"papyan", "etf", "cosines"}
    assert set(found["spectrum"]) >= {"singular_values", "rank", "stable_rank", "effective_rank"}
    assert (found["nc4"]["agreement"], found["spectrum"]["rank"], found["nc1"]["rank"]) == (1.0, 4, 4)
    assert (found["structure"]["nearest"], found["centre"], found["warnings"]) == ("simplex", "class", [])
    assert (found["classes"], found["width"], found["samples"]) == (5, 16, 40)
    assert (found["kept"], found["dropped"]) == ([0, 1, 2, 3, 4], [])
    assert 0 < found["cdnv"] < 0.1


def test_options_reach_the_metrics(document):
    unequal = {"features": X[:37], "labels": Y[:37]}
    by_class, by_sample = document(unequal), document(unequal, options=["--centre", "sample"])
    assert by_sample["centre"] == "sample"
    assert by_sample["nc1"]["quotient"] != by_class["nc1"]["quotient"]
    assert document(unequal, options=["--rtol", "0.999"])["nc1"]["rank"] == 1


def test_shards_are_one_data_set(document):
    halves = [{"features": X[:20], "labels": Y[:20]} | HEAD, {"features": X[20:], "labels": Y[20:]}]
    whole, merged = document(GOOD | HEAD), document(*halves)
    assert merged["samples"] == 40
    assert merged["nc1"]["papyan"] == pytest.approx(whole["nc1"]["papyan"], rel=1e-9)
    assert merged["nc3"]["cosines"] == pytest.approx(whole["nc3"]["cosines"], rel=1e-9)


def test_dropped_classes_are_named_and_the_others_keep_their_numbers(document, called):
    gaps = {"features": X[Y != 2], "labels": Y[Y != 2]} | HEAD
    found = document(gaps, options=["--drop-empty"])
    assert (found["classes"], found["kept"], found["dropped"]) == (4, [0, 1, 3, 4], [2])
    gaps["weight"] = gaps["weight"].copy()
    gaps["weight"][3] = [*(16 * [1.0])]
    _, out, _ = called(gaps, options=["--drop-empty"])
    assert "(class 3)" in out
    assert "Warning: classes: no samples of 2, dropped" in out


def test_tables_explain_every_metric(called):
    code, out, err = called(GOOD | HEAD)
    assert (code, err) == (0, "")
    assert "40 samples, 5 classes, width 16" in out
    for name in (
        "NC1 tr(S_W S_B^+)",
        "CDNV",
        "NC2 angles",
        "GNC2 logarithms",
        "NC3",
        "NC4 agreement",
        "effective rank",
    ):
        (cells,) = [cells for line in out.splitlines() if name in (cells := [c.strip() for c in line.split("│")])]
        assert cells[-2].startswith(("0: ", "1: ", "K - 1: "))
    assert "Singular values of the class means, 5 in all" in out
    assert "Warning" not in out


def test_tables_without_a_classifier_say_what_is_missing(called):
    code, out, _ = called(GOOD)
    assert code == 0
    assert "Warning: classifier: no weight given" in out
    assert "Cosine" not in out


def test_many_singular_values_are_cut_short_for_people(called):
    _, out, _ = called({"features": np.eye(30), "labels": np.arange(30)})
    assert "30 in all" in out
    assert out.count(", ...") == 1


@pytest.mark.parametrize("folder", [False, True])
def test_other_formats_are_read(tmp_path, capsys, folder):
    path = tmp_path / ("layer" if folder else "layer.safetensors")
    if folder:
        path.mkdir()
        for name, array in GOOD.items():
            np.save(path / name, array)
    else:
        save_file(GOOD, path)
    assert run(["measure", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["samples"] == 40


def broken(value, *, dtype="float64"):
    features = X.astype(dtype)
    features[17, 3] = value
    return GOOD | {"features": features}


BAD = {
    "labels from 1 with a weight": (
        [GOOD | HEAD | {"labels": Y + 1}],
        "labels: expected 0 to 4, but found 1 to 5 in ",
    ),
    "labels below 0": ([GOOD | {"labels": Y - 1}], "labels: expected numbers from 0, but found -1 to 3 in "),
    "labels far out": ([GOOD | {"labels": Y * 10**12}], "classes: expected at most 1000000, but found 4000000000001;"),
    "labels as floats": (
        [GOOD | {"labels": Y.astype(float)}],
        "labels: expected one class number per sample, N integers, but found float64 of shape (40,) in ",
    ),
    "labels one-hot": ([GOOD | {"labels": np.eye(5, dtype=int)[Y]}], "of one-hot rows save labels.argmax(axis=1)"),
    "labels too many": (
        [GOOD | {"labels": np.append(Y, 0)}],
        "labels: expected 40 rows, as features have, but found int64 of shape (41,) in ",
    ),
    "labels too few": ([GOOD | {"labels": Y[:-1]}], "labels: expected 40 rows, as features have, but found int64"),
    "empty classes": (
        [GOOD | {"labels": np.where(Y == 2, 3, Y)}],
        "classes: expected samples of all 5, but found none of 2; add some, or drop these classes with --drop-empty",
    ),
    "one class": ([GOOD | {"labels": 0 * Y}], "classes: expected samples of at least 2, but found only of 0;"),
    "equal means": ([GOOD | {"features": 0 * X}], "class means: expected at least two that differ, but found 5 equal"),
    "no samples": (
        [{"features": X[:0], "labels": Y[:0]}],
        "features: expected samples, but found none in ",
    ),
    "no width": ([GOOD | {"features": X[:, :0]}], "features: expected shape N x d, but found float64 of shape (40, 0)"),
    "1-d features": (
        [GOOD | {"features": X[:, 0]}],
        "features: expected shape N x d, but found float64 of shape (40,)",
    ),
    "whole features": ([GOOD | {"features": X.astype(int)}], "features: expected one of float16, bfloat16, float32,"),
    "object features": ([GOOD | {"features": X.astype(object)}], "but found object of shape (40, 16) in "),
    "NaN": (
        [broken(np.nan)],
        "features: expected finite entries, but found 1 that are not, the first nan at (17, 3) of ",
    ),
    "NaN in the second shard": ([GOOD, broken(np.nan)], "the first nan at (17, 3) of "),
    "infinity": ([broken(np.inf)], "the first inf at (17, 3) of "),
    "float16 overflow": ([broken(np.inf, dtype="float16")], "float16 overflows beyond 65504, save float32 or bfloat16"),
    "squares overflow": ([broken(1e200)], "expected squares within float64"),
    "NaN in the logits": (
        [GOOD | {"logits": np.full((40, 5), np.nan)}],
        "logits: expected finite entries, but found 200",
    ),
    "NaN in the weight": (
        [GOOD | {"weight": np.full((5, 16), np.nan)}],
        "weight: expected finite entries, but found 80",
    ),
    "weight of another width": (
        [GOOD | {"weight": np.eye(5, 15)}],
        "weight: expected width 16 as features, but found (5, 15); transpose it",
    ),
    "weight as vector": (
        [GOOD | {"weight": np.ones(5)}],
        "weight: expected shape K x d, but found float64 of shape (5,)",
    ),
    "bias of another size": (
        [GOOD | HEAD | {"bias": np.zeros(4)}],
        "classes: expected one number K, but found 5 rows of the weight, 4 entries of the bias;",
    ),
    "bias alone": ([GOOD | {"bias": np.zeros(5)}], "bias: expected a weight beside it, but found none;"),
    "logits of other samples": (
        [GOOD | {"logits": np.zeros((39, 5))}],
        "logits: expected 40 rows, as features have, but found float64 of shape (39, 5) in ",
    ),
    "logits in one shard": (
        [GOOD | {"logits": np.zeros((40, 5))}, GOOD],
        "logits: expected logits in all files or in none, but found float64 of shape (40, 5) in ",
    ),
    "missing arrays": (
        [{"x": X, "labels": Y}],
        "file: expected features and labels, but found labels, x in ",
    ),
    "no arrays": ([{}], "file: expected features and labels, but found no array in "),
    "shards of different width": (
        [GOOD, GOOD | {"features": X[:, :15]}],
        "features: expected the same as in ",
    ),
    "shards of different classifiers": (
        [GOOD | HEAD, GOOD | HEAD | {"weight": 2 * HEAD["weight"]}],
        "weight: expected the same as in ",
    ),
    "shards of different biases": ([GOOD | HEAD, GOOD | {"bias": np.ones(5)}], "bias: expected the same as in "),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arrays_are_one_line_and_exit_code_two(refusal, case):
    shards, message = BAD[case]
    assert message in refusal(*shards)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--classes", "4"], "labels: expected 0 to 3, but found 0 to 4 in "),
        (["--classes", "6"], "classes: expected samples of all 6, but found none of 5;"),
        (["--classes", "1"], "labels: expected 0 to 0, but found 0 to 4 in "),
        (["--classes", "4.5"], "classes: expected a whole number, but found 4.5"),
        (["--centre", "median"], 'Choose from: "class", "sample"'),
        (["--rtol", "-1"], "rtol: expected a number from 0 up to 1, but found -1"),
    ],
)
def test_bad_options_are_one_line_and_exit_code_two(refusal, options, message):
    assert message in refusal(GOOD, options=options)


def test_classes_must_be_those_of_the_weight(refusal):
    line = refusal(GOOD | HEAD, options=["--classes", "6"])
    assert "classes: expected one number K, but found 6 --classes, 5 rows of the weight, 5 entries of the bias" in line


def test_an_infinity_of_the_first_shard_is_found_behind_a_good_one(refusal):
    line = refusal(GOOD, broken(np.inf), broken(np.nan))
    assert "found 2 that are not, the first inf at (17, 3) of " in line
    assert "shard1.npz" in line


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.npz", None, "file: expected features, but found no "),
        ("layer.csv", b"1,2", "file: expected .npz, .safetensors or a folder of .npy, but found "),
        ("layer.npy", b"\x93NUMPY", "file: expected .npz, .safetensors or a folder of .npy, but found "),
        ("layer.npz", b"not a zip", "file: expected a whole one, but found "),
        ("layer.npz", b"", "file: expected a whole one, but found "),
        ("layer.safetensors", b"xx", "file: expected a whole one, but found "),
        ("layer.safetensors", b"", "file: expected a whole one, but found "),
    ],
)
def test_files_of_another_kind_are_refused(tmp_path, refusal, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    assert message in refusal(options=[str(path)])


def test_damaged_folders_are_refused(tmp_path, refusal):
    assert "but found no array in " in refusal(options=[str(tmp_path)])
    for name, array in GOOD.items():
        np.save(tmp_path / name, array)
    whole = (tmp_path / "features.npy").read_bytes()
    for size in (len(whole) - 1, 20, 0):
        (tmp_path / "features.npy").write_bytes(whole[:size])
        assert "file: expected a whole one, but found " in refusal(options=[str(tmp_path)])


def test_files_are_named_and_named_once(tmp_path, refusal):
    np.savez(tmp_path / "layer.npz", **GOOD)
    assert "files: expected at least one, and each once, but found none" in refusal()
    twice = [str(tmp_path / "layer.npz"), str(tmp_path / "." / "layer.npz")]
    assert "files: expected at least one, and each once, but found " in refusal(options=twice)


@pytest.mark.parametrize(("centre", "told"), [("class", "class means"), ("sample", "samples")])
def test_the_title_says_where_means_are_centred(called, centre: str, told: str):
    code, out, _ = called(GOOD, options=("--centre", centre))
    assert (code, out.splitlines()[0]) == (0, f"40 samples, 5 classes, width 16, centred at the mean of the {told}")
