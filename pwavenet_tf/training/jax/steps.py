"""Steps of training and validation, compiled, many in one call.

Keras's `fit` spends some milliseconds of Python on every step, about as much
as a GPU on the step itself. Here Keras's own step runs in a loop on the
device, which also cuts the clips.
"""

import time

import jax
import jax.numpy as jnp
import keras
import numpy as np
from keras import ops

from pwavenet_tf.corpus.clips import cut_joined
from pwavenet_tf.training.jax.clips import arrays_of_recordings

# On a processor a step takes so long that a call costs nothing.
_STEPS_PER_CALL = {"cpu": 1}
_STEPS_PER_CALL_ELSEWHERE = 16

# Parts of the state that a run has made.
_LEARNT = ("trainable", "optimizer", "averages")


class Steps:
    """A compiled model's steps on clips that lie on the device.

    The clips are from `NumpyCorpus.training_clips` and `.validation_clips`.
    What changes with each step is in `state`, lists of arrays, until
    `store_averages` puts it back into the model. A call of `train` takes
    `steps_per_call` steps.
    """

    def __init__(self, model: keras.Model, training, validation) -> None:
        self._model = model
        self._training, self._validation = training, validation
        self._arrays = jax.device_put(arrays_of_recordings(training.recordings))
        self._held_out = jax.device_put(
            arrays_of_recordings(validation.recordings)
        )
        platform = jax.default_backend()
        self.steps_per_call = _STEPS_PER_CALL.get(
            platform, _STEPS_PER_CALL_ELSEWHERE
        )
        optimizer = model.optimizer
        if not optimizer.built:
            optimizer.build(model.trainable_variables)
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        (self._rate_index,) = [
            number
            for number, one in enumerate(optimizer.variables)
            if one is inner._learning_rate
        ]
        self.state = {
            "trainable": _values(model.trainable_variables),
            "non_trainable": _values(model.non_trainable_variables),
            "optimizer": _values(optimizer.variables),
            "metrics": _values(model.metrics_variables),
            "averages": _values(model.trainable_variables),
        }
        weights = {id(one) for one in model.weights}
        self._random_states = [
            index
            for index, one in enumerate(model.non_trainable_variables)
            if id(one) not in weights
        ]
        # Validation always draws the same numbers.
        self._first_state = _values(model.non_trainable_variables)
        self._no_metrics = _values(model.metrics_variables)

    def compile(self) -> float:
        """Compiles the step of training; seconds that it took."""
        begun = time.monotonic()
        count = self.steps_per_call
        numbers = np.zeros(count, np.float32)
        self._train = (
            jax.jit(self._many_steps, donate_argnums=0)
            .lower(self.state, self._arrays, self.places(0), numbers, numbers)
            .compile()
        )
        return time.monotonic() - begun

    def compile_validation(self, batches: int) -> float:
        """Compiles a validation of so many batches, from all over it."""
        begun = time.monotonic()
        every = self._validation.num_batches
        chosen = np.linspace(0, every - 1, min(batches, every)).astype(int)
        size = self._validation.batch_size
        found = [self._validation.places(one * size, size) for one in chosen]
        self._validation_places = jnp.asarray(np.stack(found))
        self._validate = (
            jax.jit(self._many_tests)
            .lower(
                self.state["averages"], self._held_out, self._validation_places
            )
            .compile()
        )
        return time.monotonic() - begun

    def places(self, first_clip: int) -> np.ndarray:
        """Where the clips of one call lie, the first of them given."""
        clips, count = self._training, self.steps_per_call
        found = clips.places(first_clip, count * clips.batch_size)
        return found.reshape(count, clips.batch_size, 2)

    def train(
        self, where: np.ndarray, rates: np.ndarray, kept: np.ndarray
    ) -> None:
        """Starts `steps_per_call` steps on `places`; does not wait for them.

        Each has a learning rate, and how much it keeps of the averaged weights.
        """
        self.state = self._train(self.state, self._arrays, where, rates, kept)

    def wait(self) -> None:
        jax.block_until_ready(self.state)

    def metrics(self) -> dict[str, float]:
        """The means since they were last asked for."""
        found = self._read(self.state["metrics"])
        self.state["metrics"] = [jnp.copy(one) for one in self._no_metrics]
        return found

    def validation_metrics(self) -> dict[str, float]:
        """Those of the averaged weights on recordings that were held out."""
        return self._read(
            self._validate(
                self.state["averages"], self._held_out, self._validation_places
            )
        )

    def arrays(self) -> dict[str, list[np.ndarray]]:
        """What a run needs to resume, as NumPy arrays.

        Neither metrics nor frozen weights, such as a teacher's, are included.
        """
        kept = {name: self.state[name] for name in _LEARNT}
        kept["random_states"] = [
            self.state["non_trainable"][index] for index in self._random_states
        ]
        return {
            name: [np.asarray(value) for value in values]
            for name, values in kept.items()
        }

    def load(self, arrays: dict[str, list[np.ndarray]]) -> None:
        """Takes over what `arrays` returned."""
        for name in _LEARNT:
            pairs = zip(arrays[name], self.state[name], strict=True)
            self.state[name] = [
                jnp.asarray(value, own.dtype) for value, own in pairs
            ]
        pairs = zip(self._random_states, arrays["random_states"], strict=True)
        for index, value in pairs:
            self.state["non_trainable"][index] = jnp.asarray(value)

    def store_averages(self) -> None:
        """Gives the model the averaged weights."""
        pairs = zip(
            self._model.trainable_variables, self.state["averages"], strict=True
        )
        for variable, value in pairs:
            variable.assign(jnp.copy(value))

    def _many_steps(self, state, arrays, where, rates, kept):
        def step(state, now):
            place, rate, keep = now
            batch = cut_joined(arrays, self._training.window, place, ops)
            optimizer = list(state["optimizer"])
            optimizer[self._rate_index] = rate
            names = ("trainable", "non_trainable", "optimizer", "metrics")
            given = state | {"optimizer": optimizer}
            _, changed = self._model.train_step(
                tuple(given[name] for name in names), batch
            )
            after = dict(zip(names, changed, strict=True))
            after["averages"] = [
                keep * average + (1.0 - keep) * weight
                for average, weight in zip(
                    state["averages"], after["trainable"], strict=True
                )
            ]
            return _like(after, state), None

        return jax.lax.scan(step, state, (where, rates, kept))[0]

    def _many_tests(self, weights, arrays, where):
        def step(metrics, place):
            batch = cut_joined(arrays, self._validation.window, place, ops)
            state = (weights, list(self._first_state), metrics)
            _, (_, _, after) = self._model.test_step(state, batch)
            return _like(after, metrics), None

        metrics = [jnp.asarray(one) for one in self._no_metrics]
        return jax.lax.scan(step, metrics, where)[0]

    def _read(self, values) -> dict[str, float]:
        variables = self._model.metrics_variables
        for variable, value in zip(variables, values, strict=True):
            variable.assign(jnp.copy(value))
        found = self._model.get_metrics_result()
        self._model.reset_metrics()
        return {name: float(value) for name, value in found.items()}


def _values(variables) -> list:
    """Copies: the state of a call is overwritten by the next."""
    return [jnp.copy(variable.value) for variable in variables]


def _like(after, before):
    """The loop's state keeps its types."""
    return jax.tree.map(
        lambda new, old: jnp.asarray(new, old.dtype).reshape(old.shape),
        after,
        before,
    )
