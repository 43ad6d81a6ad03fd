"""The health monitor under `fit`: what it measures and prints."""

import csv
import dataclasses
import math
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_models

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.distillation.distiller import Distiller
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.training.callbacks.health_monitor import HealthMonitor

FRAMES = 400
FLOWS = ((1, 2), (1, 2))


def new_distiller() -> Distiller:
    """A teacher with random weights and an untrained student."""
    keras.utils.set_random_seed(3)
    student = ParallelWaveNet(
        tiny_models.CONTRACT,
        tiny_models.COARSE,
        FLOWS,
        residual_channels=4,
        gate_channels=4,
    )
    made = Distiller(
        tiny_models.teacher(dilations=(1, 2), conditioning=tiny_models.COARSE),
        student,
        inner_samples=2,
        contrastive=0.0,
    )
    made.build()
    return made


def clips_of(student, batches: int = 2) -> list[tuple]:
    """Clips whose recordings are this student's output: it is healthy."""
    clips = []
    for seed in range(batches):
        inputs = {"mel": tiny_models.mel(2, FRAMES, seed)}
        audio = np.array(student(inputs)["audio"])
        weight = np.ones_like(audio)
        weight[:, :100] = 0.0
        # What does not count may be anything.
        audio[:, :100] = 5.0
        clips.append((inputs, audio, weight))
    return clips


@pytest.fixture(scope="module")
def watched():
    """A Distiller, its clips, and a monitor of it."""
    model = new_distiller()
    monitor = HealthMonitor(clips_of(model.student))
    monitor.set_model(model)
    return model, monitor


@pytest.fixture
def printed_of(watched, capsys):
    """Ends an epoch with a student as it was made faulty; what is printed.

    The student is mended afterwards.
    """
    model, monitor = watched
    weights = model.student.get_weights()

    def printed_after(spoil, **logs) -> str:
        spoil(model.student)
        monitor.on_epoch_begin(0)
        monitor.on_epoch_end(0, logs)
        return capsys.readouterr().out

    yield printed_after
    model.student.set_weights(weights)
    monitor.on_epoch_begin(0)
    monitor.on_epoch_end(0, {})
    assert monitor._faults == set()


def shift_scales(by: float):
    """A fault: the raw ln s of every flow, before its bounds, is shifted."""

    def spoil(student) -> None:
        for network in student.networks:
            bias = network.output_pair.bias
            bias.assign(bias + np.array([0.0, by], np.float32))

    return spoil


def shift_sound(student) -> None:
    bias = student.networks[-1].output_pair.bias
    bias.assign(bias + np.array([-0.03, 0.0], np.float32))


def nothing(student) -> None:
    pass


def faults(printed: str) -> set[str]:
    lines = printed.splitlines()
    assert all(line.startswith("health: ") for line in lines)
    return {line.removeprefix("health: ").split(":")[0] for line in lines}


@pytest.mark.network
def test_a_healthy_student_gets_no_warning(printed_of) -> None:
    assert printed_of(nothing, loss=1.0, val_kl=0.4, val_contrastive=1.0) == ""


def test_collapsed_scales_are_reported(printed_of) -> None:
    printed = printed_of(shift_scales(-30.0))
    assert {"collapse", "saturated", "whispering"} <= faults(printed)
    assert "collapse: 100% of the student's scales lie at the floor" in printed
    assert "saturated: flow 1 has 100% of its scales" in printed


def test_a_whispering_student_is_reported(printed_of) -> None:
    printed = printed_of(shift_scales(-0.85))
    assert faults(printed) == {"whispering"}
    # Two flows of e^-0.82 each, bounded softly.
    assert "the student's energy is 14 dB below the recordings'" in printed


def test_scales_that_run_away_are_reported(printed_of) -> None:
    printed = printed_of(shift_scales(30.0))
    assert {"scales run away", "saturated", "too loud"} <= faults(printed)
    assert "clipping" in printed


def test_an_offset_is_reported(printed_of) -> None:
    assert faults(printed_of(shift_sound)) == {"offset"}


def test_the_logs_terms_are_judged_too(printed_of) -> None:
    assert faults(printed_of(nothing, kl=0.5, val_kl=-1.0)) == {"negative KL"}
    assert faults(printed_of(nothing, val_power=math.nan)) == {
        "not finite",
        "negative KL has passed",
    }


def test_a_fault_is_reported_once_until_it_has_passed(printed_of) -> None:
    assert faults(printed_of(nothing, val_kl=-1.0)) == {"negative KL"}
    assert printed_of(nothing, val_kl=-2.0) == ""
    assert printed_of(nothing, val_kl=0.1) == "health: negative KL has passed\n"
    assert faults(printed_of(nothing, val_kl=-1.0)) == {"negative KL"}


