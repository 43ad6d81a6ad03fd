"""What one backend makes of models that the other one makes too.

    KERAS_BACKEND=jax python backend_steps.py OUT [GIVEN]

Each model begins with the same weights and takes the same steps, none of
which samples one number. OUT gets the trained models, and all that is compared;
from GIVEN, another backend's OUT, models are loaded and asked.
"""

import functools
import importlib.util
import os
import sys
from pathlib import Path

import keras
import numpy as np
import tiny_models
from tiny_distiller import FRAMES

from pwavenet_tf.distillation.distiller import Distiller

BATCH, STEPS = 2, 3
INPUTS = tiny_models.features(BATCH, FRAMES)
RECORDING = tiny_models.audio(BATCH, FRAMES)
WITH_NOISE = INPUTS | {
    "audio": RECORDING,
    "noise": tiny_models.noise(BATCH, FRAMES),
}
# Not all counts, and not as much in each clip.
WEIGHT = np.ones_like(RECORDING)
WEIGHT[0, :700] = WEIGHT[1, -40:] = 0.0


def teacher(head: str):
    return tiny_models.teacher(head=head, conditioning=tiny_models.EVERYTHING)


def distiller():
    """All four losses, between Gaussians, which need no inner samples."""
    made = Distiller(
        teacher("gaussian"),
        tiny_models.student(
            noise="gaussian", conditioning=tiny_models.EVERYTHING
        ),
        tiny_models.phone_classifier(),
        feature_weight=0.5,
    )
    made.build()
    return made


def drawing_distiller():
    """All four losses, from logistic noise that each backend samples itself."""
    made = Distiller(
        tiny_models.teacher(), tiny_models.student(), inner_samples=3
    )
    made.build()
    return made


ALIKE = {
    head: functools.partial(teacher, head)
    for head in ("mixture_of_logistics", "gaussian", "mu_law")
} | {"distiller": distiller}
EVERY = ALIKE | {"drawing_distiller": drawing_distiller}


def batches():
    while True:
        yield WITH_NOISE, RECORDING, WEIGHT


def optimizer():
    return keras.optimizers.Adam(
        1e-2, epsilon=1e-3, global_clipnorm=1.0, use_ema=True, ema_momentum=0.5
    )


def trained(make) -> tuple[keras.Model, dict[str, np.ndarray]]:
    """The model after its steps; what each epoch of one step showed."""
    keras.utils.set_random_seed(1)
    model = make()
    model.compile(optimizer(), jit_compile=True)
    shown = model.fit(
        batches(), steps_per_epoch=1, epochs=STEPS, shuffle=False, verbose=0
    ).history
    return model, {name: np.array(values) for name, values in shown.items()}


def outputs_of(model) -> dict[str, np.ndarray]:
    """What a model returns for `WITH_NOISE`."""
    found = model(WITH_NOISE)
    if not isinstance(found, dict):
        found = {"parameters": found}
    return {
        name: keras.ops.convert_to_numpy(value) for name, value in found.items()
    }


def saved_parts(model) -> dict[str, keras.Model]:
    """What a user saves of it."""
    if not isinstance(model, Distiller):
        return {"teacher": model}
    return {"distiller": model, "student": model.student}


def write(out: Path, given: Path | None = None) -> None:
    """Trains, saves and asks all models."""
    out.mkdir()
    arrays = {}
    for name, make in EVERY.items():
        model, shown = trained(make)
        for key, values in shown.items():
            arrays[f"shown/{name}/{key}"] = values
        for number, value in enumerate(model.get_weights()):
            arrays[f"weights/{name}/{number}"] = value
        for part, own in saved_parts(model).items():
            own.save(out / f"{name}.{part}.keras")
            for key, value in outputs_of(own).items():
                arrays[f"said/{name}.{part}/{key}"] = value
    for path in sorted(given.glob("*.keras")) if given else ():
        model = keras.saving.load_model(path)
        for key, value in outputs_of(model).items():
            arrays[f"given/{path.stem}/{key}"] = value
    np.savez(out / "arrays.npz", **arrays)


def main() -> None:
    assert keras.backend.backend() == os.environ["KERAS_BACKEND"]
    # Else the lane could lean on it unseen.
    assert importlib.util.find_spec("tensorflow") is None
    write(*map(Path, sys.argv[1:]))


if __name__ == "__main__":
    main()
