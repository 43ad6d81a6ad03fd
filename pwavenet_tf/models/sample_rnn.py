"""A second teacher: SampleRNN (Mehri et al., 1612.07837)."""

from typing import Any, NamedTuple

import keras
from keras import ops

from pwavenet_tf.audio.signal import MU_LAW_CODES, mu_law_encode, pre_emphasis
from pwavenet_tf.core.config import AudioContract, Conditioning, SampleRNNConfig
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.models.arguments import KeepsArguments
from pwavenet_tf.models.distributions import ContinuousHead
from pwavenet_tf.models.gru import GRU
from pwavenet_tf.models.layers import CausalConvolution
from pwavenet_tf.models.teacher import Teacher

# The published code scales 8-bit codes to [-2, 2).
_CODE_SCALE = 2.0


@keras.saving.register_keras_serializable(package="pwavenet_tf")
class FrameTier(KeepsArguments, keras.layers.Layer):
    """A frame-level module (1612.07837, section 2.1).

        inp_t = W_x f_t + c_t + V y_t          c from the tier above
        h_t = GRU(h_{t-1}, inp_t)
        c_{(t-1) r + j} = W_j h_t,  1 <= j <= r     learned upsampling

    f_t is the frame before the one that c is for. The paper conditions on
    nothing and gives the top tier's frames to its GRU as they are; here they
    are projected there too, so that the conditioning V y_t, that of the
    frame's first sample, can be added. inp, h and c have `units` channels.

    Call arguments:
        frames: f, `(batch, frames, frame_size)`.
        above: c of the tier above, `(batch, frames, units)`, or `None`.
        conditioning: y, `(batch, frames, channels)`, or `None`.
        speaker: `(batch, 1, channels)`, the same for all time, or `None`.
        sinusoids: `(batch, frames, harmonics)`, or `None`.
        initial: h_0, `(batch, units)`; a learned one if `None`.

    Returns:
        c, `(batch, frames * ratio, units)`, and the last h, `(batch, units)`.
    """

    def __init__(
        self, frame_size: int, units: int, ratio: int, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        self.frame_size = frame_size
        self.units = units
        self.ratio = ratio
        policy = self.dtype_policy
        self.samples = keras.layers.Dense(units, dtype=policy)
        # Built only where there is something to project. The past is learnt
        # first, as in WaveNet.
        self.conditioning, self.speaker, self.sinusoids = (
            keras.layers.Dense(
                units, use_bias=False, kernel_initializer="zeros", dtype=policy
            )
            for _ in range(3)
        )
        self.gru = GRU(units, dtype=policy)
        self.upsampling = keras.layers.Dense(ratio * units, dtype=policy)

    def build(
        self,
        frames_shape,
        above_shape=None,
        conditioning_shape=None,
        speaker_shape=None,
        sinusoids_shape=None,
        initial_shape=None,
    ) -> None:
        inner = (*frames_shape[:-1], self.units)
        for layer, shape in (
            (self.samples, frames_shape),
            (self.conditioning, conditioning_shape),
            (self.speaker, speaker_shape),
            (self.sinusoids, sinusoids_shape),
            (self.gru, inner),
            (self.upsampling, inner),
        ):
            if shape is not None:
                layer.build(shape)
        self.initial_hidden = self.add_weight(
            name="initial_hidden", shape=(self.units,), initializer="zeros"
        )

    def call(
        self,
        frames,
        above=None,
        conditioning=None,
        speaker=None,
        sinusoids=None,
        initial=None,
    ):
        inputs = self.samples(frames)
        if above is not None:
            inputs = inputs + above
        for layer, x in (
            (self.conditioning, conditioning),
            (self.speaker, speaker),
            (self.sinusoids, sinusoids),
        ):
            if x is not None:
                inputs = inputs + layer(x)
        if initial is None:
            initial = self.initial(ops.shape(frames)[0])
        hidden = self.gru(inputs, initial)
        batch, count = ops.shape(frames)[0], ops.shape(frames)[1]
        upsampled = ops.reshape(
            self.upsampling(hidden), (batch, count * self.ratio, self.units)
        )
        return upsampled, hidden[:, -1]

    def initial(self, batch: int):
        """The learned h_0 for a batch of rows, `(batch, units)`."""
        return ops.broadcast_to(self.initial_hidden, (batch, self.units))

    def compute_output_shape(self, frames_shape, *others, **more_others):
        batch, count, _ = frames_shape
        upsampled = (batch, count and count * self.ratio, self.units)
        return upsampled, (batch, self.units)


class RecurrentState(NamedTuple):
    """What a SampleRNN carries from one segment of audio to the next.

    The last samples, float32 `(batch, largest frame + 1)`; h of each tier, the
    top one first, `(batch, units)` each.
    """

    recent: Any
    hidden: tuple


@keras.saving.register_keras_serializable(package="pwavenet_tf")
class SampleRNN(Teacher):
    """SampleRNN (1612.07837): tiers of GRUs over frames, and an MLP.

    Each frame-level tier reads the frame before and what the tier above makes
    of its own; the sample-level network (section 2.2) reads the last samples
    and the lowest tier's c:

        p(x_t | x_<t) = MLP(W_x [e_{t-FS} … e_{t-1}] + c_t)

    with FS the lowest tier's frame size, and e embedded codes (`mu_law`) or
    the samples themselves (continuous heads). The MLP has two
    hidden layers with ReLU and, last, the head's parameters. The initial
    states of the GRUs are learned; there is no weight normalisation.

    The distribution of x_t depends on all of the past. In a call that past
    begins with the clip, in silence; `continued` begins with a given state.
    Calls, loss and pre-emphasis are those of a `Teacher`.

    Args:
        audio: The acoustic contract of its mel spectrograms.
        conditioning: What its frame-level tiers are conditioned on.
        frame_sizes: Samples of a frame of each frame-level tier, the top one
            first, each a multiple of the next.
        units: Channels of all tiers and of the MLP.
        embedding_channels: Of the embedded codes; other heads have none.
        head: As in `Teacher`.
        mixture_components: Logistics in the mixture.

    Raises:
        UserError: If the head is not known, the frame sizes are no multiples,
            or the conditioning does not suit the contract or is an encoding.

    Example:
        teacher = SampleRNN.from_preset(preset("samplernn"), corpus.contract)
        train_teacher(corpus, preset("samplernn"), "run")
    """

    sizes = SampleRNNConfig

    def __init__(
        self,
        audio: AudioContract,
        conditioning: Conditioning,
        frame_sizes: tuple[int, ...] = (16, 4),
        units: int = 1_024,
        embedding_channels: int = 256,
        head: str = "mixture_of_logistics",
        mixture_components: int = 10,
        **kwargs,
    ) -> None:
        super().__init__(
            audio, conditioning, head, mixture_components, **kwargs
        )
        if "encoding" in self.conditioning.inputs:
            raise UserError(
                "a SampleRNN is trained on segments without the audio around "
                "them, which an encoder reads; choose the preset of a WaveNet, "
                "such as nsynth-small, or another --conditioning"
            )
        self.frame_sizes = tuple(frame_sizes)
        _require_multiples(self.frame_sizes)
        self.units = units
        self.embedding_channels = embedding_channels
        policy = self.dtype_policy
        self.tiers = [
            FrameTier(size, units, size // lower, dtype=policy)
            for size, lower in zip(
                self.frame_sizes, (*self.frame_sizes[1:], 1), strict=True
            )
        ]
        self.embedding: keras.layers.Dense | None = None
        if self.reads_codes:
            self.embedding = keras.layers.Dense(
                embedding_channels, use_bias=False, dtype=policy
            )
        self.samples = CausalConvolution(
            units, self.frame_sizes[-1], dtype=policy
        )
        self.hidden_layers = [
            keras.layers.Dense(units, activation="relu", dtype=policy)
            for _ in range(2)
        ]
        self._make_output()

    @property
    def reads_codes(self) -> bool:
        """Whether the past is read as 8-bit codes."""
        return not issubclass(self.head_class, ContinuousHead)

    def build(self, input_shape=None) -> None:
        self.conditioner.build()
        shapes = self.conditioner.shapes_to_build
        for tier in self.tiers:
            tier.build((None, None, tier.frame_size), **shapes)
        channels = self.head_class.input_channels()
        if self.embedding is not None:
            self.embedding.build((None, None, channels))
            channels = self.embedding_channels
        self.samples.build((None, None, channels))
        for layer in (*self.hidden_layers, self.output_parameters):
            layer.build((None, None, self.units))
        self.built = True

    def parameters_given(self, audio, conditioning: dict):
        batch = ops.shape(audio)[0]
        return self.continued(audio, conditioning, self.initial_state(batch))[0]

    def initial_state(self, batch: int) -> RecurrentState:
        """The state before the first sample: silence, and the learned h_0."""
        recent = ops.zeros((batch, self.frame_sizes[0] + 1))
        hidden = tuple(tier.initial(batch) for tier in self.tiers)
        return RecurrentState(recent, hidden)

    def continued(
        self, audio, conditioning: dict, state: RecurrentState
    ) -> tuple:
        """As `parameters_given`, for audio that continues other audio.

        From the state after the audio before, and what `layer_conditioning`
        returned for this audio; returns also the state after this
        one, which is right where time is a multiple of the largest frame.
        """
        audio = ops.cast(audio, "float32")
        length, top = ops.shape(audio)[1], self.frame_sizes[0]
        audio = ops.pad(audio, [[0, 0], [0, -length % top]])
        known = ops.concatenate([state.recent, audio], axis=1)
        series = pre_emphasis(known, self.audio.pre_emphasis)[:, 1:]
        above, hidden = None, []
        for tier, initial in zip(self.tiers, state.hidden, strict=True):
            above, last = tier(
                self._frames(series, tier.frame_size),
                above,
                **self.at_frames(conditioning, tier.frame_size, length),
                initial=initial,
            )
            hidden.append(last)
        parameters = self._sample_level(series, above)[:, :length]
        last = known[:, top : top + length]
        parameters = self.undo_pre_emphasis(parameters, last)
        state = RecurrentState(known[:, -(top + 1) :], tuple(hidden))
        return parameters, state

    def _frames(self, series, size: int):
        """The frame before each frame, `(batch, frames, size)`."""
        top = self.frame_sizes[0]
        before = self.frame_values(series)[:, top - size : -size]
        batch, length = ops.shape(before)[0], ops.shape(before)[1]
        frames = ops.reshape(before, (batch, length // size, size))
        return ops.cast(frames, self.compute_dtype)

    def frame_values(self, series):
        """Pre-emphasised audio as a tier reads it, of about unit scale.

        Both are float32 `(...)`.
        """
        if not self.reads_codes:
            return series / self.input_std
        codes = ops.cast(mu_law_encode(series), "float32")
        half = MU_LAW_CODES / 2.0
        return _CODE_SCALE * (codes - half) / half

    def at_frames(self, conditioning: dict, size: int, length: int) -> dict:
        """The conditioning of the first sample of each frame of `size` samples.

        From what `layer_conditioning` returned for audio of `length` samples;
        frames after it have the last one's.
        """
        top = self.frame_sizes[0]
        count = (length + -length % top) // size
        chosen = {}
        for name, x in conditioning.items():
            if name != "speaker":
                stride = length // ops.shape(x)[1]
                places = ops.arange(count, dtype="int32") * size // stride
                last = ops.shape(x)[1] - 1
                x = ops.take(x, ops.minimum(places, last), axis=1)
            chosen[name] = x
        return chosen

    def _sample_level(self, series, above):
        """The network's output for each sample (section 2.2)."""
        top, size = self.frame_sizes[0], self.frame_sizes[-1]
        x = self.embedded(series[:, top - size : -1])
        # The first samples have too few before them and are known.
        x = self.samples(x)[:, size - 1 :] + above
        for layer in self.hidden_layers:
            x = layer(x)
        return self.output_parameters(ops.cast(x, "float32"))

    def embedded(self, series):
        """Pre-emphasised audio as the sample-level network reads it.

        From float32 `(batch, time)` to `(batch, time, channels)`.
        """
        if self.embedding is None:
            values = self.frame_values(series)[..., None]
            return ops.cast(values, self.compute_dtype)
        code = self.head_class.network_input(series)
        return self.embedding(ops.cast(code, self.compute_dtype))


def _require_multiples(frame_sizes: tuple[int, ...]) -> None:
    larger, smaller = frame_sizes, (*frame_sizes[1:], 1)
    if not frame_sizes or any(
        one <= other or one % other
        for one, other in zip(larger, smaller, strict=True)
    ):
        raise UserError(
            f"frame_sizes is {frame_sizes}; name one or more, each a multiple "
            "of the next and the last above 1, such as (16, 4)"
        )
