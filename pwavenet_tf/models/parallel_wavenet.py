"""The student: inverse autoregressive flows over logistic noise."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import ops

from pwavenet_tf.audio.signal import de_emphasis, de_emphasis_memory, delayed
from pwavenet_tf.core.config import FRAME_ARRAYS, AudioContract, Conditioning
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.models.arguments import KeepsArguments
from pwavenet_tf.models.backend import Key, next_key
from pwavenet_tf.models.conditioning import Conditioner, by_reader
from pwavenet_tf.models.flows import FlowNetwork, affine_step
from pwavenet_tf.models.noise import NOISES, NoiseFamily
from pwavenet_tf.models.source_filter import SourceFilter

if TYPE_CHECKING:
    from pwavenet_tf.models.bijectors import InverseAutoregressiveFlow
    from pwavenet_tf.models.tfp import tfd

# The scale of an untrained student's samples, about that of recordings.
_INITIAL_SCALE = 0.05


@keras.saving.register_keras_serializable(package="pwavenet_tf")
class ParallelWaveNet(KeepsArguments, keras.Model):
    """Parallel WaveNet's student (1711.10433, section 3).

    Noise z passes through a chain of inverse autoregressive flows,
    x^i_t = x^{i-1}_t · s^i_t + μ^i_t, all in the same order of time. So
    x_t given z_<t is one logistic (or Gaussian, after the noise), with
    ln s_tot = Σ_i ln s^i and μ_tot = Σ_i μ^i Π_{j>i} s^j, and
    x = μ_tot + s_tot · z.

    With `source_taps` the first flow is a `SourceFilter`: it makes harmonics
    and noise of the right spectral envelopes from mel spectrogram and F0, and
    the networks of the flows after it refine them.

    Where the contract has pre-emphasis, the flows generate y and the audio is
    x_t = y_t + a x_{t-1}: one more flow, of scale 1, which is part of μ_tot.

    Args:
        audio: The acoustic contract of its mel spectrograms.
        conditioning: The teacher's; all flows share one upsampling.
        flow_dilations: Dilations of each flow's layers, a tuple for each.
        filter_width: Filter width of the dilated convolutions.
        residual_channels: Channels between the layers.
        gate_channels: Channels of each gate.
        noise: `logistic`, as Parallel WaveNet has it, or `gaussian`, as
            ClariNet (1807.07281).
        source_taps: Taps of the source-filter flow, even; 0 for none.
        seed: Seed of the noise that `call` samples when it is given none.
        source_points: The source-filter flow's envelopes for each frame.

    Call arguments:
        inputs: What `Conditioner` reads, and either `noise` `(batch, time)`
            of standard noise, where time = frames * hop length, or any series
            of frames, for which noise is then sampled. A student with an
            encoder encodes `audio` where no `encoding` is given. Other keys are
            ignored.
        flows: Only so many flows, the first ones; all of them if `None`.

    Returns:
        `{"audio", "location", "log_scale", "noise"}`, each `(batch, time)`
        and float32: x, μ_tot, ln s_tot and z. `audio` is neither rounded nor
        clipped.

    Raises:
        UserError: If the noise is not known, the conditioning does not suit
            the contract, or lacks what the source-filter flow reads.
    """

    def __init__(
        self,
        audio: AudioContract,
        conditioning: Conditioning,
        flow_dilations: tuple[tuple[int, ...], ...],
        filter_width: int = 3,
        residual_channels: int = 64,
        gate_channels: int = 64,
        noise: str = "logistic",
        source_taps: int = 0,
        seed: int = 0,
        source_points: int = 1,
        **kwargs,
    ) -> None:
        # The noise stays float32 under mixed precision: the networks cast
        # what they read, the flows compute with the noise itself.
        super().__init__(autocast=False, **kwargs)
        if noise not in NOISES:
            raise UserError(
                f"noise {noise!r} is not known; choose from {', '.join(NOISES)}"
            )
        self.audio = AudioContract.from_config(audio)
        self.conditioning = Conditioning.from_config(conditioning)
        self.flow_dilations = tuple(tuple(flow) for flow in flow_dilations)
        self.filter_width = filter_width
        self.residual_channels = residual_channels
        self.gate_channels = gate_channels
        self.noise = noise
        self.noise_family: type[NoiseFamily] = NOISES[noise]
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.conditioner = Conditioner(
            self.audio, self.conditioning, dtype=self.dtype_policy
        )
        self.source_taps = source_taps
        self.source_points = source_points
        self.source: SourceFilter | None = None
        initial_scale = _INITIAL_SCALE * self.audio.emphasised_std
        centre = math.log(initial_scale) / len(self.flow_dilations)
        std = self.noise_family.std
        if source_taps:
            self.conditioning.require_source(source_taps)
            self.source = SourceFilter(
                self.audio, source_taps, std, source_points
            )
            # What the networks read has the scale of speech already.
            centre, std = 0.0, std * initial_scale
        self.networks = [
            FlowNetwork(
                dilations,
                residual_channels,
                gate_channels,
                filter_width,
                centre,
                # Every flow scales its input by e^centre.
                std * math.exp(centre * index),
                self.conditioner.stride,
                dtype=self.dtype_policy,
            )
            for index, dilations in enumerate(self.flow_dilations)
        ]

    @classmethod
    def from_preset(
        cls,
        preset,
        audio: AudioContract | None = None,
        conditioning: Conditioning | None = None,
    ):
        """Builds the student of a preset.

        Args:
            preset: What `pwavenet_tf.preset` returned.
            audio: The teacher's; the preset's own, whose mel spectrogram is
                not normalised, if left out.
            conditioning: The teacher's; the preset's own, if left out.
        """
        return cls(
            audio or preset.audio,
            conditioning or preset.conditioning,
            **dataclasses.asdict(preset.student),
        )

    @property
    def receptive_field(self) -> int:
        """Samples of noise before t that x_t depends on."""
        fields = sum(network.receptive_field for network in self.networks)
        if self.source is not None:
            fields += self.source.receptive_field
        return fields + de_emphasis_memory(self.audio.pre_emphasis)

    @property
    def context_frames(self) -> int:
        """Frames on either side that a frame's samples depend on."""
        source = self.source.context_frames if self.source else 0
        return max(source, self.conditioner.context_frames)

    def build(self, input_shape=None) -> None:
        self.conditioner.build()
        shapes = self.conditioner.shapes_to_build
        for network in self.networks:
            network.build((None, None), **shapes)
        if self.source is not None:
            self.source.build()
        self.built = True

    def condition(self, inputs) -> dict:
        """What `Conditioner` and, if there is one, `SourceFilter` return."""
        conditioning = self.conditioner(inputs)
        if self.source is not None:
            source = self.source(inputs["mel"], inputs["sinusoids"])
            conditioning = conditioning | source
        return conditioning

    def flows(self, inputs) -> "list[InverseAutoregressiveFlow]":
        """The flows for a conditioning, as in `call`, in order."""
        # TensorFlow Probability is not loaded where it is not used: training
        # also works with a JAX that it does not support.
        from pwavenet_tf.models.bijectors import InverseAutoregressiveFlow

        return [
            InverseAutoregressiveFlow(function)
            for function in self._flow_functions(inputs)
        ]

    def _flow_functions(self, inputs) -> list[Callable]:
        """(μ, ln s) of each flow as a function of its input."""
        conditioning, source = by_reader(self.condition(inputs))
        functions: list[Callable] = [
            functools.partial(network.__call__, **conditioning)
            for network in self.networks
        ]
        if self.source is not None:
            functions.insert(0, functools.partial(self.source.flow, **source))
        return functions

    def call(self, inputs, flows: int | None = None):
        inputs = self.conditioner.with_encoding(inputs)
        noise = inputs.get("noise")
        if noise is None:
            noise = self.noise_family.from_uniforms(
                keras.random.uniform(
                    self._audio_shape(inputs),
                    dtype="float32",
                    seed=Key(next_key(self.seed_generator)),
                )
            )
        x = noise
        total_location = total_log_scale = ops.zeros_like(noise)
        for flow in self._flow_functions(inputs)[:flows]:
            location, log_scale = flow(x)
            scale = ops.exp(log_scale)
            x = affine_step(x, location, scale)
            total_location = affine_step(total_location, location, scale)
            total_log_scale = total_log_scale + log_scale
        if self.audio.pre_emphasis:
            x = de_emphasis(x, self.audio.pre_emphasis)
            total_location += self.audio.pre_emphasis * delayed(x)
        return {
            "audio": x,
            "location": total_location,
            "log_scale": total_log_scale,
            "noise": noise,
        }

    def _audio_shape(self, inputs) -> tuple:
        batch, frames, _ = ops.shape(_frames(inputs))
        return batch, frames * self.audio.hop_length

    def distribution(self, inputs) -> "tfd.TransformedDistribution":
        """The distribution of the audio as a TFP object.

        Args:
            inputs: The conditioning, as in `call`.

        Returns:
            A distribution over `(batch, time)` with `sample` (parallel) and
            `log_prob` (a density, nats; its inverse takes up to `time`
            passes through the network).
        """
        from pwavenet_tf.models.bijectors import DeEmphasis
        from pwavenet_tf.models.tfp import tfb, tfd

        inputs = self.conditioner.with_encoding(inputs)
        zeros = ops.zeros(self._audio_shape(inputs))
        return tfd.TransformedDistribution(
            tfd.Independent(self.noise_family.distribution(zeros), 1),
            tfb.Chain(
                [DeEmphasis(self.audio.pre_emphasis), *self.flows(inputs)[::-1]]
            ),
        )

    def log_prob(self, audio, inputs):
        """ln of the density of audio, exact, at O(layers) per sample.

        As `distribution(inputs).log_prob(audio)`, but the flows are inverted
        one sample after the other in one compiled loop. TensorFlow only, and
        without a gradient; in constant memory, whatever the length.

        Args:
            audio: `(batch, time)`.
            inputs: The conditioning, normalised as the contract says, for as
                many frames; a mel spectrogram may stand alone.

        Returns:
            `(batch,)`, nats.

        Raises:
            UserError: If audio or inputs do not suit the student.
        """
        from pwavenet_tf.models.inverse import CachedInverse

        if not hasattr(self, "_inverse"):
            self._inverse = CachedInverse(self)
        return self._inverse.log_prob(audio, inputs)

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """The encoding of a recording; see `Conditioner.encode`."""
        return self.conditioner.encode(audio)

    def copy_conditioner(self, teacher) -> None:
        """Initialises the shared conditioner with the teacher's weights.

        An upsampler that starts from random weights may saturate before the
        flows learn to use it.
        """
        if not self.built:
            self.build()
        self.conditioner.set_weights(teacher.conditioner.get_weights())

    def compute_output_shape(self, input_shape):
        batch, frames, _ = _frames(input_shape)
        time = None if frames is None else frames * self.audio.hop_length
        names = ("audio", "location", "log_scale", "noise")
        return dict.fromkeys(names, (batch, time))


def _frames(inputs):
    """Any series of frames among the inputs, or among their shapes."""
    return next(inputs[key] for key in FRAME_ARRAYS if key in inputs)
