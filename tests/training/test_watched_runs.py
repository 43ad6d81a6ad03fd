"""What a run measures on held-out sound, its log and its chart."""

import csv
import math

import keras
import matplotlib.image
import numpy as np
import pytest
from tiny_run import RATE, tiny_preset

from pwavenet_tf.audio.metrics import log_spectral_distance
from pwavenet_tf.audio.sound_measures import BANDS
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.presets import preset
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.distillation.distiller import Distiller
from pwavenet_tf.models.loading import load_student, load_teacher
from pwavenet_tf.synthesis.graph_uniforms import positional_uniforms
from pwavenet_tf.synthesis.teacher import CachedSampler
from pwavenet_tf.training import fit as fitting
from pwavenet_tf.training.callbacks import held_out_sound
from pwavenet_tf.training.callbacks import progress as progress_chart
from pwavenet_tf.training.callbacks.held_out_sound import (
    HeldOutSound,
    measure_sound,
)
from pwavenet_tf.training.callbacks.progress import (
    ProgressChart,
    ReportLog,
    draw_progress,
    read_log,
)

CONTRACT = preset("nano").audio
SOUND = {
    "sound_log_spectral_distance",
    "sound_level_db",
    *(f"sound_band_{name}_db" for name in BANDS),
}


def noise(seed: int, seconds: float = 0.5) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(
        round(seconds * RATE)
    )


def test_half_the_amplitude_is_6_db_less_in_every_measure():
    recorded = [noise(0), noise(1, 1.0)]
    found = measure_sound(recorded, [0.5 * one for one in recorded], CONTRACT)
    half = 20 * math.log10(2)
    assert found.pop("log_spectral_distance") == pytest.approx(half, abs=1e-3)
    assert found == pytest.approx(dict.fromkeys(found, -half), abs=1e-3)
    assert {f"sound_{name}" for name in found} == SOUND - {
        "sound_log_spectral_distance"
    }


def clips(corpus, model, number, seconds):
    settings = tiny_preset(batch_size=2).teacher_training
    shape = fitting.clip_shape(corpus, settings, model.receptive_field)
    return fitting._full_clips(corpus, shape, seconds, number)


@pytest.fixture
def corpus(tiny_run) -> Corpus:
    return Corpus(tiny_run.data)


@pytest.fixture
def distiller(tiny_run) -> Distiller:
    teacher = load_teacher(tiny_run.teacher)
    model = Distiller(teacher, load_student(tiny_run.student))
    model.build()
    return model


def watched(model, clips, callback=None, seconds=10_000.0) -> dict[str, float]:
    """What the callback puts into the logs of an epoch that took so long."""
    callback, logs = callback or HeldOutSound(clips), {}
    callback.set_model(model)
    callback.on_epoch_begin(0)
    callback.on_train_batch_end(0)
    callback._first -= seconds
    callback.on_test_end()
    callback.on_epoch_end(0, logs)
    return logs


def test_a_student_is_measured_on_the_clips_and_draws_nothing_else(
    distiller, corpus
):
    student = distiller.student
    held_out = clips(corpus, student, 2, 0.2)
    before = [np.array(one) for one in distiller.variables]
    found = watched(distiller, held_out)
    assert set(found) == SOUND
    for one, other in zip(before, distiller.variables, strict=True):
        np.testing.assert_array_equal(one, np.array(other))
    distances = []
    for inputs, audio, weight in held_out:
        uniforms = positional_uniforms(0, 1, 0, audio.shape[1])
        given = student.noise_family.from_uniforms(uniforms)
        made = np.asarray(student(inputs | {"noise": given})["audio"])
        made = np.clip(made, -1.0, 32_767 / 32_768)
        inside = weight > 0
        distances.append(
            log_spectral_distance(audio[inside], made[inside], CONTRACT)
        )
    expected = np.mean(distances)
    assert found["sound_log_spectral_distance"] == pytest.approx(expected)
    assert watched(distiller, held_out) == found


def test_a_teacher_is_sampled_where_there_is_time(tiny_run, corpus):
    teacher = load_teacher(tiny_run.teacher)
    held_out = clips(corpus, teacher, 1, 0.2)
    found = watched(teacher, held_out)
    assert set(found) == SOUND
    ((inputs, audio, weight),) = held_out
    start = int(np.flatnonzero(weight[0])[0])
    recorded = audio[weight > 0]
    frames = CONTRACT.frames(len(recorded))
    first = start // CONTRACT.hop_length
    mel = inputs["mel"][:, first : first + frames]
    sampled = CachedSampler(teacher, jit_compile=False)({"mel": mel}, 0)[0]
    assert found["sound_log_spectral_distance"] == pytest.approx(
        log_spectral_distance(recorded, sampled[: len(recorded)], CONTRACT),
        abs=0.01,
    )


def test_a_teacher_is_left_out_where_sampling_would_take_too_long(
    tiny_run, corpus, capsys, monkeypatch
):
    """Reported once; the names are there all the same."""
    teacher = load_teacher(tiny_run.teacher)
    held_out = clips(corpus, teacher, 1, 0.2)
    callback = HeldOutSound(held_out)
    assert set(watched(teacher, held_out, callback, 9.0)) == SOUND
    # So little time is not worth a word.
    assert not capsys.readouterr().out
    monkeypatch.setattr(held_out_sound, "_LEAST_SECONDS", 0.0)
    # A budget of a hundredth of a second.
    monkeypatch.setattr(held_out_sound, "SHARE", 1e-4)
    for _ in range(2):
        logs = watched(teacher, held_out, callback, 100.0)
    assert set(logs) == SOUND
    assert all(math.isnan(value) for value in logs.values())
    assert capsys.readouterr().out.count("is not measured: sampling it") == 1


