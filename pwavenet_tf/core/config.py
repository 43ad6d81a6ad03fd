"""Frozen settings of audio, conditioning, teacher and student."""

import dataclasses
import math
from typing import TypeVar, cast

from pwavenet_tf.core.errors import UserError

# What a model can be conditioned on, and the arrays of each.
INPUT_ARRAYS = {
    "mel": ("mel",),
    "linguistic": ("phones", "timing"),
    "pitch": ("pitch",),
    "sinusoids": ("sinusoids",),
    "encoding": ("encoding",),
    "speaker": ("speaker",),
}
CONDITIONING_INPUTS = tuple(INPUT_ARRAYS)
# Values of a frame, where they are always the same; a speaker has none. For
# all of them see `Conditioning.widths`.
ARRAY_WIDTHS = {"phones": 3, "timing": 2, "pitch": 2, "sinusoids": 3}
FRAME_ARRAYS = ("mel", *ARRAY_WIDTHS, "encoding")

HEADS = ("mixture_of_logistics", "mu_law", "gaussian")

# 1704.01279, section 2.1: 30 layers in three rounds.
NSYNTH_DILATIONS = tuple(2**layer for layer in range(10)) * 3

S = TypeVar("S", bound="Settings")

# Of speech at 16 to 24 kHz, about.
_NEIGHBOURS_CORRELATION = 0.9


class Settings:
    """Frozen settings, which files hold as a dict."""

    @classmethod
    def from_config(cls: type[S], config: "S | dict") -> S:
        """Settings as they are, or from their form in a file."""
        if isinstance(config, cls):
            return config
        return cls(**cast(dict, config))

    def _make_tuples(self, *names: str) -> None:
        """Makes tuples of fields: JSON has lists where Python has tuples."""
        for name in names:
            object.__setattr__(self, name, tuple(getattr(self, name)))


@dataclasses.dataclass(frozen=True)
class AudioContract(Settings):
    """The acoustic contract: how audio becomes a mel spectrogram and back.

    It is written into the corpus card, every saved model and every export.
    Training, distillation and evaluation refuse a corpus, a teacher and a
    student of unequal contracts. Synthesis resamples recordings to the
    contract's rate; of a mel spectrogram from a file it can judge the width
    and the values alone.

    Frame `f` of the mel spectrogram stands for the samples
    `[f * hop_length, (f + 1) * hop_length)`: audio is zero-padded by
    `(fft_length - hop_length) / 2` on both sides, so that the frame's window
    is centred on those samples. Audio of `n` samples has
    `ceil(n / hop_length)` frames.

    Attributes:
        sample_rate: Samples per second, Hz.
        hop_length: Samples between neighbouring frames.
        window_length: Samples under the (periodic) Hann window.
        fft_length: Samples of the zero-padded Fourier transform.
        mels: Number of mel bands (Slaney's scale and area normalisation).
        lowest_hz: Lower edge of the lowest band, Hz.
        highest_hz: Upper edge of the highest band, Hz.
        magnitude_floor: Mel magnitudes are raised to this before the natural
            logarithm.
        mel_mean: Mean of each band's log magnitude over the corpus; empty
            for a mel spectrogram that is not normalised.
        mel_deviation: Standard deviation of each band; empty likewise.
        pre_emphasis: a in y_t = x_t - a x_{t-1}, the series that networks
            predict and flows generate, 0 to below 1; 0 for the audio itself.
            The mel spectrogram is that of the audio whatever it is.
    """

    sample_rate: int = 16_000
    hop_length: int = 200
    window_length: int = 800
    fft_length: int = 1_024
    mels: int = 80
    lowest_hz: float = 0.0
    highest_hz: float = 8_000.0
    magnitude_floor: float = 1e-5
    mel_mean: tuple[float, ...] = ()
    mel_deviation: tuple[float, ...] = ()
    # Older files have none.
    pre_emphasis: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.pre_emphasis < 1.0:
            raise UserError(
                f"audio contract: pre_emphasis is {self.pre_emphasis}; it "
                "must be at least 0 and below 1, usually 0.85 to 0.97"
            )
        statistics = "mel_mean", "mel_deviation"
        self._make_tuples(*statistics)
        for name in statistics:
            count = len(getattr(self, name))
            if count not in (0, self.mels):
                raise UserError(
                    f"audio contract: {name} has {count} values for "
                    f"{self.mels} mel bands; give one for each"
                )
        if not self.hop_length <= self.window_length <= self.fft_length:
            raise UserError(
                "audio contract: hop_length <= window_length <= fft_length "
                f"must hold, but they are {self.hop_length}, "
                f"{self.window_length}, {self.fft_length}"
            )

    def require_upsampling(self, factors: tuple[int, ...]) -> None:
        """Refuses upsampling factors whose product does not divide one hop.

        Raises:
            UserError: If it does not.
        """
        if self.hop_length % math.prod(factors):
            raise UserError(
                f"upsampling {tuple(factors)} multiplies to "
                f"{math.prod(factors)}, but the hop length is "
                f"{self.hop_length}; choose factors whose product divides it"
            )

    @property
    def margin_frames(self) -> int:
        """Frames that a mel frame's window extends beyond its own, at most."""
        return math.ceil(self.fft_length / (2 * self.hop_length))

    @property
    def emphasised_std(self) -> float:
        """Standard deviation of pre-emphasised speech over that of speech.

        sqrt(1 + a² - 2 a ρ), where ρ is the correlation of neighbouring
        samples.
        """
        a = self.pre_emphasis
        return math.sqrt(1.0 + a * a - 2.0 * a * _NEIGHBOURS_CORRELATION)

    def frames(self, samples: int) -> int:
        """The number of mel frames of audio that has so many samples."""
        return math.ceil(samples / self.hop_length)

    def differences(self, other: "AudioContract") -> list[str]:
        """Names and values of the fields in which two contracts differ."""
        theirs = vars(other)
        return [
            f"{name} (statistics of another corpus)"
            if isinstance(mine, tuple)
            else f"{name} ({mine} against {theirs[name]})"
            for name, mine in vars(self).items()
            if mine != theirs[name]
        ]

    def feature_differences(self, other: "AudioContract") -> list[str]:
        """As `differences`, of what the features depend on.

        Pre-emphasis may differ: it is a model's own, and neither the audio
        nor the mel spectrogram depends on it.
        """
        return self.differences(
            dataclasses.replace(other, pre_emphasis=self.pre_emphasis)
        )

    def require_equal(
        self, other: "AudioContract", mine: str, theirs: str
    ) -> None:
        """Refuses a contract of other features, naming what differs.

        Raises:
            UserError: If there is a difference. `mine` and `theirs` name the
                two places in the message.
        """
        if differences := self.feature_differences(other):
            raise UserError(
                f"{mine} and {theirs} do not share one acoustic contract: "
                f"{', '.join(differences)}; prepare the data or train the "
                "model again so that both agree"
            )


