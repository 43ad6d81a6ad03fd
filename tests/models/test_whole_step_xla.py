"""The whole step of training as one XLA program, as a TPU needs it.

Forward, backward, clipping, Adam with its average, and the metrics: compiled
here for the processor. A TPU runs what XLA compiles and whose shapes are all
known before; no such machine was ever at hand.
"""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_models
from tiny_distiller import FRAMES

from pwavenet_tf.distillation.distiller import Distiller
from pwavenet_tf.models.backend import GlobalClipAdam

pytestmark = pytest.mark.slow

BATCH = 2
POLICIES = ("float32", "mixed_bfloat16")


def teacher(head: str, policy: str):
    return tiny_models.teacher(
        head=head, conditioning=tiny_models.EVERYTHING, dtype=policy
    )


def distiller(noise: str, policy: str) -> Distiller:
    """All four losses; with random noise and inner samples."""
    head = "gaussian" if noise == "gaussian" else "mixture_of_logistics"
    made = Distiller(
        teacher(head, policy),
        tiny_models.student(
            noise=noise, conditioning=tiny_models.EVERYTHING, dtype=policy
        ),
        tiny_models.phone_classifier(dtype=policy),
        inner_samples=3,
        feature_weight=0.5,
    )
    made.build()
    return made


MODELS = {
    "mixture_of_logistics": teacher,
    "gaussian": teacher,
    "mu_law": teacher,
    "logistic student": distiller,
    "gaussian student": distiller,
}


def batch() -> tuple:
    """As `Corpus.training_clips` gives it."""
    recording = tiny_models.audio(BATCH, FRAMES)
    inputs = tiny_models.features(BATCH, FRAMES) | {"audio": recording}
    weight = np.ones_like(recording)
    weight[:, :700] = 0.0
    return tf.nest.map_structure(tf.constant, (inputs, recording, weight))


@pytest.fixture(
    scope="module",
    params=[(name, policy) for name in MODELS for policy in POLICIES],
    ids=lambda one: f"{one[0]}, {one[1]}",
)
def step(request):
    """The model, its step as `fit` compiles it, and the policy."""
    name, policy = request.param
    model = MODELS[name](name.removesuffix(" student"), policy)
    schedule = keras.optimizers.schedules.CosineDecay(
        1e-3, 100, warmup_target=1e-2, warmup_steps=5
    )
    model.compile(
        GlobalClipAdam(schedule, global_clipnorm=1.0, use_ema=True),
        jit_compile=True,
    )
    model.optimizer.build(model.trainable_variables)
    return model, tf.function(model.train_step, jit_compile=True), policy


def test_every_shape_is_known_before(step):
    """Of all tensors in the traced step, in its loops and branches too."""
    _, compiled, _ = step
    graph = compiled.get_concrete_function(batch()).graph
    definition = graph.as_graph_def(add_shapes=True)
    nodes = list(definition.node)
    for function in definition.library.function:
        nodes += function.node_def
    shapes = 0
    unknown = set()
    for node in nodes:
        for shape in node.attr["_output_shapes"].list.shape:
            shapes += 1
            if not tf.TensorShape(shape).is_fully_defined():
                unknown.add(f"{node.op} {node.name}")
    assert shapes > 1_000
    assert not unknown


def test_the_program_needs_no_host_and_no_float64(step):
    _, compiled, policy = step
    text = compiled.experimental_get_compiler_ir(batch())(stage="hlo")
    assert "ENTRY" in text
    foreign = r"custom-call|infeed|outfeed|send|recv|f64\["
    assert not re.findall(rf".*(?:{foreign}).*", text)
    # A bounded, dynamic size is written [<=7].
    assert "<=" not in "".join(re.findall(r"\[[^\]]*\]", text))
    products = re.findall(r"= (\w+)\[[^\]]*\]\S* (?:dot|convolution)\(", text)
    wanted = {"float32": "f32", "mixed_bfloat16": "bf16"}[policy]
    assert products.count(wanted) > len(products) / 2


def test_it_runs_and_moves_every_weight(step):
    model, compiled, _ = step
    variables = [*model.trainable_variables]
    before = [keras.ops.convert_to_numpy(one) for one in variables]
    shown = compiled(batch())
    compiled(batch())
    assert all(np.isfinite(value) for value in shown.values())
    assert compiled.experimental_get_tracing_count() == 1
    still = [
        one.path
        for one, old in zip(variables, before, strict=True)
        if np.array_equal(keras.ops.convert_to_numpy(one), old)
    ]
    assert not still
