"""Training of a student by spectra: the loss, the run, the command."""

import csv
import dataclasses

import numpy as np
import pytest
import scipy.signal
import tiny_models
from tiny_run import tiny_preset, write_recordings

from pwavenet_tf import cli
from pwavenet_tf.core import presets
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.presets import preset
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.distillation.spectral import (
    RESOLUTIONS,
    SpectralTrainer,
    stft_loss,
)
from pwavenet_tf.models.loading import load_student
from pwavenet_tf.training.callbacks.progress import _panels, read_log
from pwavenet_tf.training.runs import spectral_training, train_student


def sounds(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0.0, 0.1, (2, 6_000))
    return noise.astype("float32")


def test_the_loss_is_that_of_scipys_spectra() -> None:
    """Equations 3 to 6 of 1910.11480, with SciPy's STFT."""
    audio, recording = sounds(0), 0.5 * sounds(1)
    convergence, log_magnitude = [], []
    for fft, window, hop in RESOLUTIONS:
        transform = scipy.signal.ShortTimeFFT(
            np.pad(
                scipy.signal.get_window("hann", window),
                ((fft - window) // 2, -(-(fft - window) // 2)),
            ),
            hop,
            fs=1,
            mfft=fft,
        )
        middle = slice(
            transform.lower_border_end[1],
            transform.upper_border_begin(audio.shape[1])[1],
        )
        X, Y = (
            np.abs(transform.stft(x.astype(float)))[..., middle]
            for x in (audio, recording)
        )
        convergence.append(np.linalg.norm(X - Y) / np.linalg.norm(Y))
        logs = np.log(X + 1e-4) - np.log(Y + 1e-4)
        log_magnitude.append(np.abs(logs).mean())
    found = stft_loss(audio, recording)
    # The frames do not begin at the same samples.
    np.testing.assert_allclose(found[0], np.mean(convergence), rtol=0.03)
    np.testing.assert_allclose(found[1], np.mean(log_magnitude), rtol=0.03)


def test_the_loss_is_zero_for_equal_sounds_only() -> None:
    audio = sounds(0)
    np.testing.assert_allclose(stft_loss(audio, audio), 0.0, atol=1e-6)
    for other in (sounds(1), 0.9 * audio, np.zeros_like(audio)):
        assert min(stft_loss(other, audio)) > 0.01


def small(**training):
    """The preset small with small models."""
    chosen, tiny = preset("small"), tiny_preset(**training)
    return dataclasses.replace(
        chosen,
        conditioning=dataclasses.replace(chosen.conditioning, channels=4),
        student=dataclasses.replace(
            chosen.student,
            flow_dilations=tiny.student.flow_dilations,
            residual_channels=8,
            gate_channels=8,
            source_taps=64,
        ),
    )


SETTINGS = dataclasses.replace(
    spectral_training(preset("small").audio), steps=30, clip_length=4_000
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A whole run: its data and its folder."""
    place = tmp_path_factory.mktemp("spectral")
    write_recordings(place / "in", 6)
    arguments = [f"--corpus={place / 'in'}", f"--out={place / 'data'}"]
    assert cli.main(["prepare", *arguments, "--preset=small"]) == 0
    train_student(
        Corpus(place / "data"), small(), place / "run", settings=SETTINGS
    )
    return place / "data", place / "run"


@pytest.mark.network
def test_a_run_lowers_the_loss_and_writes_student_log_and_chart(run) -> None:
    _, folder = run
    log = folder / "student.csv"
    rows = list(csv.DictReader(log.open()))
    losses = [float(row["val_loss"]) for row in rows]
    assert losses[-1] < losses[0]
    assert "sound_log_spectral_distance" in rows[0]
    assert "health_level_db" in rows[0]
    assert (folder / "progress.png").stat().st_size > 1_000
    titles = [panel.title for panel in _panels("student", read_log(log))]
    assert titles[:2] == ["spectral convergence", "ln magnitude"]
    assert load_student(folder / "student.keras").source_taps == 64


@pytest.mark.network
def test_distillation_starts_from_it(run, tmp_path) -> None:
    """Sizes, conditioning and contract are those that `distill` makes."""
    from pwavenet_tf.models.wavenet import WaveNet
    from pwavenet_tf.training.runs import distill

    data, folder = run
    corpus, tiny = Corpus(data), tiny_preset()
    settings = dataclasses.replace(
        small(),
        teacher=tiny.teacher,
        distillation=dataclasses.replace(tiny.distillation, steps=1),
    )
    student = load_student(folder / "student.keras")
    teacher = WaveNet.from_preset(
        settings, corpus.contract, student.conditioning
    )
    teacher.build()
    distilled = distill(
        corpus, teacher, settings, tmp_path / "run", initial=student
    )
    assert distilled.source_taps == student.source_taps
    for one, other in zip(
        student.get_weights(), distilled.get_weights(), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=0.02)


@pytest.mark.network
def test_prepare_names_it_as_the_next_command(run, tmp_path, capfd) -> None:
    data = tmp_path / "data"
    arguments = [f"--corpus={run[0].parent / 'in'}", f"--out={data}"]
    assert cli.main(["prepare", *arguments, "--preset=small"]) == 0
    shown = capfd.readouterr().out.splitlines()
    assert f"  pwavenet train-student --data={data} --out=RUN" in shown
    assert shown[-1].startswith(f"  pwavenet train-teacher --data={data} ")


@pytest.mark.network
def test_the_command_trains_on_prepared_data(
    run, tmp_path, monkeypatch, capfd
) -> None:
    monkeypatch.setattr(presets, "_PRESETS", (small(),))
    out = tmp_path / "run"
    arguments = [f"--data={run[0]}", f"--out={out}", "--steps=2"]
    arguments.append("--clip_length=4000")
    assert cli.main(["train-student", *arguments]) == 0
    shown = capfd.readouterr().out
    assert f"The student is {out / 'student.keras'}. Next:" in shown
    # It has finished, and is not begun anew.
    assert cli.main(["train-student", *arguments]) == 2
    assert "the run has finished after 2 steps" in capfd.readouterr().err


@pytest.mark.network
def test_the_source_filter_flow_is_trained_alone(
    run, tmp_path, monkeypatch
) -> None:
    """It changes, whatever else there is stays, and it continues so."""
    monkeypatch.setattr(presets, "_PRESETS", (small(),))
    first = run[1] / "student.keras"
    out = tmp_path / "run"
    arguments = [f"--data={run[0]}", f"--out={out}", f"--initial={first}"]
    arguments += ["--source_alone", "--steps=2", "--clip_length=4000"]
    assert cli.main(["train-student", *arguments]) == 0
    before, after = (
        load_student(path) for path in (first, out / "student.keras")
    )
    for one, other in zip(before.weights, after.weights, strict=True):
        unchanged = np.array_equal(one, other)
        assert unchanged != ("source_filter" in one.path), one.path
    assert after.trainable and len(after.trainable_variables) == len(
        before.trainable_variables
    )
    # Another run, not the continuation of it.
    others = [one for one in arguments if one != "--source_alone"]
    assert cli.main(["train-student", *others, "--steps=3"]) == 2


def test_a_student_without_a_source_filter_flow_is_refused() -> None:
    with pytest.raises(UserError, match="no source-filter flow"):
        SpectralTrainer(tiny_models.student(), source_alone=True)


def test_one_flow_is_the_first_of_all() -> None:
    """Its location and scale, before the others refine it."""
    student = tiny_models.student(**tiny_models.SOURCE)
    inputs = tiny_models.features(2, 3) | {"noise": tiny_models.noise(2, 3)}
    found = student(inputs, flows=1)
    conditioning = student.source(inputs["mel"], inputs["sinusoids"])
    location, log_scale = student.source.flow(inputs["noise"], **conditioning)
    np.testing.assert_allclose(found["location"], location, atol=1e-6)
    np.testing.assert_allclose(found["log_scale"], log_scale, atol=1e-6)
    assert not np.allclose(student(inputs)["audio"], found["audio"])


@pytest.mark.network
def test_clips_too_short_for_the_spectra_are_refused(run, tmp_path) -> None:
    short = dataclasses.replace(
        small(),
        student=dataclasses.replace(small().student, source_taps=2),
    )
    settings = dataclasses.replace(SETTINGS, clip_length=200)
    with pytest.raises(UserError, match="too short for spectra"):
        train_student(
            Corpus(run[0]), short, tmp_path / "run", settings=settings
        )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", presets.preset_names())
def test_usual_clips_are_of_whole_frames(name) -> None:
    contract = preset(name).audio
    length = spectral_training(contract).clip_length
    assert length % contract.hop_length == 0
    assert abs(length - 16_000) < contract.hop_length


def test_a_preset_without_a_student_is_refused(tmp_path) -> None:
    with pytest.raises(UserError, match="v1 has no student"):
        train_student(None, preset("v1"), tmp_path / "run")
