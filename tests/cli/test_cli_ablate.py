"""`pwavenet ablate`: from a teacher to a table of its students."""

import csv
import json

import pytest
from tiny_ablation import NAMES, tiny_classifier
from tiny_report import Page
from tiny_run import contents, tiny_preset, write_recordings

from pwavenet_tf import cli
from pwavenet_tf.evaluation import ablation as ablation_report
from pwavenet_tf.evaluation.ablation_table import COLUMNS
from pwavenet_tf.training import runs as training
from pwavenet_tf.training.callbacks.health_monitor import NotFiniteError
from pwavenet_tf.training.fit import save_model

STEPS = 2


@pytest.fixture(scope="module")
def phones(tiny_run, tmp_path_factory):
    path = tmp_path_factory.mktemp("phone_classifier") / "phones.keras"
    save_model(tiny_classifier(tiny_run.data), path)
    return path


@pytest.fixture
def arguments(tiny_run, phones, tmp_path) -> dict[str, str]:
    """Of a command that is right; one entry for each flag."""
    write_recordings(tmp_path / "held_out", 2, seed=2)
    return {
        "data": tiny_run.data,
        "teacher": tiny_run.teacher,
        "phones": phones,
        "reference": tmp_path / "held_out",
        "out": tmp_path / "out",
        "steps": STEPS,
    }


@pytest.fixture
def command(monkeypatch):
    """Runs the command at a tiny size."""
    monkeypatch.setattr(ablation_report, "preset", lambda _: tiny_preset())

    def run(arguments: dict) -> int:
        given = [f"--{flag}={value}" for flag, value in arguments.items()]
        return cli.main(["ablate", *given])

    return run


def table(out) -> dict[str, dict[str, str]]:
    with (out / "ablation.csv").open(newline="") as file:
        return {row["variant"]: row for row in csv.DictReader(file)}


def test_a_missing_phone_classifier_names_its_command(
    tiny_run, tmp_path, capsys
):
    assert (
        cli.main(
            [
                "ablate",
                f"--data={tiny_run.data}",
                f"--teacher={tiny_run.teacher}",
                f"--reference={tiny_run.recordings}",
                f"--out={tmp_path / 'out'}",
            ]
        )
        == 2
    )
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "--phones is missing; add --phones=FILE" in line
    assert cli.main(["ablate", "--help"]) == 0
    assert "train-phones makes it" in " ".join(capsys.readouterr().out.split())


@pytest.mark.network
@pytest.mark.parametrize(
    ("flag", "wrong", "expected"),
    [
        ("phones", "{teacher}", "not a phone classifier"),
        ("teacher", "{student}", "is a student"),
        ("teacher", "{other_teacher}", "mel_mean (statistics of another"),
        ("data", "{other_data}", "mel_mean (statistics of another"),
        ("reference", "{empty}", "holds no audio"),
        ("reference", "{damaged}", "is damaged or not audio"),
        ("out", "{reference}/out", "lies within --reference"),
    ],
)
def test_bad_input_is_refused_before_training(
    flag, wrong, expected, arguments, command, tiny_run, other_run, capsys,
    tmp_path, monkeypatch,
):  # fmt: skip
    monkeypatch.setattr(training, "fit", lambda *_: pytest.fail("trained"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "a.wav").write_text("no sound\n")
    path = wrong.format(
        teacher=tiny_run.teacher,
        student=tiny_run.student,
        other_teacher=other_run.teacher,
        other_data=other_run.data,
        reference=arguments["reference"],
        empty=tmp_path / "empty",
        damaged=tmp_path / "damaged",
    )
    before = contents(tmp_path)
    assert command(arguments | {flag: path}) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("pwavenet ablate: ")
    assert expected in line
    assert contents(tmp_path) == before


@pytest.mark.slow
def test_four_students_are_trained_and_compared(arguments, command, capsys):
    assert command(arguments) == 0
    out, shown = arguments["out"], capsys.readouterr().out
    assert {path.name for path in out.iterdir()} == {
        *NAMES,
        "ablation.txt",
        "ablation.csv",
        "bits.csv",
        "metrics.json",
        "recordings.csv",
        "report.html",
        "ab_test.html",
        "mushra.html",
        "sound",
    }
    for name in NAMES:
        files = {path.name for path in (out / name).iterdir()}
        assert files == {"student.keras", "student.csv"}
    metrics = json.loads((out / "metrics.json").read_text())
    systems = ["recording", *NAMES, "teacher", "Griffin-Lim", "WORLD"]
    assert list(metrics) == systems
    assert {path.name for path in (out / "sound").iterdir()} == {
        f"tone-{number}-{system}.wav" for number in (0, 1) for system in systems
    }
    rows = table(out)
    assert list(rows) == systems[1:]
    for name in NAMES:
        assert all(rows[name][column.name] for column in COLUMNS)
        for one in ("log_spectral_distance", "bits_per_sample"):
            assert float(rows[name][one]) == pytest.approx(metrics[name][one])
        assert float(rows[name]["level"]) == pytest.approx(
            metrics[name]["standard_deviation"]
            / metrics["recording"]["standard_deviation"]
        )
    # The steps made them differ, and none of them much.
    assert len({rows[name]["kl"] for name in NAMES}) > 1
    page = Page((out / "report.html").read_text("utf-8"))
    for title in (
        "What each loss contributes",
        "kl_power: kl on held-out recordings",
        "contrastive: style on held-out recordings",
    ):
        assert title in page.text
    assert len(page.all("audio")) == 2 * len(systems)
    for headline in ("1/4 KL alone", "4/4 KL + power + perceptual + contr"):
        assert f"\n{headline}" in shown
    assert str(out / "ablation.csv") in shown
    assert str(out / "report.html") in shown
    # The same command once more trains nothing and gives the same table.
    students = {name: contents(out / name) for name in NAMES}
    assert command(arguments) == 0
    assert students == {name: contents(out / name) for name in NAMES}
    again = table(out)
    for name in NAMES:
        assert again[name]["kl"] == rows[name]["kl"]


@pytest.mark.slow
def test_a_student_that_failed_is_named_in_the_table(
    arguments, command, capsys, monkeypatch
):
    """Nothing is trained here: the KL's student fails, the others stay new."""

    def fit(model, corpus, settings, context, target, *others):
        if target.parent.name == "kl":
            raise NotFiniteError("the loss became nan")

    monkeypatch.setattr(training, "fit", fit)
    assert command(arguments) == 0
    out = arguments["out"]
    rows = table(out)
    assert rows["kl"]["problem"] == "the loss became nan"
    assert rows["kl"]["kl"] == ""
    assert not (out / "kl" / "student.keras").exists()
    # The same weights, the same clips and the same noise for the others.
    values = [
        {k: v for k, v in rows[name].items() if k not in ("variant", "losses")}
        for name in NAMES[1:]
    ]
    assert values[0] == values[1] == values[2]
    assert "kl failed: the loss became nan" in capsys.readouterr().out
    assert "failed: the loss became nan" in (out / "report.html").read_text(
        "utf-8"
    )