def test_sound_that_is_not_finite_is_not_measured(distiller, corpus):
    bias = distiller.student.networks[0].output_pair.bias
    bias.assign(np.full(bias.shape, np.nan, np.float32))
    found = watched(distiller, clips(corpus, distiller.student, 1, 0.2))
    assert set(found) == SOUND
    assert all(math.isnan(value) for value in found.values())


def test_clips_are_asked_for():
    with pytest.raises(UserError, match="no held-out clips were given"):
        HeldOutSound([])


def test_whole_runs_have_the_columns_from_the_first_report(tiny_run):
    for model in (tiny_run.teacher, tiny_run.student):
        with model.with_suffix(".csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert rows and SOUND | {"step", "seconds"} <= set(rows[0])
        assert None not in rows[0]
        # Reports that come every moment leave no time for a teacher's.
        measured = [float(row["sound_level_db"]) for row in rows]
        assert all(map(math.isfinite, measured)) == (model.stem == "student")
        times = [float(row["seconds"]) for row in rows]
        assert times == sorted(times)


def fit(folder, append: bool, *more, epochs: int = 2) -> None:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    log = ReportLog(folder / "teacher.csv", append)
    x = np.ones((4, 1))
    model.fit(
        x, x, batch_size=2, epochs=epochs, verbose=0, callbacks=[*more, log]
    )


def test_a_log_that_is_continued_keeps_its_columns_and_its_time(tmp_path):
    """Behind a line that was cut off, with other logs than before."""
    log = tmp_path / "teacher.csv"
    log.write_text("epoch,loss,seconds,step\r\n0,0.5,100.0,2\r\n1,0.")
    more = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda _, logs: logs.update(another=1.0)
    )
    fit(tmp_path, True, more)
    lines = log.read_text().splitlines()
    assert lines[:3] == ["epoch,loss,seconds,step", "0,0.5,100.0,2", "1,0."]
    rows = read_log(log)
    assert [row["step"] for row in rows] == [2, 2, 4]
    assert all(100 <= row["seconds"] < 200 for row in rows)
    fit(tmp_path, False)
    assert [row["step"] for row in read_log(log)] == [2, 4]
    assert read_log(log)[0]["seconds"] < 100


def rows_of(name: str, count: int) -> str:
    columns = {
        "teacher": ("nats", "val_nats"),
        "student": ("kl", "val_kl", "power", "val_power"),
    }[name]
    names = ["epoch", *columns, *sorted(SOUND), "step", "seconds"]
    lines = [",".join(names)]
    for row in range(1, count + 1):
        values = [str(8 / row)] * (len(columns) + len(SOUND))
        lines.append(f"{row - 1},{','.join(values)},{100 * row},{60 * row}")
    return "\n".join(lines) + "\n"


def test_one_chart_shows_all_runs_of_the_folder(tmp_path):
    assert draw_progress(tmp_path) is None
    (tmp_path / "teacher.csv").write_text(rows_of("teacher", 5))
    one = matplotlib.image.imread(draw_progress(tmp_path))
    (tmp_path / "student.csv").write_text(rows_of("student", 1))
    both = matplotlib.image.imread(draw_progress(tmp_path))
    assert both.shape[0] == 2 * one.shape[0]
    assert [path.name for path in tmp_path.iterdir() if "png" in path.name] == [
        "progress.png"
    ]


def test_panels_draw_the_values_of_the_log_over_its_steps(tmp_path):
    (tmp_path / "student.csv").write_text(rows_of("student", 4))
    rows = read_log(tmp_path / "student.csv")
    figure = progress_chart._figure({"student": rows})
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == [
        "student: KL",
        "student: power loss",
        "student: log-spectral distance, held out",
        "student: level over the recordings', held out",
    ]
    held_out = figure.axes[0].lines[1]
    assert held_out.get_label() == "held out"
    np.testing.assert_allclose(held_out.get_xdata(), [100, 200, 300, 400])
    np.testing.assert_allclose(held_out.get_ydata(), 8 / np.arange(1, 5))
    label = figure.axes[0].xaxis.get_major_formatter()
    assert label(200, 0) == "200\n2 min"
    assert label(500, 0) == "500\n"


def test_the_panel_says_what_was_never_measured(tmp_path):
    (tmp_path / "teacher.csv").write_text("epoch,nats,step\n0,5.0,10\n")
    figure = progress_chart._figure(
        {"teacher": read_log(tmp_path / "teacher.csv")}
    )
    texts = [[one.get_text() for one in axes.texts] for axes in figure.axes]
    assert texts == [[], ["not measured"], ["not measured"]]


def test_a_chart_that_cannot_be_written_ends_no_run(tmp_path, capsys):
    (tmp_path / "progress.png").mkdir()
    (tmp_path / "progress.png" / "file").write_text("")
    chart = ProgressChart(tmp_path)
    fit(tmp_path, False)
    chart.on_train_begin()
    for epoch in range(2):
        chart.on_epoch_end(epoch)
        chart.on_train_end()
    printed = capsys.readouterr().out
    assert printed.count("no chart of the progress: ") == 1
    assert "progress.png: cannot be written" in printed


def test_a_run_leaves_its_chart(tiny_run):
    picture = tiny_run.teacher.with_name("progress.png")
    assert matplotlib.image.imread(picture).shape[0] > 400
