"""`pwavenet train-acoustic`: an acoustic model from a prepared corpus."""

import json

import noisy_glides
import numpy as np
import pytest
import tiny_models

from pwavenet_tf import cli
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.models.loading import load_acoustic_model, statistics_of
from pwavenet_tf.training import acoustic
from pwavenet_tf.training.acoustic import AcousticScores, AcousticTraining


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Six recordings with label files, prepared."""
    place = tmp_path_factory.mktemp("labelled")
    noisy_glides.write(place / "in", (8_345, 12_001, 9_000) * 2)
    arguments = [f"--corpus={place / 'in'}", f"--out={place / 'data'}"]
    inputs = "--conditioning=mel,linguistic,pitch"
    assert cli.main(["prepare", *arguments, inputs]) == 0
    return place / "data"


@pytest.mark.network
def test_it_trains_on_prepared_recordings(
    data, tmp_path, monkeypatch, capfd
) -> None:
    monkeypatch.setattr(
        acoustic, "AcousticConfig", lambda: tiny_models.ACOUSTIC_SIZES
    )
    monkeypatch.setattr(acoustic, "AcousticTraining", lambda: TRAINING)
    arguments = [f"--data={data}", f"--out={tmp_path / 'run'}", "--steps=2"]
    capfd.readouterr()
    assert cli.main(["train-acoustic", *arguments, "--seed=1"]) == 0
    shown = capfd.readouterr().out
    assert "acoustic: compiling the training step" in shown
    assert "step 2 of 2: " in shown
    scores = json.loads((tmp_path / "run" / "acoustic.json").read_text("utf-8"))
    decibels, held = scores["mel_decibels"], scores["recordings"]
    assert f"On {held} recordings held out the mel spectrogram is" in shown
    assert f"off by {decibels:.1f} dB" in shown
    corpus = Corpus(data)
    model = load_acoustic_model(tmp_path / "run" / "acoustic.keras")
    assert model.audio == corpus.contract
    assert model.phones == corpus.card.phones
    assert model.mean_pitch_hz == corpus.card.mean_pitch_hz
    assert np.ptp(model.band_gain) > 0
    # Again it has finished, and is not begun anew.
    assert cli.main(["train-acoustic", *arguments, "--seed=1"]) == 2
    line = capfd.readouterr().err
    assert line.count("\n") == 1
    assert "the run has finished after 2 steps; continue it with --st" in line
    # With it, and data of its statistics, another run starts from its weights.
    trained = tmp_path / "run" / "acoustic.keras"
    assert f"--initial={trained}" in line
    assert statistics_of(trained).phones == model.phones
    again = [f"--data={data}", f"--out={tmp_path / 'b'}", "--steps=1"]
    assert cli.main(["train-acoustic", *again, f"--initial={trained}"]) == 0


TRAINING = AcousticTraining(batch_size=2)


def test_it_prints_its_errors_and_the_next_command(
    data, tmp_path, monkeypatch, capsys
) -> None:
    scores = AcousticScores(3, 5.26, 1.04, 0.1, 17.6, 0.5, 1.0)
    given = []
    monkeypatch.setattr(
        acoustic,
        "train_acoustic",
        lambda *args, **named: given.append((args, named)) or (None, scores),
    )
    arguments = [f"--data={data}", f"--out={tmp_path}", "--steps=9"]
    assert cli.main(["train-acoustic", *arguments, "--seed=4"]) == 0
    ((_, out, steps), named) = given[0]
    assert (out, steps, named) == (tmp_path, 9, {"seed": 4, "initial": None})
    text = capsys.readouterr().out
    assert "off by 5.3 dB, F0 by 1.0 semitones and durations by 18 ms" in text
    assert f"The acoustic model is {tmp_path / 'acoustic.keras'}. Next:" in text
    command = text.splitlines()[-1]
    assert command.startswith("  pwavenet say '--text=Good morning.'")
    assert f"--model={tmp_path / 'student.keras'}" in command
    assert f"--acoustic_model={tmp_path / 'acoustic.keras'}" in command
