"""What the machine can multiply: products of matrices in three types.

Products of 2,048 × 2,048 matrices, and those of a second of sound in a layer of
the presets' networks: its convolution, taps side by side, and its residual.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from pwavenet_tf.cli.benchmark.machine import cores
from pwavenet_tf.cli.benchmark.rows import Row, timings
from pwavenet_tf.core.imports import hold_back_stderr
from pwavenet_tf.core.presets import preset

_SIZE, _QUICK_SIZE = 2_048, 512
_FLOATS = ("float32", "bfloat16")
# So many operations are timed at once: the call itself must not matter.
_OPERATIONS = 2e9

Shape = tuple[int, int, int]


def measure(quick: bool) -> Iterator[Row]:
    """Products by type and by shape, rows × inner size × columns.

    float32 and bfloat16 are TensorFlow's (oneDNN). Its int8 has no fast kernel
    for processors: that is LiteRT's fully connected layer (XNNPACK), int8 in
    and out.
    """
    shapes = dict.fromkeys([_square(quick), *([] if quick else _layers())])
    for shape in shapes:
        for dtype in (*_FLOATS, "int8"):
            setting = "{}, {:,}×{:,}×{:,}".format(dtype, *shape)
            try:
                product = (_product if dtype in _FLOATS else _lite_product)(
                    dtype, shape
                )
            except ImportError as error:
                yield Row(setting, (), note=f"not measured: {error}")
                continue
            yield Row(setting, **_timed(product, shape, quick))


def with_peak(
    what: str, rows: Iterable[Row | list[Row]], quick: bool
) -> Iterator[Row]:
    """Completes rows of a measurement, as they are measured.

    A list holds rows that were measured in turns or in one process: the peak
    is that on either side of them all. It changes from minute to minute with
    what else the machine does, and where it is measured next to a row, their
    ratio changes less.
    """
    shape = _square(quick)
    product = _product("float32", shape)

    def peak() -> float:
        return Row("", **_timed(product, shape, True)).gflops or 0.0

    before = peak()
    for measured in rows:
        after = peak()
        for row in measured if isinstance(measured, list) else [measured]:
            if row.operations:
                row = dataclasses.replace(row, peak=(before + after) / 2)
            yield dataclasses.replace(row, what=what)
        before = after


def _square(quick: bool) -> Shape:
    return (_QUICK_SIZE if quick else _SIZE,) * 3


def _layers() -> Iterator[Shape]:
    for chosen in map(preset, ("nano", "paper")):
        sizes: Any
        for sizes in (chosen.student, chosen.teacher):
            residual, gate = sizes.residual_channels, sizes.gate_channels
            inner = sizes.filter_width * residual
            yield chosen.audio.sample_rate, inner, 2 * gate
            yield chosen.audio.sample_rate, gate, residual


def _timed(product: Callable, shape: Shape, quick: bool) -> dict:
    operations = 2 * np.prod(shape, dtype=float)
    times = int(np.ceil(_OPERATIONS / operations))
    (values,) = timings(
        lambda: [product() for _ in range(times)][-1], quick=quick
    )
    return {"values": values, "operations": times * operations}


def _product(dtype: str, shape: Shape) -> Callable:
    rows, inner, columns = shape
    left, right = (
        tf.cast(tf.random.stateless_normal(size, (0, 0)), dtype)
        for size in ((rows, inner), (inner, columns))
    )
    # Without asynchronous execution the operation returns when it is done.
    return lambda: tf.matmul(left, right)


def _lite_product(dtype: str, shape: Shape) -> Callable:
    from ai_edge_litert.interpreter import Interpreter

    rows, inner, columns = shape
    random = np.random.default_rng(0)
    inputs = random.standard_normal((rows, inner), np.float32)
    weights = random.standard_normal((inner, columns), np.float32)

    @tf.function(input_signature=[tf.TensorSpec(inputs.shape)])
    def layer(x):
        return tf.matmul(x, weights)

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [layer.get_concrete_function()]
    )
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: [[inputs]]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    with hold_back_stderr():
        interpreter = Interpreter(
            model_content=converter.convert(), num_threads=cores()
        )
        interpreter.allocate_tensors()
        whole = random.integers(-127, 128, inputs.shape, "int8")
        interpreter.set_tensor(
            interpreter.get_input_details()[0]["index"], whole
        )
        interpreter.invoke()
    return interpreter.invoke
