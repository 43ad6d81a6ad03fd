"""Perceptual losses: the phone classifier's activations compared.

Of the student's audio and the recording (1711.10433, section 4.2). With F_l the
activations of layer l, `(steps, channels)` for each clip:

    feature loss  L_feature = mean_l  Σ ‖F_l(x) - F_l(y)‖² / Σ ‖F_l(y)‖²
    style loss    L_style   = mean_l  Σ ‖G_l(x) - G_l(y)‖² / Σ ‖G_l(y)‖²
    Gram matrix   G_l = F_lᵀ F_l / steps

Norms are Frobenius's; numerator and denominator are summed separately over the
clips of the batch, so that a clip is weighted by its power. The division is the
normalisation: a layer with twice the amplitude, the channels or the steps has
the same weight, and both losses are 1 for audio to which no layer responds.

The feature loss compares step by step; the style loss compares correlations of
channels over the whole clip.
"""

import keras
from keras import ops

from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.models.phone_classifier import PhoneClassifier

# Where a layer is zero throughout, 0 / 0 is to be 0.
_TINY = 1e-20


def require_same_contract(
    classifier: PhoneClassifier, audio: AudioContract
) -> None:
    """Refuses a classifier of another contract than the student's."""
    classifier.audio.require_equal(audio, "the phone classifier", "the student")


def gram(activations):
    """G = Fᵀ F / steps, `(batch, channels, channels)`.

    The second moments of the channels of F, `(batch, steps, channels)`:
    symmetric, positive semidefinite, the same for any order of the steps.
    """
    steps = ops.cast(ops.shape(activations)[1], activations.dtype)
    transposed = ops.transpose(activations, (0, 2, 1))
    return ops.matmul(transposed, activations) / steps


def relative_squared_error(x, target):
    """Σ (x - target)² / Σ target², over all axes: a scalar."""
    distance = ops.sum(ops.square(x - target))
    return distance / (ops.sum(ops.square(target)) + _TINY)


def perceptual_losses(classifier: PhoneClassifier, audio, recording) -> dict:
    """`{"feature", "style"}`, the losses as scalars, 0 for equal inputs.

    The student's audio and the recording are `(batch, frames * hop length)`.
    The gradient reaches `audio` alone: neither the recording nor the
    classifier's weights, whether they are trainable or not. All is float32.
    """
    frozen = [(v, ops.stop_gradient(v.value)) for v in classifier.variables]
    with keras.StatelessScope(state_mapping=frozen):
        features = classifier.features(audio)
        targets = classifier.features(ops.stop_gradient(recording))
    pairs = list(zip(features, map(ops.stop_gradient, targets), strict=True))
    grams = [(gram(one), gram(other)) for one, other in pairs]
    return {
        name: ops.mean(
            ops.stack([relative_squared_error(*each) for each in compared])
        )
        for name, compared in (("feature", pairs), ("style", grams))
    }