def test_only_valid_samples_are_measured(watched) -> None:
    """Against the figures by hand, on the noise that the clips bring."""
    model, _ = watched
    clips = []
    for inputs, audio, weight in clips_of(model.student, 1):
        noise = tiny_models.noise(2, FRAMES, 5)
        clips.append((inputs | {"noise": noise}, audio, weight))
    monitor = HealthMonitor(clips)
    monitor.set_model(model)
    measured = monitor.measures()
    ((inputs, audio, weight),) = clips
    output = {key: np.array(v) for key, v in model.student(inputs).items()}
    own = output["audio"][:, 100:].astype("float64")
    assert measured["mean"] == pytest.approx(own.mean(), abs=1e-6)
    assert measured["deviation"] == pytest.approx(own.std(), rel=1e-5)
    assert measured["recorded_mean_absolute"] == pytest.approx(
        np.abs(audio[:, 100:]).mean(), rel=1e-5
    )
    assert measured["log_scale_50"] == pytest.approx(
        np.median(output["log_scale"][:, 100:]), abs=1e-5
    )
    assert measured["at_floor"] == 0.0
    assert measured["saturated_flow_1"] == measured["saturated_flow_2"] == 0.0


def test_the_noise_is_the_same_each_time(watched) -> None:
    _, monitor = watched
    assert monitor.measures() == monitor.measures()


def test_clips_without_a_valid_sample_are_refused() -> None:
    silence = np.zeros((1, 40), "float32")
    with pytest.raises(UserError, match="no valid sample"):
        HealthMonitor([({}, silence, silence)])


@dataclasses.dataclass
class Fitted:
    """A Distiller that was fitted for two epochs, and what was noted."""

    model: Distiller
    monitor: HealthMonitor | None
    raw: list[dict]
    history: dict


def fitted(log: Path, monitored: bool = True) -> Fitted:
    model = new_distiller()
    monitor = HealthMonitor(clips_of(new_distiller().student))
    raw = []

    def note_raw_weights(epoch, logs):
        if monitored:
            raw.append(monitor.measures())

    model.compile(
        keras.optimizers.Adam(0.02, use_ema=True, ema_momentum=0.9),
        jit_compile=False,
    )
    inputs = {"mel": tiny_models.mel(2, FRAMES)}
    recording = tiny_models.audio(2, FRAMES)
    data = tf.data.Dataset.from_tensors(
        (inputs, recording, np.ones_like(recording))
    )
    history = model.fit(
        data.repeat(),
        validation_data=data,
        steps_per_epoch=6,
        epochs=2,
        shuffle=False,
        callbacks=[
            *[monitor][:monitored],
            keras.callbacks.SwapEMAWeights(),
            keras.callbacks.LambdaCallback(on_epoch_end=note_raw_weights),
            keras.callbacks.CSVLogger(log),
        ],
        verbose=0,
    ).history
    return Fitted(model, monitor, raw, history)


def rows(log: Path) -> list[dict[str, str]]:
    with log.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[Fitted, Path]:
    log = tmp_path_factory.mktemp("fitted") / "student.csv"
    return fitted(log), log


@pytest.mark.network
def test_it_measures_the_averaged_weights(run) -> None:
    """`fit` leaves the averages of its last step in the model."""
    result, _ = run
    averaged = result.monitor.measures()
    for name, value in averaged.items():
        logged = result.history[f"health_{name}"]
        assert logged[-1] == pytest.approx(value, rel=1e-4, abs=1e-6), name
    assert result.raw[-1]["log_scale_50"] != pytest.approx(
        averaged["log_scale_50"], abs=0.01
    )


@pytest.mark.network
def test_its_figures_are_in_the_log_next_to_the_losses(run) -> None:
    result, log = run
    reports = rows(log)
    assert len(reports) == 2
    for row in reports:
        for name in result.monitor.measures():
            assert math.isfinite(float(row[f"health_{name}"]))
        assert math.isfinite(float(row["val_kl"]))


@pytest.mark.network
def test_the_monitor_does_not_change_training(run, tmp_path) -> None:
    """Other noise or clips would change weights by a thousandth and more.

    Not bit by bit: how sums are rounded depends on where memory lies.
    """
    result, _ = run
    alone = fitted(tmp_path / "alone.csv", monitored=False)
    for one, other in zip(
        result.model.student.get_weights(),
        alone.model.student.get_weights(),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


def test_a_distillation_is_watched_without_being_asked(tiny_run) -> None:
    (row,) = rows(tiny_run.student.with_suffix(".csv"))
    for name in ("level_db", "tilt", "band_above_6000_db", "log_scale_50"):
        assert math.isfinite(float(row[f"health_{name}"]))
