"""Steps over two devices and over one, in a process of its own.

    python replica_steps.py OUT.npz

TensorFlow divides its processor in two only before it has computed anything.
"""

import contextlib
import sys

import numpy as np
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)

import keras  # noqa: E402
import tiny_models  # noqa: E402
from tiny_distiller import FRAMES  # noqa: E402

from pwavenet_tf.distillation.distiller import Distiller  # noqa: E402
from pwavenet_tf.models.backend import (  # noqa: E402
    GlobalClipAdam,
    next_key,
    replica_count,
)
from pwavenet_tf.training.distribution import choose_strategy  # noqa: E402

CLIPS = 4
RECORDING = tiny_models.audio(CLIPS, FRAMES)
INPUTS = {
    "mel": tiny_models.mel(CLIPS, FRAMES),
    "noise": tiny_models.noise(CLIPS, FRAMES),
    "audio": RECORDING,
    "phones": tiny_models.features(CLIPS, FRAMES)["phones"],
}
# The replicas hold unequal shares of what counts.
WEIGHT = np.ones_like(RECORDING)
WEIGHT[0, :900] = WEIGHT[3, 100:] = 0.0


def teacher():
    return tiny_models.teacher()


def distiller():
    """Gaussian: without inner samples both agree to the last digits."""
    made = Distiller(
        tiny_models.teacher(head="gaussian"),
        tiny_models.student(noise="gaussian"),
        contrastive=0.0,
        power_weight=3.0,
    )
    made.build()
    return made


def classifier():
    return tiny_models.phone_classifier()


def plain_step(replicas):
    return keras.optimizers.SGD(1.0)


def clipped_step(replicas):
    return GlobalClipAdam(0.1, epsilon=1e-3, global_clipnorm=0.5 / replicas)


def changes(make, optimizer, strategy) -> tuple[float, np.ndarray]:
    """The loss, and how a step changed the weights."""
    keras.utils.set_random_seed(1)
    with strategy.scope() if strategy else contextlib.nullcontext():
        model = make()
        model.compile(optimizer(replica_count()), jit_compile=False)
        before = model.get_weights()
    clips = tf.data.Dataset.from_tensors((INPUTS, RECORDING, WEIGHT))
    history = model.fit(clips, verbose=0, shuffle=False).history
    moved = [
        (after - start).ravel()
        for after, start in zip(model.get_weights(), before, strict=True)
    ]
    return history["loss"][0], np.concatenate(moved)


def keys(strategy) -> np.ndarray:
    with strategy.scope():
        generator = keras.random.SeedGenerator(3)

        @tf.function
        def draw():
            return strategy.run(lambda: next_key(generator))

        return np.stack(
            [
                np.stack(strategy.experimental_local_results(draw()))
                for _ in range(3)
            ]
        )


def noises(strategy) -> np.ndarray:
    """A student's noise on each device."""
    with strategy.scope():
        student = tiny_models.student()
        inputs = {"mel": INPUTS["mel"]}
        noise = strategy.run(lambda: student(inputs)["noise"])
        return np.stack(strategy.experimental_local_results(noise))


def main() -> None:
    strategy = choose_strategy("mirrored")
    found = {"replicas": strategy.num_replicas_in_sync, "keys": keys(strategy)}
    found["noises"] = noises(strategy)
    for make, optimizer in (
        (teacher, clipped_step),
        (distiller, plain_step),
        (classifier, plain_step),
    ):
        for where in (None, strategy):
            loss, moved = changes(make, optimizer, where)
            name = f"{make.__name__}_{'two' if where else 'one'}"
            found[name] = moved
            found[f"{name}_loss"] = loss
    np.savez(sys.argv[1], **found)


if __name__ == "__main__":
    main()
