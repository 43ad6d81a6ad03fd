"""What a .tflite costs, and how close it is to its student.

Run as a module with a file and a number of frames, it synthesizes so many and
prints the peak memory that this takes.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pwavenet_tf.cli.benchmark.peak_memory import (
    figures_apart,
    frames_of,
    peak,
    peak_from_here,
    print_figures,
    random_student,
)
from pwavenet_tf.core.presets import preset
from pwavenet_tf.core.progress import Bar
from pwavenet_tf.export.lite.card import with_card
from pwavenet_tf.export.lite.gate import measured_quality
from pwavenet_tf.export.lite.voice import LiteVoice
from pwavenet_tf.export.tflite import VARIANTS, lite_content
from pwavenet_tf.models.backend import in_precision
from pwavenet_tf.models.inputs import (
    Features,
    random_features,
    require_features,
)
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.synthesis.student import Synthesizer

_BLOCK_FRAMES = 16
_THREADS = (1, 2)
_BLOCKS = 40
_SYNTHESIZED_SECONDS = 60


def measure_presets() -> dict[str, dict[str, dict[str, float]]]:
    """`nano`'s and `paper`'s students, untrained, on random features.

    Returns:
        By preset what `measure` returns.
    """
    figures = {}
    for name in ("nano", "paper"):
        figures[name] = measure(random_student(preset(name)))
    return figures


def measure(
    student: ParallelWaveNet, speech: Sequence[Features] = ()
) -> dict[str, dict[str, float]]:
    """Every variant of a student's .tflite, good or bad.

    Args:
        student: The student.
        speech: Features to synthesize for the comparison and to calibrate with;
            random features if there is none. See `export_tflite`.

    Returns:
        By variant: `bytes` of the file; `snr_db` and `log_spectral_distance_db`
        to the student in Keras, float32; a block's median time over its length
        in sound with one thread and with two, `real_time_1` and `real_time_2`;
        `peak_bytes`, by how much a fresh process grows that loads it and
        synthesizes a minute.
    """
    speech = [
        require_features(features, student.audio, student.conditioning)
        for features in speech
    ] or [
        random_features(
            student.audio, student.conditioning, 1, 4 * _BLOCK_FRAMES
        )
    ]
    calibrating, judging = speech[::2], speech[1::2] or speech
    synthesizer, figures = Synthesizer(in_precision(student, "float32")), {}
    with tempfile.TemporaryDirectory() as folder:
        for variant in Bar(VARIANTS, desc="tflite"):
            path = Path(folder) / f"{variant}.tflite"
            path.write_bytes(
                with_card(
                    *lite_content(student, variant, _BLOCK_FRAMES, calibrating)
                )
            )
            found = measured_quality(LiteVoice(path), synthesizer, judging)
            frames = frames_of(student, _SYNTHESIZED_SECONDS)
            memory = figures_apart(__name__, str(path), str(frames))
            figures[variant] = {
                "bytes": path.stat().st_size,
                "snr_db": found.snr_db,
                "log_spectral_distance_db": found.log_spectral_distance_db,
                **{
                    f"real_time_{threads}": _real_time(path, student, threads)
                    for threads in _THREADS
                },
                "peak_bytes": memory["bytes"],
            }
    return figures


class _Timed(LiteVoice):
    """Notes how long the graph takes, not Python and the noise around it."""

    def __init__(self, path: Path, threads: int) -> None:
        super().__init__(path, threads)
        self.seconds: list[float] = []

    def run(self, inputs: dict):
        started = time.perf_counter()
        output = super().run(inputs)
        self.seconds.append(time.perf_counter() - started)
        return output


def _real_time(path: Path, student: ParallelWaveNet, threads: int) -> float:
    timed = _Timed(path, threads)
    for _ in timed.chunks(
        random_features(
            student.audio, student.conditioning, 1, _BLOCKS * _BLOCK_FRAMES
        )
    ):
        pass
    block = _BLOCK_FRAMES * student.audio.hop_length
    # The first one prepares; the median, as others work on the machine too.
    return (
        float(np.median(timed.seconds[1:])) * student.audio.sample_rate / block
    )


def _peak_growth(path: str, frames: str) -> int:
    before = peak_from_here()
    synthesizer = LiteVoice(Path(path))
    mel = np.zeros((1, 1, synthesizer.contract.mels), np.float32)
    others = {
        "phones": np.zeros((1, 1, 3), np.int32),
        "timing": np.zeros((1, 1, 2), np.float32),
        "pitch": np.zeros((1, 1, 2), np.float32),
        "sinusoids": np.zeros((1, 1, 3), np.float32),
        "encoding": np.zeros(
            (1, 1, synthesizer.conditioning.encoding_channels), np.float32
        ),
        "speaker": np.zeros(1, np.int32),
    }
    parts = ({"mel": mel} | others for _ in range(int(frames)))
    for _ in synthesizer.stream(parts):
        pass
    return peak() - before


if __name__ == "__main__":
    print_figures(bytes=_peak_growth(*sys.argv[1:]))
