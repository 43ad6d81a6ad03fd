"""The student as a .tflite, for phones and other small machines."""

import dataclasses
import functools
import itertools
import math
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from pwavenet_tf.core.checksum import STATED, append_checksum
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.files import atomic_write
from pwavenet_tf.core.imports import hold_back_stderr
from pwavenet_tf.export.card import model_card
from pwavenet_tf.export.graphs.block import BlockGraph
from pwavenet_tf.export.lite.card import MOST_FRAMES, VARIANTS, with_card
from pwavenet_tf.export.lite.gate import Quality, require_quality
from pwavenet_tf.export.lite.voice import SIGNATURE, LiteVoice
from pwavenet_tf.models.backend import in_precision
from pwavenet_tf.models.inputs import (
    Features,
    batch_and_frames,
    random_features,
    require_features,
)
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.synthesis.student import Synthesizer

# More hardly widen the ranges, and the calibration is slow.
_CALIBRATING_BLOCKS = 50
# Different from the gate's, for other noise.
_CALIBRATING_SEED = 1


@dataclasses.dataclass(frozen=True)
class Report:
    """The result of an export: a file of so many bytes, and its quality."""

    path: Path
    variant: str
    size: int
    quality: Quality


def export_tflite(
    student: ParallelWaveNet,
    out: Path,
    variant: str = "float32",
    block_frames: int = 16,
    speech: Sequence[Features] | None = None,
) -> Report:
    """Writes a .tflite that synthesizes one block of frames at a time.

    Its only signature, `speak`, has fixed shapes, batch 1: the features of
    the block and of the look-ahead on either side, `(1, block_frames + 2 *
    look-ahead, channels)`, whichever of `mel`, `phones`, `timing`, `pitch`,
    `sinusoids` (integers int32) and `speaker` `(1,)` the student reads;
    `noise`, float32 `(1, block_frames * hop length)`, sampled from the
    student's standard distribution and scaled by the temperature;
    `state_past` and
    `state_newest`, zeros at the beginning. It returns `audio`, as long as the
    noise, in [-1, 1), and the two states for the next block. It has only
    built-in operations. `LiteVoice` runs it.

    Its metadata `pwavenet_tf` is a JSON card: that of the SavedModel's
    `describe`, and `block_frames`, `variant` and `quality`.

    The file is compared with the student before it is moved to its place.

    Args:
        student: The trained student.
        out: The file.
        variant: `float32`; `float16` weights; `int8-dynamic`, 8-bit weights,
            and activations whose range is found at run time; or `int8`,
            activations of a fixed range too.
        block_frames: Frames of a block.
        speech: Features of recordings, as `Synthesizer` takes them, that the
            quality is measured on; the 8-bit variants need them. If there
            are two or more, every second one calibrates `int8` and is not
            measured on.

    Returns:
        A report on the file.

    Raises:
        UserError: If speech is needed, the file can't be written, or its
            quality is too low; then no file is left.
    """
    speech = _checked(student, variant, block_frames, speech)
    calibrating, measuring = speech, speech
    if variant == "int8" and len(speech) > 1:
        calibrating, measuring = speech[::2], speech[1::2]
    content, card = lite_content(student, variant, block_frames, calibrating)
    random = random_features(
        student.audio, student.conditioning, 1, 3 * block_frames + 1
    )
    with atomic_write(out) as temporary:
        temporary.write_bytes(with_card(content, card))
        quality = require_quality(
            LiteVoice(temporary),
            Synthesizer(in_precision(student, "float32")),
            measuring or [random],
            variant,
            on_speech=bool(measuring),
        )
        figures = {"quality": dataclasses.asdict(quality)}
        temporary.write_bytes(with_card(content, card | figures | STATED))
        append_checksum(temporary)
    return Report(Path(out), variant, Path(out).stat().st_size, quality)