@dataclasses.dataclass(frozen=True)
class Conditioning(Settings):
    """What a model is conditioned on (WaveNet, section 2.5).

    Attributes:
        inputs: Any of `mel` (the mel spectrogram), `linguistic` (the phone
            with its neighbours, the position in it, its duration), `pitch`
            (log F0 and voicing), `sinusoids` (sinusoids at the harmonics of
            F0, as in neural source-filter models, 1904.12088), `encoding` (of
            the audio, by an encoder that is trained with the model, as in
            NSynth, 1704.01279) and `speaker`. None at all makes an
            unconditional model.
        channels: Channels of the upsampled series and of a speaker's vector.
        upsampling: Strides of the learned upsampling. If their product is
            the hop length, there is one vector for each sample; if it is a
            divisor of it, each vector is repeated for the rest, and every
            layer's projection costs as much less. Empty to repeat every
            frame.
        frame_layers: Convolutions over three frames each before the learned
            upsampling; every one of them looks one frame further ahead.
        phones: The phones, known by their places in this list, from 1 on.
        speakers: The speakers, known by their places in this list, from 0 on.
        mean_pitch_hz: The geometric mean of F0 over the corpus, Hz: pitch is
            given relative to it.
        harmonics: How many sinusoids there are, from F0 upwards.
        encoding_channels: Channels of the encoding.
        encoder_channels: Channels of the encoder's layers.
        encoder_dilations: Dilation of each of them; as in NSynth, if left out.

    Raises:
        UserError: If there is no such input, or a number is out of range.
    """

    inputs: tuple[str, ...] = ("mel",)
    channels: int = 32
    upsampling: tuple[int, ...] = ()
    frame_layers: int = 1
    phones: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()
    mean_pitch_hz: float | None = None
    harmonics: int = 8
    encoding_channels: int = 16
    encoder_channels: int = 128
    encoder_dilations: tuple[int, ...] = NSYNTH_DILATIONS

    def __post_init__(self) -> None:
        lists = "inputs upsampling phones speakers encoder_dilations"
        self._make_tuples(*lists.split())
        for name in self.inputs:
            if name not in CONDITIONING_INPUTS:
                raise UserError(
                    f"conditioning on {name!r} is not known; choose from "
                    f"{', '.join(CONDITIONING_INPUTS)}"
                )
        counts = "frame_layers harmonics encoding_channels encoder_channels"
        for name in counts.split():
            if getattr(self, name) < 1:
                raise UserError(
                    f"conditioning: {name} is {getattr(self, name)}; it must "
                    "be at least 1"
                )
        if min(self.encoder_dilations, default=1) < 1:
            raise UserError(
                "conditioning: encoder_dilations are "
                f"{self.encoder_dilations}; each must be at least 1"
            )

    @property
    def encoder_context(self) -> int:
        """Samples on either side of a frame that its encoding depends on."""
        return 1 + sum(self.encoder_dilations)

    def widths(self, mels: int) -> dict[str, int]:
        """The values of a frame, by array, with the contract's `mels`."""
        return ARRAY_WIDTHS | {"mel": mels, "encoding": self.encoding_channels}

    def require_vocabulary(self) -> None:
        """Refuses linguistic features without phones, speakers unnamed.

        Raises:
            UserError: If a list that is needed is empty.
        """
        lists = {"linguistic": self.phones, "speaker": self.speakers}
        for name, listed in lists.items():
            if name in self.inputs and not listed:
                raise UserError(
                    f"conditioning on {name} features needs the corpus's own "
                    "list of them; build the model with "
                    "conditioning=corpus.conditioning(preset.conditioning)"
                )

    def require_source(self, taps: int) -> None:
        """Refuses a source-filter flow of odd taps or without its inputs.

        Raises:
            UserError: If it cannot be made for this conditioning.
        """
        if taps < 2 or taps % 2:
            raise UserError(
                f"a source-filter flow of {taps} taps; it needs an even number"
            )
        missing = {"mel", "sinusoids"} - set(self.inputs)
        if missing:
            raise UserError(
                "a source-filter flow reads the mel spectrogram and F0, but "
                f"this conditioning lacks {' and '.join(sorted(missing))}; "
                "prepare and train with --conditioning=mel,sinusoids"
            )

    def of_corpus(
        self,
        phones: tuple[str, ...],
        speakers: tuple[str, ...],
        mean_pitch_hz: float | None,
    ) -> "Conditioning":
        """This conditioning with a corpus's phones, speakers and pitch.

        Raises:
            UserError: If the corpus lacks what an input needs.
        """
        needed = {
            "linguistic": phones,
            "pitch": mean_pitch_hz,
            "sinusoids": mean_pitch_hz,
            "speaker": speakers,
        }
        for name in self.inputs:
            if not needed.get(name, True):
                raise UserError(
                    f"the data hold no {name} features; prepare them with "
                    f"--conditioning={','.join(self.inputs)}, or train "
                    "without"
                )
        return dataclasses.replace(
            self,
            phones=phones if "linguistic" in self.inputs else (),
            speakers=speakers if "speaker" in self.inputs else (),
            mean_pitch_hz=mean_pitch_hz if "pitch" in self.inputs else None,
        )


@dataclasses.dataclass(frozen=True)
class TeacherConfig:
    """Sizes of the WaveNet teacher; see `pwavenet_tf.WaveNet`."""

    dilations: tuple[int, ...]
    filter_width: int
    residual_channels: int
    gate_channels: int
    skip_channels: int
    head: str = "mixture_of_logistics"
    mixture_components: int = 10
    prediction_order: int = 0


@dataclasses.dataclass(frozen=True)
class SampleRNNConfig:
    """Sizes of a SampleRNN teacher; see `pwavenet_tf.SampleRNN`."""

    frame_sizes: tuple[int, ...]
    units: int
    embedding_channels: int = 256
    head: str = "mixture_of_logistics"
    mixture_components: int = 10


@dataclasses.dataclass(frozen=True)
class StudentConfig:
    """Sizes of the student's flows; see `pwavenet_tf.ParallelWaveNet`."""

    flow_dilations: tuple[tuple[int, ...], ...]
    filter_width: int
    residual_channels: int
    gate_channels: int
    noise: str = "logistic"
    source_taps: int = 0
    source_points: int = 1
