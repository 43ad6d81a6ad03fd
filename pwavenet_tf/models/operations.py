"""Floating-point operations that a network takes for a sample of audio.

A multiplication and an addition are two operations. Counted are the products
with weights and with filters, from the layers themselves; activations, biases
and the flows' recursion are left out, and so is what an implementation computes
twice or for context: the count is of what the audio needs.
"""

import math

import keras

from pwavenet_tf.models.conditioning import Conditioner
from pwavenet_tf.models.layers import GatedStack
from pwavenet_tf.models.linear_prediction import GRID_POINTS, LinearPrediction
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.models.source_filter import HARMONICS, SourceFilter
from pwavenet_tf.models.wavenet import WaveNet


def operations_per_sample(model: WaveNet | ParallelWaveNet) -> float:
    """The sum of `operations_by_part`."""
    return sum(operations_by_part(model).values())


def operations_by_part(model: WaveNet | ParallelWaveNet) -> dict[str, float]:
    """Operations for a sample of audio, on one stream.

    What is computed once for an utterance, a speaker's vector, counts nothing,
    nor does an encoder: an encoding is a feature like others. The model is
    built.

    Returns:
        `layers`, of the stacks of gated blocks; `conditioning`, its projections
        in these; `output`, the layers behind them; `upsampling` of the frames;
        `source`, of a source-filter flow or of linear prediction.
    """
    if isinstance(model, ParallelWaveNet):
        networks = model.networks
        stacks = [network.stack for network in networks]
        last = [network.before_output for network in networks]
        last += [network.output_pair for network in networks]
        source = _source_filter(model.source) if model.source else 0.0
    else:
        stacks = [model.stack]
        last = [model.before_output, model.output_parameters]
        source = _prediction(model.prediction) if model.prediction else 0.0
    return {
        "layers": sum(map(_layers, stacks)),
        "conditioning": sum(map(_projections, stacks)),
        "output": sum(map(product, last)),
        "upsampling": _frames(model.conditioner),
        "source": source,
    }


def product(layer: keras.Layer) -> float:
    """Operations of a layer for one vector that it is applied to.

    Every weight of a dense layer or of a convolution is multiplied once for
    each output in time, of a transposed convolution for each input.
    """
    return 2.0 * math.prod(layer.kernel.shape)


def _layers(stack: GatedStack) -> float:
    layers = [stack.front, stack.sinusoids]
    for block in stack.blocks:
        layers += [block.convolution, block.residual, block.skip]
    return sum(product(layer) for layer in layers if layer is not None)


def _projections(stack: GatedStack) -> float:
    projections = [block.conditioning for block in stack.blocks]
    built = sum(product(layer) for layer in projections if layer.built)
    return built / stack.stride


def _frames(conditioner: Conditioner) -> float:
    of_frame = 0.0
    if conditioner.phone_vectors is not None:
        # Of the previous phone, this and the next one.
        of_frame += 3 * product(conditioner.phone_vectors)
    if upsampler := conditioner.upsampler:
        layers = [upsampler.convolution, *upsampler.further_convolutions]
        of_frame += sum(map(product, layers))
        inputs = 1
        for expansion in upsampler.expansions:
            of_frame += inputs * product(expansion)
            inputs *= expansion.stride
    return of_frame / conditioner.audio.hop_length


def _source_filter(source: SourceFilter) -> float:
    """Envelopes and filters of a frame, and their use at each sample."""
    layers = [*source.hidden, source.mixing, source.corrections]
    mels, bins, taps = source.audio.mels, source.taps // 2 + 1, source.taps
    of_frame = sum(map(product, layers))
    # Mel spectrogram, F0 and voicing at the point, and both envelopes.
    of_point = 2.0 * 3 * (mels + 2) + 2.0 * mels * (bins + HARMONICS)
    # Cepstrum to phase, the two parts of the response, and its first tap.
    of_point += 2.0 * bins * (bins + 2 * taps + 1)
    of_frame += source.points * of_point
    # The filters of all points around, interpolated; harmonics likewise.
    of_sample = 2.0 * (source.points + 2) * (taps - 1 + 2 + HARMONICS)
    return of_frame / source.audio.hop_length + of_sample


def _prediction(prediction: LinearPrediction) -> float:
    audio, order = prediction.audio, prediction.order
    of_frame = 2.0 * GRID_POINTS * (audio.mels + order + 1)
    return of_frame / audio.hop_length + 2.0 * order
