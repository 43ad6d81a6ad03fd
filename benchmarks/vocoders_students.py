"""Students of this package, untrained, for `vocoders.py`.

They synthesize in blocks: of a second in Keras, of 16 frames in a .tflite, as
the export makes them.
"""

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from vocoders import THREADS, Case, serve

from pwavenet_tf.cli.benchmark.peak_memory import frames_of, random_student
from pwavenet_tf.core.presets import preset
from pwavenet_tf.export.lite.card import with_card
from pwavenet_tf.export.lite.voice import LiteVoice
from pwavenet_tf.export.tflite import lite_content
from pwavenet_tf.models.inputs import random_features
from pwavenet_tf.models.operations import operations_per_sample
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.synthesis.student import Synthesizer

_BLOCK_FRAMES = 16
_PRESETS = ("nano", "small", "paper")

Synthesize = Callable[..., np.ndarray]


def cases(folder: Path) -> list[Case]:
    """Every route of every student; writes files."""
    found = []
    for name in _PRESETS:
        student = random_student(preset(name))
        rate, second = student.audio.sample_rate, frames_of(student, 1)
        routes = {
            "Keras": Synthesizer(student, second),
            "Keras, XLA": Synthesizer(student, second, jit_compile=True),
        }
        for variant in ("float32", "int8-dynamic"):
            path = folder / f"{name}-{variant}"
            routes[f"TFLite, {variant}"] = _lite(student, variant, path)
        for route, synthesize in routes.items():
            found.append(
                Case(
                    f"student, `{name}`",
                    route,
                    rate,
                    student.count_params(),
                    rate * operations_per_sample(student),
                    functools.partial(_prepare, student, synthesize),
                )
            )
    return found


def _lite(student: ParallelWaveNet, variant: str, path: Path) -> Synthesize:
    content, card = lite_content(student, variant, _BLOCK_FRAMES)
    path.write_bytes(with_card(content, card))
    return LiteVoice(path, threads=THREADS)


def _prepare(
    student: ParallelWaveNet, synthesize: Synthesize, seconds: int
) -> Callable[[], int]:
    features = random_features(
        student.audio, student.conditioning, 1, frames_of(student, seconds)
    )
    return lambda: synthesize(features, seed=1).size


def main() -> None:
    """Serves all."""
    with tempfile.TemporaryDirectory() as folder:
        serve(lambda: cases(Path(folder)))


if __name__ == "__main__":
    main()
