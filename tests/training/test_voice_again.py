"""The pretrained voice's commands, for minutes in place of hours."""

import shutil

import numpy as np
import pytest

from pwavenet_tf import cli, load_voice
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.evaluation.quality import measure_all

STEPS = 300


@pytest.mark.slow
def test_a_short_run_of_the_voice_lands_where_it_did(shared_data, tmp_path):
    """On a tenth of the corpus; see docs/voices/kathleen.md."""
    pytest.importorskip("pesq", reason="PESQ is not installed")
    folder = shared_data / "kathleen" / "wavs"
    if not folder.is_dir():
        pytest.skip("the recordings of kathleen are absent")
    (tmp_path / "in").mkdir()
    paths = sorted(folder.glob("*.flac"))
    held_out = [path for path in paths if path.stem[-3] == "7"]
    training = [path for path in paths if path.stem[-3] != "7"]
    for path in (*training[::10], *held_out[::16]):
        shutil.copy(path, tmp_path / "in")
    commands = [
        f"prepare --corpus={tmp_path}/in --out={tmp_path}/data --preset=small "
        "--conditioning=mel,pitch --validation_pattern=7_[0-9]",
        f"train-student --data={tmp_path}/data --out={tmp_path}/run "
        f"--steps={STEPS}",
    ]
    for command in commands:
        assert cli.main(command.split()) == 0
    voice = load_voice(tmp_path / "run" / "student.keras")
    found = []
    for _, audio, features in Corpus(tmp_path / "data").utterances(
        "validation"
    ):
        sound = voice({name: features[name] for name in ("mel", "sinusoids")})
        measured = measure_all(audio, sound[: len(audio)], 16_000, fast=True)
        found.append([measured["pesq_wide_band"], measured["stoi"]])
    pesq, stoi = np.mean(found, axis=0)
    print(f"PESQ {pesq:.3f}, STOI {stoi:.4f}")
    assert 2.2 < pesq < 2.5 and 0.945 < stoi < 0.957
