"""Training of the acoustic model: resumption, variance, scores."""

import dataclasses
import io
import json
import zipfile
from types import SimpleNamespace

import h5py
import keras
import numpy as np
import pytest
import tiny_models

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.phone_sequences import PhoneSequences
from pwavenet_tf.corpus.phones.phones import Phone, phone_frames
from pwavenet_tf.models.acoustic_model import AcousticModel
from pwavenet_tf.models.loading import load_acoustic_model
from pwavenet_tf.training import fit as fitting
from pwavenet_tf.training.acoustic import (
    AcousticTraining,
    acoustic_scores,
    band_gain,
    train_acoustic,
)
from pwavenet_tf.training.callbacks import checkpoint

CONTRACT = tiny_models.NORMALISED
PHONES = ("sil", "a", "b")
TRAINING = AcousticTraining(steps=6, batch_size=2, learning_rate=1e-2)


def utterances(split: str):
    """Phones of some frames; mel spectrogram and pitch are noise."""
    hop = CONTRACT.hop_length / CONTRACT.sample_rate
    random = np.random.default_rng(len(split))
    for number in range(5 if split == "training" else 3):
        lengths = random.integers(1, 7, 4)
        ends = np.cumsum(lengths) * hop
        phones = [
            Phone(*one)
            for one in zip("abab", ends - lengths * hop, ends, strict=True)
        ]
        frames = lengths.sum()
        ids = {symbol: 1 + place for place, symbol in enumerate(PHONES)}
        voiced = random.integers(0, 2, frames)
        pitch = np.stack([random.normal(0, 0.2, frames), voiced], axis=1)
        mel = random.normal(size=(frames, CONTRACT.mels))
        yield (
            f"{number}.wav",
            None,
            phone_frames(phones, ids, frames, CONTRACT)
            | {"mel": mel.astype("f"), "pitch": pitch.astype("f")},
        )


CORPUS = SimpleNamespace(
    card=SimpleNamespace(phones=PHONES, mean_pitch_hz=150.0, language="en-us"),
    contract=CONTRACT,
    utterances=utterances,
)


