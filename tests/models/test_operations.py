"""Operations counted from the layers, by hand and by TensorFlow's profiler."""

import pytest
import tensorflow as tf
import tiny_models

from pwavenet_tf.core.presets import preset
from pwavenet_tf.models.inputs import random_features
from pwavenet_tf.models.layers import GatedStack
from pwavenet_tf.models.operations import (
    operations_by_part,
    operations_per_sample,
    product,
)
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.models.wavenet import WaveNet

FRAMES = 40
PRODUCTS = {"MatMul", "BatchMatMulV2", "Conv2D"}


def test_one_layer_counted_by_hand() -> None:
    stack = GatedStack((4,), 8, 6, skip_channels=10, filter_width=3, stride=5)
    stack.build((None, None, 1), (None, None, 7))
    (block,) = stack.blocks
    # Three taps of 8 channels to 2 × 6 gates; 7 of conditioning to as many.
    assert product(block.convolution) == 2 * 3 * 8 * 12
    assert product(block.conditioning) == 2 * 7 * 12
    assert product(block.skip) == 2 * 6 * 10
    assert block.residual is None


def test_parts_of_a_student_counted_by_hand() -> None:
    """Flows of one and two layers, 8 channels; 4 of conditioning."""
    sizes = {"residual_channels": 8, "gate_channels": 8}
    student = tiny_models.student(**tiny_models.FEW_LAYERS, **sizes)
    upsampled = 2 * 3 * 6 * 4 + 2 * 8 * 4 * 4 + 4 * 2 * 10 * 4 * 4
    assert operations_by_part(student) == {
        "layers": 2 * (2 * 8 + 3 * (3 * 8 * 16 + 8 * 8)),
        "conditioning": 2 * 3 * 4 * 16,
        "output": 2 * 2 * (8 * 8 + 8 * 2),
        "upsampling": upsampled / 20,
        "source": 0.0,
    }


def test_a_source_filter_counted_by_hand() -> None:
    """16 taps, so 9 bins; 64 harmonics, 6 mel bands, two points a frame."""
    network = 3 * (8 + 160 + 160) * 160 + 160 * 160 + 160 * 2 * (6 + 9)
    envelopes = 3 * (6 + 2) + 6 * 9 + 6 * 64
    filters = 9 * 9 + 2 * 9 * 16 + 9 * 1
    of_frame = 2 * (network + 2 * (envelopes + filters))
    # Four filters of 15 past samples and their sum, a scale; harmonics.
    of_sample = 2 * (4 * 15 + 4 + 4 + 4 * 64)
    found = operations_by_part(tiny_models.student(**tiny_models.SOURCE))
    assert found["source"] == pytest.approx(of_frame / 20 + of_sample)


def test_linear_prediction_counted_by_hand() -> None:
    teacher = tiny_models.teacher(prediction_order=4)
    of_frame = 2 * 257 * (6 + 5)
    expected = of_frame / 20 + 2 * 4
    assert operations_by_part(teacher)["source"] == pytest.approx(expected)


@pytest.mark.network
@pytest.mark.parametrize("name", ["nano", "paper"])
@pytest.mark.parametrize("kind", [WaveNet, ParallelWaveNet])
def test_the_profiler_counts_as_many_in_the_whole_network(name, kind) -> None:
    """To a thousandth: the graph also upsamples frames beyond both ends."""
    model = kind.from_preset(preset(name))
    model.build()
    samples = FRAMES * model.audio.hop_length
    inputs = random_features(model.audio, model.conditioning, 1, FRAMES)
    series = dict.fromkeys(("audio", "noise"), tf.zeros((1, samples)))
    graph = tf.function(lambda: model(inputs | series), autograph=False)
    counted = profiled(graph.get_concrete_function().graph)
    # What linear prediction sums without a product, the profiler counts as
    # elementwise.
    parts = operations_by_part(model) | {"source": 0.0}
    assert counted / samples == pytest.approx(sum(parts.values()), 1e-3)
    assert operations_per_sample(model) >= sum(parts.values())


def profiled(graph: tf.Graph) -> int:
    """Operations of all products, by TensorFlow's own count."""
    profiler = tf.compat.v1.profiler
    builder = profiler.ProfileOptionBuilder
    options = builder(builder.float_operation()).with_empty_output().build()
    pending = [profiler.profile(graph, cmd="op", options=options)]
    total = 0
    while pending:
        node = pending.pop()
        pending += node.children
        if node.name in PRODUCTS:
            total += node.float_ops
    return total
