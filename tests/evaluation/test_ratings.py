"""Claims about listeners' answers: what is read, and what is made of it."""

import itertools
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from pwavenet_tf import cli
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.evaluation.rating_scores import (
    estimate,
    preferences,
    screen_table,
    system_scores,
)
from pwavenet_tf.evaluation.ratings import rating_files, read_ratings

SYSTEMS = ["recording", "teacher", "student"]


def saved(kind: str, trials: list[dict], **changes) -> dict:
    """What a page saves, as far as it is read."""
    return {
        "format": "pwavenet listening test",
        "version": 1,
        "kind": kind,
        "test": "0123456789abcdef",
        "systems": SYSTEMS,
        "reference": "recording",
        "sentences": [f"clip-{number}" for number in range(20)],
        "listener": "aa11",
        "seed": 1,
        "planned": len(trials),
        "trials": trials,
    } | changes


def compared(*choices: str, a="teacher", b="student") -> list[dict]:
    return [
        {"sentence": f"clip-{number}", "a": a, "b": b, "choice": choice}
        for number, choice in enumerate(choices)
    ]


def rated(*rows: tuple[float, float, float]) -> list[dict]:
    return [
        {
            "sentence": f"clip-{number}",
            "scores": dict(zip(SYSTEMS, row, strict=True)),
        }
        for number, row in enumerate(rows)
    ]


@pytest.fixture
def write(tmp_path):
    """Writes what was saved under a name and returns the path."""

    def write(name: str, content) -> str:
        path = tmp_path / name
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text)
        return path

    return write


def crossed(values: np.ndarray):
    """Answers `(listeners, sentences)`, NaN where there is none."""
    return [
        (str(row), str(column), values[row, column])
        for row, column in zip(*np.nonzero(~np.isnan(values)), strict=True)
    ]


def test_intervals_are_those_of_every_possible_resample():
    """Against all 256 · 27 draws of four listeners and three sentences."""
    values = np.random.default_rng(0).uniform(0, 100, (4, 3))
    values[1, 2] = np.nan
    means = []
    for rows in itertools.product(range(4), repeat=4):
        for columns in itertools.product(range(3), repeat=3):
            sampled = values[np.ix_(rows, columns)]
            if not np.isnan(sampled).all():
                means.append(np.nanmean(sampled))
    found = estimate(crossed(values))
    assert found.mean == pytest.approx(np.nanmean(values))
    # Four standard errors of a share that 9,999 draws estimate.
    error = 4 * np.sqrt(0.025 * 0.975 / 9_999)
    for end, share in ((found.low, 0.025), (found.high, 0.975)):
        end += np.array([-1e-6, 1e-6])
        below, up_to = np.mean(np.array(means)[:, None] < end, axis=0)
        assert below - error <= share <= up_to + error


@pytest.mark.parametrize("shape", [(200, 1), (1, 200)])
def test_intervals_of_one_sentence_or_listener_are_students(shape):
    values = np.random.default_rng(0).normal(60, 20, shape)
    expected = stats.ttest_1samp(values.ravel(), 0).confidence_interval(0.95)
    found = estimate(crossed(values))
    assert (found.low, found.high) == pytest.approx(expected, abs=0.4)


def test_intervals_hold_both_listeners_and_sentences():
    """Against the pigeonhole bootstrap's variance in a crossed design."""
    draw = np.random.default_rng(1)
    rows, columns = 40, 25
    values = (
        draw.normal(0, 8, (rows, 1))
        + draw.normal(0, 5, (1, columns))
        + draw.normal(0, 6, (rows, columns))
    )
    by_row, by_column = values.mean(1), values.mean(0)
    rest = values - by_row[:, None] - by_column + values.mean()
    variance = (
        by_row.var() / rows
        + by_column.var() / columns
        + rest.var() / (rows * columns)
    )
    found = estimate(crossed(values))
    width = 2 * 1.96 * np.sqrt(variance)
    assert found.high - found.low == pytest.approx(width, rel=0.05)
    # Answers that are taken for independent would claim far more.
    assert width > 1.8 * 2 * 1.96 * values.std() / np.sqrt(values.size)


