"""The teacher: WaveNet."""

import dataclasses
from typing import cast

import keras
from keras import ops

from pwavenet_tf.audio.signal import delayed, pre_emphasis
from pwavenet_tf.core.config import AudioContract, Conditioning, TeacherConfig
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.models.conditioning import by_reader
from pwavenet_tf.models.distributions import HEADS, ContinuousHead
from pwavenet_tf.models.layers import GatedStack
from pwavenet_tf.models.linear_prediction import LinearPrediction
from pwavenet_tf.models.teacher import Teacher


@keras.saving.register_keras_serializable(package="pwavenet_tf")
class WaveNet(Teacher):
    """Autoregressive WaveNet (1609.03499; 1711.10433, section 2).

    Calls, loss and pre-emphasis are those of a `Teacher`.

    With `prediction_order` the network models what linear prediction leaves
    of the (pre-emphasised) audio, as in LPCNet (1810.11846) and LP-WaveNet
    (1811.11913): `LinearPrediction` gives the coefficients and a gain of each
    frame from its mel spectrogram, the network reads the prediction's past
    errors over the gain next to the past audio, and gives the distribution of
    the next error.

    Args:
        audio: The acoustic contract of its mel spectrograms.
        conditioning: What it is conditioned on besides the past audio.
        dilations: Dilation of each layer.
        filter_width: Filter width of the dilated convolutions, at least 2.
        residual_channels: Channels between the layers.
        gate_channels: Channels of each gate.
        skip_channels: Channels of the skip connections and of the layer
            before the output.
        head: The output distribution: `mixture_of_logistics` or `gaussian`
            over 16-bit PCM values, or `mu_law`, 256 classes, with which
            the network also reads the past as one-hot codes.
        mixture_components: Logistics in the mixture.
        prediction_order: Order of the linear prediction; 0 for none.

    Raises:
        UserError: If the head is not known, the filter width is below 2, the
            conditioning does not suit the contract, or there is nothing to
            predict from.

    Example:
        teacher = WaveNet.from_preset(preset("nano"), corpus.contract)
        teacher.compile("adam", jit_compile=True)
        teacher.fit(corpus.training_clips(...), steps_per_epoch=100)
    """

    sizes = TeacherConfig

    def __init__(
        self,
        audio: AudioContract,
        conditioning: Conditioning,
        dilations: tuple[int, ...],
        filter_width: int = 3,
        residual_channels: int = 64,
        gate_channels: int = 64,
        skip_channels: int = 64,
        head: str = "mixture_of_logistics",
        mixture_components: int = 10,
        prediction_order: int = 0,
        **kwargs,
    ) -> None:
        super().__init__(
            audio, conditioning, head, mixture_components, **kwargs
        )
        if filter_width < 2:
            raise UserError(
                f"filter_width is {filter_width}; a WaveNet needs at least 2"
            )
        self.dilations = tuple(dilations)
        self.filter_width = filter_width
        self.residual_channels = residual_channels
        self.gate_channels = gate_channels
        self.skip_channels = skip_channels
        self.prediction_order = prediction_order
        self.prediction: LinearPrediction | None = None
        if prediction_order:
            self._require_predictable()
            self.prediction = LinearPrediction(self.audio, prediction_order)
        self.stack = GatedStack(
            self.dilations,
            residual_channels,
            gate_channels,
            skip_channels,
            filter_width,
            self.input_std,
            self.conditioner.stride,
            # The past is learnt first: it is harder to learn under random
            # projections of the conditioning.
            conditioning_initializer="zeros",
            dtype=self.dtype_policy,
        )
        self.before_output = keras.layers.Dense(
            skip_channels, dtype=self.dtype_policy
        )
        self._make_output()

    @classmethod
    def suited_sizes(cls, sizes, conditioning: Conditioning):
        """As in the base class: linear prediction needs mel and location."""
        continuous = issubclass(HEADS[sizes.head], ContinuousHead)
        if "mel" in conditioning.inputs and continuous:
            return sizes
        return dataclasses.replace(sizes, prediction_order=0)

    def _require_predictable(self) -> None:
        if "mel" not in self.conditioning.inputs:
            raise UserError(
                "linear prediction takes the spectral envelope from the mel "
                "spectrogram, which the conditioning lacks; use "
                "prediction_order=0"
            )
        if not issubclass(self.head_class, ContinuousHead):
            raise UserError(
                f"the head {self.head} has no location for a prediction to "
                "shift; use another head, or prediction_order=0"
            )

    @property
    def receptive_field(self) -> int:
        """Samples before t that the distribution of x_t depends on."""
        return self.stack.receptive_field + self.prediction_order

    @property
    def input_std(self) -> float:
        """As in the base class; errors of prediction are in units of gain."""
        return 1.0 if self.prediction_order else super().input_std

    def build(self, input_shape=None) -> None:
        self.conditioner.build()
        shapes = self.conditioner.shapes_to_build
        channels = self.head_class.input_channels()
        if self.prediction is not None:
            channels += 1
        self.stack.build((None, None, channels), **shapes)
        skip = (None, None, self.skip_channels)
        self.before_output.build(skip)
        self.output_parameters.build(skip)
        self.built = True

    def layer_conditioning(self, inputs) -> dict:
        """As in the base class, with what `LinearPrediction` returns."""
        conditioning = super().layer_conditioning(inputs)
        if self.prediction is not None:
            conditioning |= self.prediction(inputs["mel"])
        return conditioning

    def parameters_given(self, audio, conditioning: dict):
        audio = ops.cast(audio, "float32")
        of_stack, of_prediction = by_reader(conditioning)
        series = pre_emphasis(audio, self.audio.pre_emphasis)
        if self.prediction is None:
            past, predicted = self.head_class.network_input(series), None
        else:
            predicted = self.prediction.located(series, **of_prediction)
            past = self.network_input(series, *predicted)
        past = ops.cast(past, self.compute_dtype)
        x = ops.relu(self.stack(past, **of_stack))
        x = ops.relu(self.before_output(x))
        parameters = self.output_parameters(ops.cast(x, "float32"))
        if predicted is not None:
            head = cast(type[ContinuousHead], self.head_class)
            parameters = head.placed(parameters, *predicted)
        return self.undo_pre_emphasis(parameters, delayed(audio))

    def network_input(self, series, location, log_gain):
        """What the stack reads where there is linear prediction.

        From y, the audio or its pre-emphasis, its prediction and the latter's
        ln gain, all `(...)`.

        Returns:
            `(..., 2)`: the prediction's error over the gain, which is
            compressed far from 0, where features do not suit the audio; and y
            over its standard deviation.
        """
        error = (series - location) * ops.exp(-log_gain)
        scaled = series / super().input_std
        return ops.stack([ops.arcsinh(error), scaled], axis=-1)
