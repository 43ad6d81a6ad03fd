"""A teacher and a student trained over two devices.

python replica_run.py DATA OUT
"""

import dataclasses
import sys
from pathlib import Path

import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)

from tiny_run import tiny_preset  # noqa: E402

from pwavenet_tf.corpus.dataset import Corpus  # noqa: E402
from pwavenet_tf.models.loading import load_teacher  # noqa: E402
from pwavenet_tf.training.distribution import choose_strategy  # noqa: E402
from pwavenet_tf.training.runs import distill, train_teacher  # noqa: E402


def main() -> None:
    corpus, out = Corpus(Path(sys.argv[1])), Path(sys.argv[2])
    settings = tiny_preset(batch_size=2)
    # The contrastive loss takes two clips on each device.
    settings = dataclasses.replace(
        settings,
        distillation=dataclasses.replace(settings.distillation, batch_size=4),
    )
    with choose_strategy("mirrored").scope():
        train_teacher(corpus, settings, out)
        teacher = load_teacher(out / "teacher.keras")
        distill(corpus, teacher, settings, out)


if __name__ == "__main__":
    main()