def test_a_single_answer_has_no_interval():
    assert estimate([("a", "b", 3.0)]).low is None


def test_scores_are_means_over_all_listeners(write):
    files = [
        write("a.json", saved("mushra", rated((100, 60, 40), (95, 70, 20)))),
        write(
            "b.json",
            saved("mushra", rated((90, 20, 30)), listener="b", planned=2),
        ),
    ]
    ratings = read_ratings(files)
    found = system_scores(ratings.scores)
    assert [(one.system, one.score.mean, one.answers) for one in found] == [
        ("recording", 95, 3),
        ("teacher", 50, 3),
        ("student", 30, 3),
    ]
    assert found[1].opinion.mean == 3
    assert found[1].score.low < 50 < found[1].score.high
    text = screen_table(ratings)
    assert "2 listeners, 1 of them not to the end" in text
    assert "bootstrap over listeners and sentences" in text
    assert "2 listeners are few" in text


def test_preferences_are_those_of_the_pair_whichever_side_it_was(write):
    files = [
        write("a.json", saved("ab", compared("a", "a", "none", "b"))),
        write(
            "b.json",
            saved(
                "ab",
                compared("b", "b", "none", a="student", b="teacher")
                + compared("none", a="recording"),
                listener="b",
            ),
        ),
    ]
    ratings = read_ratings(files)
    first, second = preferences(ratings.comparisons)
    assert (first.system, first.against) == ("teacher", "student")
    shares = (first.win.mean, first.lose.mean, first.neutral.mean)
    assert shares == pytest.approx((4 / 7, 1 / 7, 2 / 7))
    assert first.answers == 7
    assert first.win.low < 4 / 7 < first.win.high
    assert second.neutral.mean == 1 and second.neutral.low is None
    text = screen_table(ratings)
    assert re.search(r"teacher against student +57-14-29", text)


@pytest.mark.parametrize(
    ("failed", "trials", "excluded"),
    [(1, 6, True), (1, 7, False), (3, 20, False), (4, 20, True)],
)
def test_who_misses_the_hidden_reference_is_excluded(
    write, failed, trials, excluded
):
    rows = [(89, 10, 10)] * failed + [(90, 80, 80)] * (trials - failed)
    files = [
        write("good.json", saved("mushra", rated((100, 80, 80)))),
        write("doubted.json", saved("mushra", rated(*rows), listener="bb22")),
    ]
    ratings = read_ratings(files)
    assert len(ratings.excluded) == excluded
    text = screen_table(ratings)
    message = "excluded: bb22 (doubted.json), who rated the hidden recording"
    assert (message in text) == excluded
    assert (f"{failed} of {trials} trials" in text) == excluded
    teacher = {one.system: one for one in system_scores(ratings.scores)}
    assert (teacher["teacher"].score.mean == 80) == excluded


def test_the_fuller_of_two_files_of_one_listener_counts(write):
    files = [
        write("whole.json", saved("ab", compared("a", "b", "a"))),
        write("part.json", saved("ab", compared("a"))),
        write("again.json", saved("ab", compared("a", "a", "a"))),
    ]
    ratings = read_ratings(files)
    assert [one.path.name for one in ratings.comparisons] == ["again.json"]
    assert len(ratings.replaced) == 2
    assert "left out: " in screen_table(ratings)


def test_a_file_a_folder_and_a_pattern_name_files(write, tmp_path):
    paths = [write(name, "") for name in ("a.json", "b.json")]
    write("notes.txt", "")
    assert rating_files([str(paths[1])]) == paths[1:]
    assert rating_files([str(tmp_path)]) == paths
    assert rating_files([f"{tmp_path}/*.json", str(paths[0])]) == paths
    with pytest.raises(UserError, match=r"none\*.json: there is no such file"):
        rating_files([str(tmp_path / "none*.json")])


