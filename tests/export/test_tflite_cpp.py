"""docs/speak_lite.cc: C++ synthesizes with the .tflite as Keras does."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from repository import ROOT

from pwavenet_tf.synthesis.graph_uniforms import positional_uniforms
from pwavenet_tf.synthesis.student import Synthesizer

litert = pytest.importorskip(
    "ai_edge_litert", reason="ai-edge-litert is not installed"
)

from pwavenet_tf.export.tflite import export_tflite  # noqa: E402

SOURCE = ROOT / "docs" / "speak_lite.cc"
LIBRARY = Path(litert.__file__).parent / "libLiteRt.so"
FRAMES = 31

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(
        shutil.which("g++") is None, reason="there is no C++ compiler g++"
    ),
    pytest.mark.skipif(
        not LIBRARY.exists() or sys.platform != "linux",
        reason="ai-edge-litert brings no libLiteRt.so here",
    ),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    path = tmp_path_factory.mktemp("cpp") / "speak_lite"
    command = ["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", SOURCE]
    command += ["-o", path, LIBRARY, f"-Wl,-rpath,{LIBRARY.parent}"]
    subprocess.run(command, check=True)
    return path


@pytest.mark.parametrize("noise_family", ["logistic", "gaussian"])
def test_it_sounds_as_keras_does(program, tmp_path, noise_family) -> None:
    student = tiny_models.student(noise=noise_family)
    export_tflite(student, tmp_path / "voice.tflite", block_frames=4)
    mel = tiny_models.mel(1, FRAMES)
    mel.tofile(tmp_path / "mel.f32")
    # The last block reads noise beyond the end too.
    uniforms = positional_uniforms(5, 1, 0, (FRAMES + 1) * tiny_models.HOP)
    noise = student.noise_family.from_uniforms(uniforms).numpy()
    noise.tofile(tmp_path / "noise.f32")
    run = [program, "voice.tflite", "mel.f32", "audio.f32"]
    subprocess.run([*run, "noise.f32"], cwd=tmp_path, check=True)
    audio = np.fromfile(tmp_path / "audio.f32", np.float32)
    np.testing.assert_allclose(
        audio, Synthesizer(student)(mel, seed=5)[0], atol=2e-5
    )


@pytest.mark.parametrize("noise_family", ["logistic", "gaussian"])
def test_its_own_noise_is_of_the_students_family(
    program, tmp_path, noise_family
) -> None:
    """A voice that hands its noise on: x = s · z with a known ln s."""
    student = tiny_models.student(noise=noise_family)
    for network in student.networks:
        network.output_pair.kernel.assign(
            np.zeros(network.output_pair.kernel.shape)
        )
        network.output_pair.bias.assign([0.0, 0.0])
    export_tflite(student, tmp_path / "voice.tflite")
    frames = 2_000
    np.zeros((frames, tiny_models.MELS), np.float32).tofile(
        tmp_path / "mel.f32"
    )
    run = [program, "voice.tflite", "mel.f32", "audio.f32"]
    subprocess.run(run, cwd=tmp_path, check=True)
    audio = np.fromfile(tmp_path / "audio.f32", np.float32)
    scale = np.exp(sum(n.log_scale_centre for n in student.networks))
    noise = audio / scale
    assert noise.size == frames * tiny_models.HOP
    family = student.noise_family
    # Four standard errors of 40,000 samples.
    assert abs(noise.mean()) < 4 * family.std / np.sqrt(noise.size)
    assert noise.std() == pytest.approx(family.std, rel=0.03)
    tail = {"logistic": 2 / (1 + np.exp(4)), "gaussian": 6.334e-5}[noise_family]
    assert np.mean(np.abs(noise) > 4) == pytest.approx(tail, rel=0.1, abs=2e-4)


def test_a_file_of_another_kind_is_named(program, tmp_path) -> None:
    (tmp_path / "other.tflite").write_bytes(b"RIFF" * 99)
    done = subprocess.run(
        [program, "other.tflite", "mel.f32", "audio.f32"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "other.tflite fails with status" in done.stderr
