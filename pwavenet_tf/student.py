"""The student: inverse autoregressive flows over logistic noise."""

import dataclasses
import functools
import math

import keras
from keras import ops

from pwavenet_tf.bijectors import InverseAutoregressiveFlow
from pwavenet_tf.config import AudioContract, StudentConfig
from pwavenet_tf.flow_network import FlowNetwork
from pwavenet_tf.ops import standard_logistic
from pwavenet_tf.substrate import tfb, tfd
from pwavenet_tf.upsampling import Upsampler

# The scale of an untrained student's samples, about a recording's level.
_INITIAL_SCALE = 0.05

# The standard deviation of Logistic(0, 1).
_NOISE_DEVIATION = math.pi / math.sqrt(3.0)


@keras.saving.register_keras_serializable(package="pwavenet_tf")
class ParallelWaveNet(keras.Model):
    """Parallel WaveNet's student (1711.10433, section 3).

    Logistic noise z passes through a chain of inverse autoregressive flows,
    x^i_t = x^{i-1}_t · s^i_t + μ^i_t, all in the same order of time. So
    x_t given z_<t is one logistic, with ln s_tot = Σ_i ln s^i and
    μ_tot = Σ_i μ^i Π_{j>i} s^j, and x = μ_tot + s_tot · z.

    Args:
        audio: The acoustic contract of the mel spectrograms it is given.
        flow_dilations: Dilations of each flow's layers, a tuple for each.
        filter_width: Filter width of the dilated convolutions.
        residual_channels: Channels between the layers.
        gate_channels: Channels behind each gate.
        upsampling: Factors of the mel upsampler, which all flows share;
            their product is the hop length.
        conditioning_channels: Channels of the upsampled conditioning.
        seed: Seed of the noise that `call` draws when it is given none.

    Call arguments:
        inputs: `{"mel": (batch, frames, mels)}` and, if the noise is to be
            given, `"noise": (batch, time)` of Logistic(0, 1), where time =
            frames * hop length. Other keys are ignored.

    Returns:
        `{"audio", "location", "log_scale", "noise"}`, each `(batch, time)`
        and float32: x, μ_tot, ln s_tot and z. `audio` is neither rounded nor
        clipped.

    Raises:
        UserError: If `upsampling` does not multiply to the hop length.
    """

    def __init__(
        self,
        audio: AudioContract,
        flow_dilations: tuple[tuple[int, ...], ...],
        filter_width: int = 3,
        residual_channels: int = 64,
        gate_channels: int = 64,
        upsampling: tuple[int, ...] = (10, 20),
        conditioning_channels: int = 32,
        seed: int = 0,
        **kwargs,
    ) -> None:
        # The noise stays float32 under mixed precision: the networks cast
        # what they read, the flows compute with the noise itself.
        super().__init__(autocast=False, **kwargs)
        self.audio = AudioContract.from_config(audio)
        self.audio.require_upsampling(upsampling)
        self.flow_dilations = tuple(tuple(flow) for flow in flow_dilations)
        self.filter_width = filter_width
        self.residual_channels = residual_channels
        self.gate_channels = gate_channels
        self.upsampling = tuple(upsampling)
        self.conditioning_channels = conditioning_channels
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.upsampler = Upsampler(
            conditioning_channels, self.upsampling, dtype=self.dtype_policy
        )
        centre = math.log(_INITIAL_SCALE) / len(self.flow_dilations)
        self.networks = [
            FlowNetwork(
                dilations,
                residual_channels,
                gate_channels,
                filter_width,
                centre,
                # Every flow hands on its input at e^centre of its level.
                _NOISE_DEVIATION * math.exp(centre * index),
                dtype=self.dtype_policy,
            )
            for index, dilations in enumerate(self.flow_dilations)
        ]

    @classmethod
    def from_preset(cls, preset, audio: AudioContract | None = None):
        """Builds the student of a preset; `audio` with a corpus's statistics.

        Args:
            preset: What `pwavenet_tf.preset` returned.
            audio: `corpus.contract`; the preset's own, whose mel spectrogram
                is not normalised, if left out.
        """
        config: StudentConfig = preset.student
        return cls(audio or preset.audio, **dataclasses.asdict(config))

    @property
    def receptive_field(self) -> int:
        """Samples of noise before t that x_t depends on."""
        return sum(network.receptive_field for network in self.networks)

    def build(self, input_shape=None) -> None:
        conditioning = (None, None, self.conditioning_channels)
        self.upsampler.build((None, None, self.audio.mels))
        for network in self.networks:
            network.build((None, None), conditioning)
        self.built = True

    def flows(self, mel) -> list[InverseAutoregressiveFlow]:
        """The flows for a mel spectrogram `(batch, frames, mels)`, in order."""
        conditioning = self.upsampler(mel)
        return [
            InverseAutoregressiveFlow(
                functools.partial(network, conditioning=conditioning)
            )
            for network in self.networks
        ]

    def call(self, inputs):
        mel = inputs["mel"]
        noise = inputs.get("noise")
        if noise is None:
            time = ops.shape(mel)[1] * self.audio.hop_length
            noise = standard_logistic(
                keras.random.uniform(
                    (ops.shape(mel)[0], time),
                    dtype="float32",
                    seed=self.seed_generator,
                )
            )
        x, total_location = noise, ops.zeros_like(noise)
        total_log_scale = ops.zeros_like(noise)
        for flow in self.flows(mel):
            location, log_scale = flow.location_and_log_scale(x)
            scale = ops.exp(log_scale)
            x = x * scale + location
            total_location = total_location * scale + location
            total_log_scale = total_log_scale + log_scale
        return {
            "audio": x,
            "location": total_location,
            "log_scale": total_log_scale,
            "noise": noise,
        }

    def distribution(self, mel) -> tfd.TransformedDistribution:
        """The distribution of the audio as a TFP object.

        Args:
            mel: `(batch, frames, mels)`.

        Returns:
            A distribution over `(batch, time)` with `sample` (parallel) and
            `log_prob` (a density, nats; its inverse is found by up to `time`
            passes over the network).
        """
        shape = ops.shape(mel)
        zeros = ops.zeros((shape[0], shape[1] * self.audio.hop_length))
        return tfd.TransformedDistribution(
            tfd.Independent(tfd.Logistic(zeros, ops.ones_like(zeros)), 1),
            tfb.Chain(self.flows(mel)[::-1]),
        )

    def copy_upsampler(self, teacher) -> None:
        """Starts the shared upsampler from the teacher's weights.

        An upsampler that starts from random weights may saturate before the
        flows learn to listen to it.
        """
        self.upsampler.set_weights(teacher.upsampler.get_weights())

    def compute_output_shape(self, input_shape):
        batch, frames, _ = input_shape["mel"]
        time = None if frames is None else frames * self.audio.hop_length
        names = ("audio", "location", "log_scale", "noise")
        return dict.fromkeys(names, (batch, time))

    def get_config(self):
        return super().get_config() | {
            "audio": dataclasses.asdict(self.audio),
            "flow_dilations": self.flow_dilations,
            "filter_width": self.filter_width,
            "residual_channels": self.residual_channels,
            "gate_channels": self.gate_channels,
            "upsampling": self.upsampling,
            "conditioning_channels": self.conditioning_channels,
            "seed": self.seed,
        }