GOOD = saved("mushra", rated((100, 60, 40)))
AB = saved("ab", compared("a", "b"))
DAMAGE = {
    "is not JSON": json.dumps(GOOD)[:-20],
    "is not JSON (Expecting value": "",
    "is not what a listening test saved": json.dumps({"format": "other"}),
    "is not what a listening test saved; give": json.dumps([1, 2]),
    "is of version 2": GOOD | {"version": 2},
    "its kind is 'abx'": GOOD | {"kind": "abx"},
    "listener is None": GOOD | {"listener": None},
    "systems is not a list": GOOD | {"systems": "recording"},
    "its reference is 'x'": GOOD | {"reference": "x"},
    "planned is '3'": GOOD | {"planned": "3"},
    "trials is not a list": GOOD | {"trials": None},
    "trial 1 is no object": GOOD | {"trials": [3]},
    "about the sentence 'x'": GOOD | {"trials": [{"sentence": "x"}]},
    "does not rate every system": GOOD
    | {"trials": [{"sentence": "clip-1", "scores": {"teacher": 3}}]},
    "rates teacher with 101": GOOD | {"trials": rated((100, 101, 40))},
    "rates student with nan": GOOD | {"trials": rated((9, 10, float("nan")))},
    "rates student with True": GOOD | {"trials": rated((9, 10, True))},
    "trial 2 repeats": GOOD | {"trials": 2 * rated((100, 1, 1))},
    "compares 'teacher' with 'teacher'": AB
    | {"trials": compared("a", b="teacher")},
    "compares ['x'] with 'student'": AB | {"trials": compared("a", a=["x"])},
    "has the choice 'c'": AB | {"trials": compared("c")},
    "has no answers": AB | {"trials": []},
    "answers to another test": AB | {"test": "another"},
}


@pytest.mark.parametrize("problem", DAMAGE)
def test_a_damaged_or_foreign_file_is_named_in_a_line(
    write, tmp_path, capsys, problem
):
    files = [write("bad.json", DAMAGE[problem])]
    if "another" in problem:
        files.insert(0, write("first.json", GOOD))
    flags = [f"--ratings={path}" for path in files]
    assert cli.main(["evaluate", *flags, f"--out={tmp_path / 'out'}"]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert str(tmp_path / "bad.json") in line
    assert problem in line
    assert not (tmp_path / "out").exists()


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "a.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="is not JSON"):
        read_ratings([tmp_path / "a.json"])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--model={m}", "--reference and --out are missing; add"),
        ("", "--model and --reference and --out are missing"),
        ("--ratings=x", "--out is missing; add --out=DIR"),
        ("--ratings=x --out={o} --reference={m}", "two different tasks"),
        ("--ratings=x --out={o}", "x: there is no such file"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(
    write, tmp_path, capsys, flags, message
):
    places = {"m": write("model", ""), "o": tmp_path / "out"}
    assert cli.main(["evaluate", *flags.format(**places).split()]) == 2
    assert message in capsys.readouterr().err


def test_the_command_writes_the_table_and_needs_no_tensorflow(write, tmp_path):
    write("a.json", saved("mushra", rated((100, 60, 40), (95, 70, 20))))
    write("b.json", saved("mushra", rated((10, 20, 30)), listener="bb22"))
    write("c.json", saved("ab", compared("a", "b", "none", "a")))
    out = tmp_path / "out"
    program = (
        "import sys; from pwavenet_tf import cli; status = cli.main();"
        "sys.exit(status or 9 * ('tensorflow' in sys.modules))"
    )
    process = subprocess.run(
        [
            *(sys.executable, "-c", program, "evaluate"),
            *(f"--ratings={tmp_path}", f"--out={out}"),
        ],
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    assert "excluded: bb22 (b.json)" in process.stdout
    assert "50-25-25" in process.stdout
    assert "one listener: the intervals cover other sentences" in (
        process.stdout
    )
    table = json.loads((out / "ratings.json").read_text())
    assert table["mushra"]["excluded"] == [
        {
            "listener": "bb22",
            "file": "b.json",
            "trials": 1,
            "reference_below_90": 1,
        }
    ]
    first = table["mushra"]["systems"][0]
    assert (first["system"], first["score"]["mean"]) == ("recording", 97.5)
    assert first["opinion"]["mean"] == 1 + 97.5 / 25
    (pair,) = table["preference"]["pairs"]
    assert (pair["system"], pair["win"]["mean"]) == ("teacher", 0.5)
    assert pair["win"]["low"] < 0.5 < pair["win"]["high"]
