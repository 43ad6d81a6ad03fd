"""The machines to train on, as a `tf.distribute` strategy."""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.files import atomic_write

if TYPE_CHECKING:
    import tensorflow as tf

STRATEGIES = ("auto", "single", "mirrored", "multiworker", "tpu")

# The variables in which Google's cloud machines name their TPU.
_TPU_VARIABLES = (
    "TPU_NAME",
    "COLAB_TPU_ADDR",
    "KUBE_GOOGLE_CLOUD_TPU_ENDPOINTS",
)


def choose_strategy(name: str = "auto") -> "tf.distribute.Strategy":
    """The strategy of that name; build and fit models in its `scope()`.

    `single` is one device; `mirrored` all GPUs of this machine, or all
    logical devices of its processor where there is no GPU; `multiworker` the
    machines that the environment variable TF_CONFIG lists; `tpu` the one that
    TPU_NAME or Google's own variables name. `auto` is the first of tpu,
    multiworker and mirrored that there is, else `single`.

    Must be called before TensorFlow computes anything.
    """
    import tensorflow as tf

    if name not in STRATEGIES:
        raise UserError(
            f"strategy {name!r} is not known; choose from "
            f"{', '.join(STRATEGIES)}"
        )
    if name == "auto":
        name = _available()
    if name == "single":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        gpus = tf.config.list_logical_devices("GPU")
        devices = gpus or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([one.name for one in devices])
    if name == "multiworker":
        return _multiworker()
    return _tpu()


def _available() -> str:
    import tensorflow as tf

    if any(os.environ.get(variable) for variable in _TPU_VARIABLES):
        return "tpu"
    if os.environ.get("TF_CONFIG"):
        return "multiworker"
    several = len(tf.config.list_physical_devices("GPU")) > 1
    return "mirrored" if several else "single"


def _multiworker() -> "tf.distribute.Strategy":
    import tensorflow as tf

    workers, fault = os.environ.get("TF_CONFIG"), "is not set"
    if workers:
        try:
            if not isinstance(json.loads(workers), dict):
                raise ValueError("it is no JSON object")
            return tf.distribute.MultiWorkerMirroredStrategy()
        except (ValueError, TypeError, KeyError, AttributeError) as problem:
            fault = f"lists no workers ({problem})"
    raise UserError(
        f"strategy multiworker: the environment variable TF_CONFIG {fault}; "
        "write it as TensorFlow's guide to distributed training describes, or "
        "choose --strategy=single"
    )


def _tpu() -> "tf.distribute.Strategy":
    import tensorflow as tf

    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver()
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, tf.errors.OpError) as problem:
        raise UserError(
            f"strategy tpu: no TPU is found ({str(problem).splitlines()[0]}); "
            "set TPU_NAME, or choose another --strategy"
        ) from problem
    return tf.distribute.TPUStrategy(resolver)


def is_chief() -> bool:
    """Whether this process is the one that writes files; alone it always is."""
    import keras

    if keras.backend.backend() != "tensorflow":
        return True
    import tensorflow as tf

    resolver = tf.distribute.get_strategy().cluster_resolver
    if resolver is None or not resolver.task_type:
        return True
    if resolver.task_type == "worker":
        has_chief = "chief" in resolver.cluster_spec().jobs
        return resolver.task_id == 0 and not has_chief
    return resolver.task_type == "chief"


@contextlib.contextmanager
def written_by_chief(path: Path) -> Iterator[Path]:
    """As `atomic_write`; on other workers the file is discarded.

    All workers must save: what each has measured is added up in doing so.
    """
    if is_chief():
        with atomic_write(path) as temporary:
            yield temporary
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / path.name
