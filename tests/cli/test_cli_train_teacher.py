"""The flags of `pwavenet train-teacher` determine the saved teacher."""

import dataclasses

import numpy as np
import pytest
from absl import flags
from tiny_run import tiny_preset, write_recordings

from pwavenet_tf import cli
from pwavenet_tf.cli.commands import train_teacher
from pwavenet_tf.core.presets import preset
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.models.loading import load_teacher
from pwavenet_tf.models.wavenet import WaveNet


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Data that hold the pitch in addition to the mel spectrogram."""
    folder = tmp_path_factory.mktemp("pitched")
    write_recordings(folder / "in", 3)
    places = [f"--corpus={folder / 'in'}", f"--out={folder / 'data'}"]
    assert cli.main(["prepare", *places, "--conditioning=pitch, mel"]) == 0
    return folder / "data"


def settings_for(data, *arguments):
    """The settings that the command trains with."""
    values = flags.FlagValues()
    train_teacher.define_flags(values)
    places = [f"--data={data}", f"--out={data.parent / 'run'}"]
    values(["train-teacher", *places, *arguments])
    return train_teacher._settings(values)


@pytest.mark.parametrize("name", ["nano", "v1", "paper"])
def test_without_flags_the_preset_decides(data, name):
    assert settings_for(data, f"--preset={name}") == preset(name)


@pytest.mark.network
@pytest.mark.parametrize(
    ("arguments", "head", "inputs", "upsampling"),
    [
        (["--head=gaussian"], "gaussian", ("mel",), (10, 20)),
        (["--head=mu_law"], "mu_law", ("mel",), (10, 20)),
        (["--upsampling=repetition"], "mixture_of_logistics", ("mel",), ()),
        (["--conditioning=none"], "mixture_of_logistics", (), (10, 20)),
        (
            ["--conditioning=pitch, mel,pitch", "--head=gaussian"],
            "gaussian",
            ("mel", "pitch"),
            (10, 20),
        ),
        (
            ["--preset=v1", "--conditioning=pitch", "--upsampling=learned"],
            "mu_law",
            ("pitch",),
            (8, 10),
        ),
    ],
)
def test_each_flag_reaches_the_network(
    data, arguments, head, inputs, upsampling
):
    settings = settings_for(data, *arguments)
    conditioning = Corpus(data).conditioning(settings.conditioning)
    teacher = WaveNet.from_preset(settings, settings.audio, conditioning)
    channels = {"gaussian": 2, "mu_law": 256, "mixture_of_logistics": 30}
    assert teacher.output_parameters.units == channels[head]
    assert teacher.conditioning.inputs == inputs
    upsampler = teacher.conditioner.upsampler
    assert (upsampler is not None) == bool(upsampling and inputs)
    assert teacher.conditioning.upsampling == upsampling


def test_training_flags_reach_the_settings(data):
    flags = ["batch_size=7", "learning_rate=0.5", "clip_length=400"]
    settings = settings_for(
        data, "--report_every=9", *(f"--{flag}" for flag in flags)
    )
    assert settings.teacher_training == dataclasses.replace(
        preset("nano").teacher_training,
        batch_size=7,
        learning_rate=0.5,
        clip_length=400,
        report_every=9,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "inputs", "channels", "following"),
    [
        # No student can be distilled from codes.
        (["--head=mu_law", "--conditioning=none"], (), 256, "evaluate"),
        (
            [
                "--head=gaussian",
                "--upsampling=repetition",
                "--conditioning=pitch,mel",
            ],
            ("mel", "pitch"),
            2,
            "distill",
        ),
    ],
)
def test_the_saved_teacher_is_what_was_asked_for(
    data, arguments, inputs, channels, following, tmp_path, monkeypatch, capsys
):
    """Trained for a step, at a tiny size."""
    monkeypatch.setattr(train_teacher, "preset", lambda _: tiny_preset())
    out = tmp_path / "run"
    places = [f"--data={data}", f"--out={out}", "--steps=1"]
    assert cli.main(["train-teacher", *places, *arguments]) == 0
    assert f"\n  pwavenet {following} --" in capsys.readouterr().out
    teacher = load_teacher(out / "teacher.keras")
    assert teacher.output_parameters.units == channels
    assert teacher.conditioning.inputs == inputs
    assert teacher.conditioner.upsampler is None
    if inputs:
        # 80 mel bands, log F0 and voicing.
        assert teacher.conditioner.series_channels == 82
        mean_pitch_hz = Corpus(data).card.mean_pitch_hz
        assert 90 < mean_pitch_hz == teacher.conditioning.mean_pitch_hz < 200
    else:
        assert not teacher.conditioner.weights
    assert all(np.isfinite(one).all() for one in teacher.get_weights())


@pytest.mark.parametrize(
    ("strategy", "words"),
    [("multiworker", "TF_CONFIG is not set"), ("tpu", "no TPU is found")],
)
def test_machines_that_are_not_there_end_in_one_line(
    data, strategy, words, capsys, monkeypatch
):
    for name in ("TF_CONFIG", "TPU_NAME"):
        monkeypatch.delenv(name, raising=False)
    run = data.parent / "nowhere"
    places = [f"--data={data}", f"--out={run}", f"--strategy={strategy}"]
    assert cli.main(["train-teacher", *places]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1
    assert not run.exists()
