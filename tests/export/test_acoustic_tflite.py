"""The acoustic model as a .tflite computes what the model does."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile
import tiny_models
from tiny_run import contents

from pwavenet_tf import cli
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.uniforms import open_unit_interval, uniforms_at
from pwavenet_tf.export import file_voice
from pwavenet_tf.export.lite.acoustic import export_acoustic_tflite
from pwavenet_tf.export.lite.voice import LiteAcousticModel, LiteVoice
from pwavenet_tf.export.tflite import export_tflite
from pwavenet_tf.export.voices import load_voice
from pwavenet_tf.models.acoustic_model import AcousticConfig, AcousticModel
from pwavenet_tf.models.noise import NOISES
from pwavenet_tf.synthesis.speech import Speaker
from pwavenet_tf.synthesis.student import Synthesizer

pytest.importorskip("ai_edge_litert")
pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def model() -> AcousticModel:
    return tiny_models.acoustic_model()


@pytest.fixture(scope="module")
def file(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("lite") / "acoustic.tflite"
    assert export_acoustic_tflite(model, path) < 1e-4
    return path


@pytest.mark.parametrize("count", [1, 2, 23])
def test_any_number_of_phones_gives_the_models_features(model, file, count):
    ids = np.random.default_rng(count).integers(1, 4, (1, count), np.int32)
    factors = np.array([0.8], np.float32), np.array([1.3], np.float32)
    expected = model.generate(ids, *factors)
    found = LiteAcousticModel(file).generate(ids, *factors)
    np.testing.assert_array_equal(found["durations"], expected["durations"])
    for name in ("mel", "pitch"):
        np.testing.assert_allclose(
            found[name], expected[name], rtol=0, atol=1e-4
        )


def test_a_vocoder_speaks_its_features(model, file):
    vocoder = Synthesizer(
        tiny_models.student(audio=model.audio, conditioning=tiny_models.ON_MEL)
    )
    ids = np.array([3, 1, 2, 3], np.int32)
    expected = vocoder(Speaker(model, vocoder).features(ids))
    found = vocoder(Speaker(LiteAcousticModel(file), vocoder).features(ids))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)


def test_a_vocoder_and_an_acoustic_model_are_not_taken_for_each_other(file):
    with pytest.raises(UserError, match="holds an acoustic model"):
        LiteVoice(file)


def test_a_changed_byte_is_refused(file, tmp_path):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    damaged = tmp_path / "acoustic.tflite"
    damaged.write_bytes(content)
    with pytest.raises(UserError, match="export the student again"):
        LiteAcousticModel(damaged)


def test_a_model_with_nan_weights_leaves_no_file(tmp_path):
    model = tiny_models.acoustic_model()
    model.band_gain.assign(np.full(tiny_models.MELS, np.nan, np.float32))
    with pytest.raises(UserError, match="differs from the acoustic model"):
        export_acoustic_tflite(model, tmp_path / "acoustic.tflite")
    assert not contents(tmp_path)


# Runs a command where TensorFlow, Keras and what it names cannot be imported.
ALONE = """
import sys

from pwavenet_tf import cli

for name in ("tensorflow", "keras", *sys.argv[1].split()):
    assert name not in sys.modules
    sys.modules[name] = None
sys.exit(cli.main(sys.argv[2:]))
"""


def test_commands_export_it_and_say_by_it(tmp_path, capsys):
    """The pair of .tflite also where there is no TensorFlow.

    librosa, whose import takes longest of the rest, is for recordings alone.
    """
    pytest.importorskip("espeakng_loader")
    config = AcousticConfig(8, 3, 1, (1,), 8)
    phones = ("sil", *"ædɛfɡhiɪjklmnŋɑoʊpɹsʃtuvwzðθəɚʌbɔaᵻɐeɾʒ")
    model = AcousticModel(tiny_models.NORMALISED, phones, 150.0, config=config)
    model.build()
    model.save(tmp_path / "model.keras")
    student = tiny_models.student(audio=tiny_models.NORMALISED)
    student.save(tmp_path / "student.keras")
    lite = tmp_path / "acoustic.tflite"
    arguments = [f"--acoustic_model={tmp_path / 'model.keras'}"]
    arguments += ["--format=tflite", f"--out={lite}"]
    assert cli.main(["export", *arguments]) == 0
    assert "within" in capsys.readouterr().out
    spoken = []
    for file in (tmp_path / "model.keras", lite):
        out = tmp_path / f"{file.stem}.wav"
        arguments = [f"--acoustic_model={file}", f"--out={out}"]
        arguments += [f"--model={tmp_path / 'student.keras'}"]
        assert cli.main(["say", "Hello.", *arguments]) == 0
        spoken.append(soundfile.read(out)[0])
    np.testing.assert_allclose(*spoken, rtol=0, atol=1e-3)
    export_tflite(student, tmp_path / "voice.tflite", block_frames=4)
    arguments = [f"--model={tmp_path / 'voice.tflite'}"]
    mel = tmp_path / "mel.npy"
    np.save(mel, tiny_models.mel(1, 8)[0])
    again = f"--out={tmp_path / 'again'}"
    for without, command in (
        ("librosa", ["say", "Hello.", f"--out={tmp_path / 'lite.wav'}"]),
        ("librosa", ["synthesize", f"--input={mel}", again]),
        ("tensorflow_probability", ["synthesize", f"--input={out}", again]),
    ):
        alone = [sys.executable, "-c", ALONE, without, *command, *arguments]
        subprocess.run(alone, check=True)
    found = soundfile.read(tmp_path / "lite.wav")[0]
    np.testing.assert_allclose(found, spoken[1], rtol=0, atol=1e-3)
    assert len(soundfile.read(tmp_path / "again" / f"{out.stem}.wav")[0])
    # Another vocoder's, say: who gives features does not need it.
    lite.write_bytes(b"damaged")
    vocoder = load_voice(tmp_path / "voice.tflite")
    assert len(vocoder(np.zeros((4, tiny_models.MELS), np.float32)))
    with pytest.raises(UserError, match="is not a .tflite file"):
        vocoder.say("Hello.")


@pytest.mark.parametrize("name", NOISES)
def test_the_noise_without_keras_is_that_of_keras(name):
    uniforms = uniforms_at(3, 1, 0, 10_000)
    uniforms[0, :2] = 0.0, 1.0 - 2.0**-23
    expected = NOISES[name].from_uniforms(uniforms)
    found = file_voice._INVERSES[name](open_unit_interval(uniforms))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-6)
