"""What depends on devices: replicas of a model, and its precision.

A global batch is divided among the replicas of a `tf.distribute` strategy,
and their gradients are added up. So that the sum is the gradient of the whole
batch, each replica's loss is weighted by its share of the batch, and each
has random numbers of its own. In mixed precision networks compute in 16 bits,
everything else in 32.
"""

from collections.abc import Callable

import keras
from keras import ops

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.models.arguments import KeepsArguments

# Between the keys of two replicas.
_KEY_STEP = 104_729


def replica_count() -> int:
    """How many replicas train together; 1 without a strategy."""
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


def is_replicated(model: keras.Model) -> bool:
    """Whether a model was built to train over several replicas.

    Unlike `replica_count` it can be asked outside of the strategy's scope.
    """
    return (
        keras.backend.backend() == "tensorflow"
        and model.distribute_strategy.num_replicas_in_sync > 1
    )


def batch_share(valid_samples=None):
    """This replica's share of the global batch, 0 to 1.

    Its loss is computed over `valid_samples`, a scalar; `None` where every
    replica has as many.
    """
    replicas = replica_count()
    if replicas == 1:
        return 1.0
    if valid_samples is None:
        return 1.0 / replicas
    total = ops.maximum(_sum_over_replicas(valid_samples), 1.0)
    return valid_samples / total


def next_key(generator: keras.random.SeedGenerator):
    """The generator's next key, a different one on each replica."""
    key = generator.next()
    if replica_count() == 1:
        return key
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    number = context.replica_id_in_sync_group if context else 0
    return key + ops.cast(
        ops.stack([ops.cast(number, "int32") * _KEY_STEP, 0]), key.dtype
    )


class Key(keras.random.SeedGenerator):
    """Passes Keras's random functions a key in place of a generator."""

    def __init__(self, key) -> None:
        self._key = key

    def next(self, ordered: bool = True):
        return self._key


@keras.saving.register_keras_serializable(package="pwavenet_tf")
class GlobalClipAdam(keras.optimizers.Adam):
    """Adam that clips the gradient of the global batch.

    Keras clips each replica's gradient before they are added up. Here they
    are added up before: `global_clipnorm` must be divided by the number of
    replicas, because each replica applies its share. Over one replica it is
    `keras.optimizers.Adam`.
    """

    def apply(self, grads, trainable_variables=None):
        count = replica_count()
        if count > 1:
            grads = [one / count for one in _sum_over_replicas(list(grads))]
        return super().apply(grads, trainable_variables)


class ReplicatedModel(KeepsArguments, keras.Model):
    """A Keras model whose `fit` is the same over several replicas as over one.

    Its `compute_loss` must return this replica's addend to the loss of the
    global batch; see `batch_share`. Keras compiles around the strategy,
    which XLA cannot do for several replicas: there the step is a graph, on
    TPUs always XLA. Keras alone cannot fit over several workers (keras
    issue 20585).
    """

    def compile(
        self, optimizer="rmsprop", loss=None, loss_weights=None, *args, **kwargs
    ):
        """As in Keras, but for the loss, which is the model's own."""
        if loss is not None or loss_weights is not None:
            raise UserError(
                f"{type(self).__name__} has a loss of its own, which would "
                "make nothing of another; compile it with an optimizer alone"
            )
        super().compile(optimizer, None, None, *args, **kwargs)

    def compile_from_config(self, config):
        """As in Keras, which would not compile a model with its own method."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            self.optimizer.build(self.trainable_variables)

    def make_train_function(self, force=False):
        """As in Keras, for several replicas too."""
        if keras.backend.backend() == "tensorflow" and self.built:
            self._build_optimizer()
        if not is_replicated(self):
            return super().make_train_function(force)
        if self.train_function is None or force:
            self.train_function = self._over_replicas(self.train_step)
        return self.train_function

    def make_test_function(self, force=False):
        """As in Keras, for several replicas too."""
        if not is_replicated(self):
            return super().make_test_function(force)
        if self.test_function is None or force:
            self.test_function = self._over_replicas(self.test_step)
        return self.test_function

    def _over_replicas(self, step):
        import tensorflow as tf

        strategy = self.distribute_strategy

        @tf.function(reduce_retracing=True)
        def run(iterator):
            results = strategy.run(step, args=(next(iterator),))
            return {
                name: strategy.reduce("MEAN", value, axis=None)
                for name, value in results.items()
            }

        return run

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras would reduce a batch over the workers here, which fails, only
        # to learn its shapes; these models know theirs.
        if not (self.built and is_replicated(self)):
            super()._maybe_symbolic_build(iterator, data_batch)
        else:
            self._build_optimizer()

    def _build_optimizer(self) -> None:
        # TensorFlow traces a step twice if it creates variables.
        if self.optimizer is not None and not self.optimizer.built:
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)


def _sum_over_replicas(values):
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context is None:
        return values
    return context.all_reduce(tf.distribute.ReduceOp.SUM, values)


def policy(precision: str) -> str:
    """Keras's name of the dtype policy; weights are float32 in each."""
    return precision if precision == "float32" else f"mixed_{precision}"


def in_precision(model: keras.Model, precision: str) -> keras.Model:
    """A copy of a built model, not compiled, that computes in `precision`.

    Log-scales, likelihoods and losses stay float32. A model that computes in
    this one of `PRECISIONS` already is returned itself.
    """
    if model.dtype_policy.name == policy(precision):
        return model
    config = model.get_config() | {"dtype": policy(precision)}
    copy = type(model).from_config(config)
    copy.build()
    copy.set_weights(model.get_weights())
    return copy


def unscaled(record: Callable, model: keras.Model) -> Callable:
    """Records norms of a model's gradients without the loss scale.

    `record` takes a norm and its weight, what is returned takes a norm. One
    that is not finite is left out if the loss is scaled: Keras then leaves out
    the step and lowers the scale.
    """
    # There is none before the model is compiled.
    optimizer = getattr(model, "optimizer", None)
    if not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return record

    def record_unscaled(norm):
        finite = ops.isfinite(norm)
        norm = ops.where(finite, norm, 0.0) / optimizer.dynamic_scale
        record(norm, ops.cast(finite, "float32"))

    return record_unscaled