def lite_content(
    student: ParallelWaveNet,
    variant: str,
    block_frames: int,
    calibrating: Sequence[Features] = (),
) -> tuple[bytes, dict]:
    """A student as a .tflite whose quality is not measured.

    The content comes without a card, then the card without `quality`. `int8` is
    calibrated with features of one utterance each.
    """
    graph = BlockGraph(in_precision(student, "float32"), 1, block_frames)
    state = {
        name: {"shape": list(spec.shape[1:]), "dtype": spec.dtype.name}
        for name, spec in graph.specs.items()
        if name.startswith("state_")
    }
    card = model_card(Synthesizer(student)) | {
        "state": state,
        "variant": variant,
        "block_frames": block_frames,
    }
    blocks = functools.partial(_blocks, graph, card, calibrating)
    content = converted(graph, graph.synthesize, graph.specs, variant, blocks)
    return content, card


def converted(
    module: tf.Module,
    function: Callable,
    specs: dict[str, tf.TensorSpec],
    variant: str,
    blocks: Callable[[], Iterable[dict]] | None = None,
) -> bytes:
    """A graph as the content of a .tflite of built-in operations only.

    `module` holds the weights of `function`, a `tf.function` of keyword
    arguments of `specs`; `blocks` yields inputs by name, to calibrate `int8`.
    """
    failure, concrete = None, function.get_concrete_function(**specs)
    with tempfile.TemporaryDirectory() as folder, hold_back_stderr():
        tf.saved_model.save(module, folder, {SIGNATURE: concrete})
        converter = tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=[SIGNATURE]
        )
        _set_variant(converter, variant, blocks)
        try:
            return converter.convert()
        # The converter has many exceptions, and its text is pages long.
        except Exception as error:
            names = sorted(set(re.findall(r"\btf\.[A-Z]\w*", str(error))))
            if not names:
                raise
            failure = UserError(
                "this model needs operations that are not built into TFLite "
                f"({', '.join(names)}); export it as a SavedModel instead"
            )
    raise failure


def _set_variant(converter, variant: str, blocks) -> None:
    built_in = tf.lite.OpsSet.TFLITE_BUILTINS
    if variant == "int8":
        built_in = tf.lite.OpsSet.TFLITE_BUILTINS_INT8
        converter.representative_dataset = blocks
    converter.target_spec.supported_ops = [built_in]
    if variant != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if variant == "float16":
        converter.target_spec.supported_types = [tf.float16]


def _blocks(
    graph: BlockGraph, card: dict, speech: Sequence[Features]
) -> Iterator[dict[str, np.ndarray]]:
    """The graph's inputs for blocks of speech, including states."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "float32.tflite"
        content = converted(graph, graph.synthesize, graph.specs, "float32")
        path.write_bytes(with_card(content, card))
        recorder = _InputRecorder(path)
        inputs = (
            recorder.inputs
            for features in speech
            for _ in recorder.chunks(features, _CALIBRATING_SEED)
        )
        frames = sum(batch_and_frames(features)[1] for features in speech)
        blocks = frames / recorder.chunk_frames
        # From all of the speech, not from its beginning alone.
        every = max(1, math.ceil(blocks / _CALIBRATING_BLOCKS))
        yield from itertools.islice(inputs, 0, None, every)


class _InputRecorder(LiteVoice):
    """Keeps its last inputs."""

    inputs: dict[str, np.ndarray]

    def run(self, inputs: dict):
        self.inputs = {name: inputs[name] for name in self.reads}
        return super().run(inputs)


def _checked(student, variant, block_frames, speech) -> list[dict]:
    if variant not in VARIANTS:
        raise UserError(
            f"variant {variant!r} is not known; choose from "
            f"{', '.join(VARIANTS)}"
        )
    if not 1 <= block_frames <= MOST_FRAMES:
        raise UserError(
            f"a block has {block_frames} frames; choose from 1 to "
            f"{MOST_FRAMES:,}"
        )
    if variant.startswith("int8") and not speech:
        raise UserError(
            f"{variant} loses so much that it must be measured on speech; "
            "name recordings by --speech"
        )
    return [
        require_features(features, student.audio, student.conditioning)
        for features in speech or ()
    ]
