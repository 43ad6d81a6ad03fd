"""The SavedModel: what it takes, gives, and runs without."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tiny_models

from pwavenet_tf.errors import UserError
from pwavenet_tf.export.saved_model import export_saved_model
from pwavenet_tf.synthesis import Synthesizer

# Lengths in frames: one, part of a window, and several windows.
LENGTHS = (1, 7, 401)

SERVE = """
import sys
import numpy as np
import tensorflow as tf

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("pwavenet_tf", "keras"):
            raise ImportError(f"{name} may not be imported here")

sys.meta_path.insert(0, Refuse())
try:
    import pwavenet_tf
except ImportError:
    pass
else:
    sys.exit("pwavenet_tf could be imported")
folder, mels, sounds = sys.argv[1:]
serve = tf.saved_model.load(folder).signatures["serving_default"]
spoken = {}
for name, mel in np.load(mels).items():
    spoken[name] = serve(
        mel=tf.constant(mel),
        seed=tf.constant(3, tf.int64),
        temperature=tf.constant(0.8),
    )["audio"].numpy()
np.savez(sounds, **spoken)
"""


@pytest.fixture(scope="module")
def synthesizer():
    return Synthesizer(tiny_models.student())


@pytest.fixture(scope="module")
def version(synthesizer, tmp_path_factory):
    """The folder of the exported version."""
    out = tmp_path_factory.mktemp("served") / "deep"
    return export_saved_model(synthesizer.student, out)


@pytest.fixture(scope="module")
def serve(version):
    signature = tf.saved_model.load(str(version)).signatures["serving_default"]

    def call(mel, seed=0, temperature=1.0):
        return signature(
            mel=tf.constant(mel),
            seed=tf.constant(seed, tf.int64),
            temperature=tf.constant(temperature),
        )["audio"].numpy()

    call.signature = signature
    return call


def test_it_speaks_the_same_where_this_package_cannot_be_imported(
    version, synthesizer, tmp_path
):
    mels = {
        f"{batch} of {frames}": tiny_models.mel(batch, frames)
        for batch in (1, 3)
        for frames in LENGTHS
    }
    np.savez(tmp_path / "mels.npz", **mels)
    subprocess.run(
        [
            sys.executable,
            "-I",
            "-c",
            SERVE,
            version,
            tmp_path / "mels.npz",
            tmp_path / "sounds.npz",
        ],
        cwd=tmp_path,
        check=True,
    )
    sounds = np.load(tmp_path / "sounds.npz")
    for name, mel in mels.items():
        batch, frames, _ = mel.shape
        assert sounds[name].shape == (batch, frames * tiny_models.HOP)
        np.testing.assert_allclose(
            sounds[name], synthesizer(mel, seed=3, temperature=0.8), atol=1e-5
        )


def test_inputs_and_output_have_names_and_types(serve):
    _, inputs = serve.signature.structured_input_signature
    assert {
        name: (spec.shape.as_list(), spec.dtype)
        for name, spec in inputs.items()
    } == {
        "mel": ([None, None, tiny_models.MELS], tf.float32),
        "seed": ([], tf.int64),
        "temperature": ([], tf.float32),
    }
    ((name, output),) = serve.signature.structured_outputs.items()
    assert (name, output.dtype) == ("audio", tf.float32)


def test_the_seed_decides_the_sound(serve):
    mel = tiny_models.mel(frames=20)
    np.testing.assert_array_equal(serve(mel, seed=1), serve(mel, seed=1))
    assert np.abs(serve(mel, seed=1) - serve(mel, seed=2)).max() > 1e-3


def test_the_temperature_scales_the_noise(serve):
    mel = tiny_models.mel(frames=20)
    calm = serve(mel, 1, 0.0)
    np.testing.assert_array_equal(calm, serve(mel, 2, 0.0))
    spread = [
        np.std(serve(mel, 1, temperature) - calm) for temperature in (0.3, 0.9)
    ]
    assert 0 < spread[0] < spread[1]


def test_a_row_does_not_depend_on_its_batch(serve):
    mel = tiny_models.mel(batch=3, frames=20)
    np.testing.assert_allclose(serve(mel)[:1], serve(mel[:1]), atol=1e-6)


def test_the_contract_beside_it_is_the_students(version):
    text = (version / "assets.extra" / "contract.json").read_text("ascii")
    contract = dataclasses.asdict(tiny_models.CONTRACT)
    assert json.loads(text) == json.loads(json.dumps(contract))


def test_an_existing_version_is_kept(version, synthesizer):
    graph = (version / "saved_model.pb").read_bytes()
    with pytest.raises(UserError, match="1: already holds something"):
        export_saved_model(synthesizer.student, version.parent)
    assert (version / "saved_model.pb").read_bytes() == graph
    assert [path.name for path in version.parent.iterdir()] == ["1"]


def test_a_student_that_speaks_no_numbers_is_not_exported(tmp_path):
    student = tiny_models.student()
    bias = student.networks[-1].output_pair.bias
    bias.assign(np.full(bias.shape, np.nan, np.float32))
    with pytest.raises(UserError, match="differs from the student by nan"):
        export_saved_model(student, tmp_path / "served")
    assert list(tmp_path.iterdir()) == []


def test_a_student_that_is_told_more_than_the_mel_is_refused(tmp_path) -> None:
    student = tiny_models.student(conditioning=tiny_models.EVERYTHING)
    with pytest.raises(UserError, match="told mel, linguistic, pitch, speaker"):
        export_saved_model(student, tmp_path / "served")
    assert list(tmp_path.iterdir()) == []
