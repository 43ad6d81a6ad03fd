"""What a .tflite costs, and how close it is to its student.

Run as a module with a file and a number of frames, it synthesizes so many and
prints the peak memory that this takes.
"""

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pwavenet_tf.cli.benchmark.machine import cores
from pwavenet_tf.cli.benchmark.peak_memory import (
    figures_apart,
    frames_of,
    peak,
    peak_from_here,
    print_figures,
    random_student,
)
from pwavenet_tf.cli.benchmark.rows import Row
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.presets import preset
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
from pwavenet_tf.models.operations import operations_per_sample
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.synthesis.student import Synthesizer

_BLOCK_FRAMES = 16
_BLOCKS = 40
_SYNTHESIZED_SECONDS = 60


def measure(quick: bool) -> Iterator[Row]:
    """Every variant of untrained students, on random features."""
    for name in ("nano",) if quick else ("nano", "paper"):
        try:
            yield from measure_variants(random_student(preset(name)), name)
        except UserError as error:
            yield Row(name, (), note=f"not measured: {error}")


def measure_variants(
    student: ParallelWaveNet, name: str, speech: Sequence[Features] = ()
) -> Iterator[Row]:
    """Every variant of a student's .tflite, good or bad.

    Args:
        student: The student.
        name: Its name in the rows.
        speech: Features to synthesize for the comparison and to calibrate with;
            random features if there is none. See `export_tflite`.

    Yields:
        For each variant: the size of the file; its signal over the difference
        to the student in Keras, float32, and the log-spectral distance between
        them; the time of a block with one thread and with all; how much a fresh
        process grows that loads it and synthesizes a minute.
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
    synthesizer = Synthesizer(in_precision(student, "float32"))
    frames = str(frames_of(student, _SYNTHESIZED_SECONDS))
    with tempfile.TemporaryDirectory() as folder:
        for variant in VARIANTS:
            setting = f"{name}, {variant}"
            path = Path(folder) / f"{variant}.tflite"
            content = lite_content(student, variant, _BLOCK_FRAMES, calibrating)
            path.write_bytes(with_card(*content))
            yield Row(f"{setting}, size", (path.stat().st_size,), "bytes")
            found = measured_quality(LiteVoice(path), synthesizer, judging)
            yield Row(f"{setting}, SNR", (found.snr_db,), "dB")
            distance = found.log_spectral_distance_db
            yield Row(f"{setting}, log-spectral distance", (distance,), "dB")
            for threads in dict.fromkeys((1, cores())):
                yield _block(path, student, setting, threads)
            grown = figures_apart(__name__, str(path), frames)["bytes"]
            yield Row(f"{setting}, memory", (grown,), "bytes")


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


def _block(
    path: Path, student: ParallelWaveNet, setting: str, threads: int
) -> Row:
    timed, frames = _Timed(path, threads), _BLOCKS * _BLOCK_FRAMES
    for _ in timed.chunks(
        random_features(student.audio, student.conditioning, 1, frames)
    ):
        pass
    samples = _BLOCK_FRAMES * student.audio.hop_length
    return Row(
        f"{setting}, block, {threads} thread{'s' * (threads > 1)}",
        # The first one prepares.
        tuple(timed.seconds[1:]),
        sound=samples / student.audio.sample_rate,
        operations=samples * operations_per_sample(student),
    )


def _peak_growth(path: str, frames: str) -> int:
    before = peak_from_here()
    voice = LiteVoice(Path(path))
    frame = random_features(voice.contract, voice.conditioning, 1, 1)
    for _ in voice.stream(frame for _ in range(int(frames))):
        pass
    return peak() - before


if __name__ == "__main__":
    print_figures(bytes=_peak_growth(*sys.argv[1:]))
