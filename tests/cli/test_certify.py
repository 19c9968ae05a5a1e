"""``certify``: the sentence first, the same numbers as JSON, the exit code, and a log that resumes."""

import json

import pytest

from deepcollapse.cli.app import run

MODEL = ("certify", "--classes", "2", "--layers", "2", "--decay", "2^-8")


@pytest.mark.parametrize("gap", ["5%", ".05", "5e-2"])
def test_a_gap_is_a_percentage_or_a_share(gap, capsys):
    assert run([*MODEL, "--gap", gap, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["wanted"] == pytest.approx(0.05)
    assert found["proven"]
    assert found["gap"] <= 0.05


def test_the_sentence_comes_first(capsys):
    assert run([*MODEL, "--gap", "5%"]) == 0
    assert capsys.readouterr().out.startswith("The global minimum is at least 0.02")


def test_a_spent_budget_is_exit_code_1_and_the_same_command_resumes(capsys, tmp_path):
    command = [*MODEL, "--gap", "0.1%", "--log", str(tmp_path / "log.jsonl")]
    assert run([*command, "--minutes", "1e-9"]) == 1
    assert capsys.readouterr().out.startswith(
        "The gap of 0.1 % was not reached: so far, the global minimum is at least"
    )
    assert run(command) == 0
    assert capsys.readouterr().out.startswith("The global minimum is at least 0.0217")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--gap", "200%"), "gap: expected a share between 0 and 1, but found 2.0; 0.01 is 1 %"),
        (("--gap", "much"), "gap: expected a number such as 0.001 or 2^-10, but found 'much'"),
        (("--workers", "0"), "workers, minutes: expected at least 1 and more than 0, but found 0 and 10; raise them"),
        (("--minutes", "0"), "workers, minutes: expected at least 1 and more than 0, but found 1 and 0; raise them"),
        (("--log", "nowhere/log"), "log: expected a file that can be read and written, but found nowhere/log"),
    ],
)
def test_bad_options_are_one_line(options, message, capsys):
    assert run([*MODEL, *options]) == 2
    assert message in capsys.readouterr().err