def train(out, seed: int = 0):
    sizes = dataclasses.replace(tiny_models.ACOUSTIC_SIZES, dropout=0.2)
    return train_acoustic(CORPUS, out, None, sizes, TRAINING, seed)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A whole run: its folder, its model and its scores."""
    out = tmp_path_factory.mktemp("run")
    return out, *train(out)


@pytest.fixture(scope="module")
def held():
    return PhoneSequences(CORPUS).utterances("validation")


@pytest.mark.slow
def test_a_stopped_run_ends_with_the_weights_of_a_whole_one(
    run, tmp_path, monkeypatch
) -> None:
    """Bit for bit: what dropout leaves out resumes as well."""
    monkeypatch.setattr(checkpoint, "SECONDS_BETWEEN", 0.0)
    callbacks = fitting._callbacks

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if checkpoint.step_of(self.model) == 4:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(
            fitting, "_callbacks", lambda *given: [*callbacks(*given), Stop()]
        )
        train(tmp_path)
    assert not (tmp_path / "acoustic.keras").exists()
    keras.utils.set_random_seed(9)
    model, scores = train(tmp_path)
    _, whole, expected = run
    for one, other in zip(
        model.get_weights(), whole.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert scores == expected


@pytest.mark.network
def test_a_run_writes_the_model_its_log_and_its_scores(run) -> None:
    out, model, scores = run
    assert sorted(path.name for path in out.iterdir()) == [
        "acoustic.backup",
        "acoustic.csv",
        "acoustic.json",
        "acoustic.keras",
        "progress.png",
    ]
    written = json.loads((out / "acoustic.json").read_text("utf-8"))
    assert written == dataclasses.asdict(scores)
    loaded = load_acoustic_model(out / "acoustic.keras")
    with zipfile.ZipFile(out / "acoustic.keras") as archive:
        weights = io.BytesIO(archive.read("model.weights.h5"))
    assert "optimizer" not in h5py.File(weights)
    for one, other in zip(
        loaded.get_weights(), model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert (model.phones, model.mean_pitch_hz) == (PHONES, 150.0)
    header, *rows = (out / "acoustic.csv").read_text("utf-8").splitlines()
    terms = {"loss", "mel", "duration", "pitch", "voicing", "energy"}
    assert terms | {f"val_{one}" for one in terms} <= set(header.split(","))
    assert len(rows) == 6


@pytest.mark.network
def test_scores_are_those_of_the_averaged_weights_on_held_out_speech(
    run, held
) -> None:
    _, model, scores = run
    assert scores.recordings == len(held) == 3
    assert acoustic_scores(model, held) == scores
    training = PhoneSequences(CORPUS).utterances("training")
    assert acoustic_scores(model, training) != scores


@pytest.mark.network
def test_a_run_begins_with_the_weights_of_the_initial_model(
    run, tmp_path
) -> None:
    """At a rate of almost nothing they are still there."""
    _, trained, _ = run
    sizes = dataclasses.replace(tiny_models.ACOUSTIC_SIZES, dropout=0.2)
    slow = AcousticTraining(steps=1, batch_size=2, learning_rate=1e-9)
    model, _ = train_acoustic(
        CORPUS, tmp_path, None, sizes, slow, 5, initial=trained
    )
    np.testing.assert_allclose(
        model.embedding.get_weights()[0],
        trained.embedding.get_weights()[0],
        atol=1e-7,
    )


@pytest.mark.network
@pytest.mark.parametrize(
    "change, named",
    [
        ({"phones": ("sil", "a", "c")}, "phones \\(b c\\)"),
        # Without the dropout of the run.
        ({"config": tiny_models.ACOUSTIC_SIZES}, "sizes"),
    ],
)
def test_an_initial_model_of_another_kind_is_refused(
    run, tmp_path, change, named
) -> None:
    _, trained, _ = run
    other = AcousticModel.from_config(trained.get_config() | change)
    other.build()
    with pytest.raises(UserError, match=f"has other {named}"):
        train_acoustic(CORPUS, tmp_path, None, trained.config, initial=other)
    assert not (tmp_path / "acoustic.keras").exists()


def output_of(model, one) -> dict[str, np.ndarray]:
    """What a model makes of an utterance, by itself."""
    output = model({name: value[None] for name, value in one.items()})
    return {name: np.float64(value[0]) for name, value in output.items()}


@pytest.mark.network
def test_the_gain_gives_each_band_the_variance_of_the_recordings(
    held,
) -> None:
    model = tiny_models.acoustic_model()
    model.band_gain.assign(band_gain(model, held))
    recorded = np.mean([one["mel"].var(axis=0) for one in held], axis=0)
    sharpened = [
        np.var(model.sharpened(output_of(model, one)["mel"]), axis=0)
        for one in held
    ]
    np.testing.assert_allclose(np.mean(sharpened, axis=0), recorded, rtol=1e-4)
    assert np.ptp(model.band_gain) > 0.1


def test_scores_are_the_errors_of_their_definitions(held) -> None:
    model = tiny_models.acoustic_model()
    gain = np.linspace(0.5, 2.0, CONTRACT.mels)
    model.band_gain.assign(gain)
    found = acoustic_scores(model, held)
    errors = {field.name: [] for field in dataclasses.fields(found)}
    for one in held:
        output = output_of(model, one)
        # Natural logarithms of magnitudes, in decibels.
        levels = (
            20 * np.log10(np.exp(mel * CONTRACT.mel_deviation))
            for mel in (one["mel"].astype(np.float64), output["mel"])
        )
        errors["mel_decibels"].append(np.abs(np.subtract(*levels)).ravel())
        value, voiced = one["pitch"].T
        heard = output["voicing"] > 0
        errors["voicing_error"].append(heard != (voiced > 0))
        octaves = (value - output["pitch"])[heard & (voiced > 0)] / np.log(2)
        errors["pitch_semitones"].append(12 * np.abs(octaves))
        frames = np.round(np.exp(output["log_duration"]))
        hop_ms = 1_000 * CONTRACT.hop_length / CONTRACT.sample_rate
        errors["duration_milliseconds"].append(
            hop_ms * np.abs(frames - one["durations"])
        )
        ratio = output["mel"].var(axis=0) / one["mel"].var(axis=0)
        errors["variance"].append(ratio)
        errors["variance_sharpened"].append(gain**2 * ratio)
    del errors["recordings"]
    for name, parts in errors.items():
        expected = np.concatenate(parts).mean()
        assert getattr(found, name) == pytest.approx(expected, abs=1e-3), name


def test_what_cannot_be_measured_spoils_no_other_score(held) -> None:
    """No frame that is voiced in both, a band that is constant."""
    model = tiny_models.acoustic_model()
    bias = model.output_projection.bias.numpy()
    bias[-1] = -100.0
    model.output_projection.bias.assign(bias)
    constant = [one | {"mel": one["mel"].copy()} for one in held]
    for one in constant:
        one["mel"][:, 2] = -1.5
    found = acoustic_scores(model, constant)
    assert np.isnan(found.pitch_semitones)
    others = dataclasses.replace(found, pitch_semitones=0.0)
    assert np.isfinite(dataclasses.astuple(others)).all()
