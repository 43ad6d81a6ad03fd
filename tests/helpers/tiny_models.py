"""Teachers and students small enough for exact checks, and their inputs."""

import dataclasses

import numpy as np

from pwavenet_tf.core.config import AudioContract, Conditioning
from pwavenet_tf.models.acoustic_model import AcousticConfig, AcousticModel
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.models.phone_classifier import PhoneClassifier
from pwavenet_tf.models.sample_rnn import SampleRNN
from pwavenet_tf.models.wavenet import WaveNet

HOP = 20
MELS = 6
CONTRACT = AudioContract(
    hop_length=HOP, window_length=40, fft_length=64, mels=MELS
)
NORMALISED = dataclasses.replace(
    CONTRACT,
    mel_mean=(-5.0, -4.5, -4.0, -5.0, -5.5, -6.0),
    mel_deviation=(1.0, 1.1, 1.2, 1.3, 1.4, 1.5),
)
EMPHASISED = dataclasses.replace(CONTRACT, pre_emphasis=0.9)
ON_MEL = Conditioning(channels=4, upsampling=(4, 5))
COARSE = Conditioning(channels=4, upsampling=(20,))
# Of an encoder that sees four samples on either side.
ENCODED = Conditioning(
    inputs=("encoding",),
    channels=4,
    upsampling=(4, 5),
    encoding_channels=3,
    encoder_channels=5,
    encoder_dilations=(1, 2),
)
EVERYTHING = Conditioning(
    inputs=("mel", "linguistic", "pitch", "sinusoids", "speaker"),
    channels=4,
    upsampling=(4, 5),
    phones=("a", "b", "sil"),
    speakers=("anna", "ben"),
    mean_pitch_hz=150.0,
    harmonics=3,
    encoding_channels=3,
    encoder_channels=5,
    encoder_dilations=(1, 2),
)

QUIET = dataclasses.replace(NORMALISED, mel_mean=(-7.0,) * MELS)

# Of a student whose first flow is a `SourceFilter`.
SOURCE = {
    "conditioning": EVERYTHING,
    "audio": QUIET,
    "source_taps": 16,
    "source_points": 2,
}

# Of a student that is exported: tracing and converting take time by the layer.
FEW_LAYERS = {"flow_dilations": ((2,), (1, 2))}

ACOUSTIC_SIZES = AcousticConfig(
    channels=8,
    encoder_layers=1,
    decoder_dilations=(1, 2),
    predictor_channels=8,
)
PHONE_SIZES = {
    "strides": (4, 5),
    "dilations": ((1, 2), (1, 2), (1, 2)),
    "channels": (4, 6, 8),
    "lookahead_frames": 2,
}


def teacher(**changes) -> WaveNet:
    """A built teacher of three layers with random weights."""
    sizes = {
        "dilations": (1, 2, 4),
        "residual_channels": 8,
        "gate_channels": 8,
        "skip_channels": 8,
        "mixture_components": 3,
        "conditioning": ON_MEL,
        "audio": CONTRACT,
    }
    return randomised(WaveNet(**(sizes | changes)))


def recurrent_teacher(**changes) -> SampleRNN:
    """A built SampleRNN of two tiers of GRUs with random weights."""
    sizes = {
        "frame_sizes": (16, 4),
        "units": 8,
        "embedding_channels": 5,
        "mixture_components": 3,
        "conditioning": ON_MEL,
        "audio": CONTRACT,
    }
    return randomised(SampleRNN(**(sizes | changes)))


def student(**changes) -> ParallelWaveNet:
    """A built student of two flows with random weights."""
    sizes = {
        "flow_dilations": ((1, 2), (1, 2, 4)),
        "residual_channels": 8,
        "gate_channels": 8,
        "conditioning": ON_MEL,
        "audio": CONTRACT,
    }
    made = randomised(ParallelWaveNet(**(sizes | changes)))
    if made.source is not None:
        # Envelopes in nats: far from the mel spectrogram's the sound is wild,
        # and rounding is multiplied.
        calmer(made, 0.1)
        for weight in made.source.trainable_variables:
            inputs = max(1, np.prod(weight.shape[:-1]))
            weight.assign(weight.numpy() / np.sqrt(inputs))
    return made


def phone_classifier(**changes) -> PhoneClassifier:
    """A built classifier of three phones with random weights."""
    phones = EVERYTHING.phones
    sizes = PHONE_SIZES | changes
    return randomised(PhoneClassifier(CONTRACT, phones, **sizes))


def acoustic_model(**changes) -> AcousticModel:
    """A built acoustic model of three phones with random weights."""
    settings = {
        "audio": NORMALISED,
        "phones": EVERYTHING.phones,
        "mean_pitch_hz": EVERYTHING.mean_pitch_hz,
        "config": ACOUSTIC_SIZES,
    }
    return randomised(AcousticModel(**(settings | changes)))


def phone_batch(
    durations: list[list[int]], frames: int | None = None, seed: int = 0
) -> dict[str, np.ndarray]:
    """A batch that an acoustic model reads, by the frames of its phones.

    The rows are padded with zeros to the longest, or to so many `frames`.
    """
    generator = np.random.default_rng(seed)
    rows, most = len(durations), max(map(len, durations))
    frames = frames or max(map(sum, durations))
    batch = {
        "phones": np.zeros((rows, most), "int32"),
        "durations": np.zeros((rows, most), "int32"),
        "phone_pitch": np.zeros((rows, most), "float32"),
        "energy": np.zeros((rows, most), "float32"),
        "mel": np.zeros((rows, frames, MELS), "float32"),
        "pitch": np.zeros((rows, frames, 2), "float32"),
    }
    for row, lengths in enumerate(durations):
        count, total = len(lengths), sum(lengths)
        batch["phones"][row, :count] = generator.integers(1, 4, count)
        batch["durations"][row, :count] = lengths
        for name in ("phone_pitch", "energy"):
            batch[name][row, :count] = 0.3 * generator.normal(size=count)
        batch["mel"][row, :total] = generator.normal(size=(total, MELS))
        batch["pitch"][row, :total, 0] = 0.3 * generator.normal(size=total)
        batch["pitch"][row, :total, 1] = generator.integers(0, 2, total)
    return batch


def calmer(student: ParallelWaveNet, factor: float = 0.1) -> ParallelWaveNet:
    """The student with smaller (μ, ln s): wild flows have wild inverses."""
    for network in student.networks:
        kernel = network.output_pair.kernel
        kernel.assign(factor * kernel.numpy())
    return student


def randomised(model):
    """Random numbers for all weights: zero biases would hide mistakes."""
    model.build()
    generator = np.random.default_rng(0)
    for weight in model.trainable_variables:
        std = 0.3 if len(weight.shape) > 1 else 0.1
        noise = generator.normal(0.0, std, weight.shape)
        weight.assign(noise.astype("float32"))
    return model


def mel(batch: int = 1, frames: int = 2, seed: int = 0) -> np.ndarray:
    """Normalised mel spectrograms `(batch, frames, mels)`."""
    generator = np.random.default_rng(seed)
    return generator.normal(size=(batch, frames, MELS)).astype("float32")


def features(batch: int = 1, frames: int = 2, seed: int = 0) -> dict:
    """Everything that `EVERYTHING` reads."""
    generator = np.random.default_rng(seed)
    return {
        "mel": mel(batch, frames, seed),
        "phones": generator.integers(0, 4, (batch, frames, 3), "int32"),
        "timing": generator.normal(size=(batch, frames, 2)).astype("float32"),
        "pitch": generator.normal(size=(batch, frames, 2)).astype("float32"),
        "speaker": generator.integers(0, 2, batch, "int32"),
        "sinusoids": np.stack(
            [
                generator.uniform(100.0, 300.0, (batch, frames)),
                generator.integers(0, 2, (batch, frames)),
                generator.uniform(0.0, 1.0, (batch, frames)),
            ],
            axis=-1,
        ).astype("float32"),
    }


def encoding(batch: int = 1, frames: int = 2, seed: int = 0) -> np.ndarray:
    """Encodings of three channels, `(batch, frames, 3)`."""
    generator = np.random.default_rng(seed)
    return generator.normal(size=(batch, frames, 3)).astype("float32")


def audio(batch: int = 1, frames: int = 2, seed: int = 0) -> np.ndarray:
    """16-bit PCM values in [-1, 1), `(batch, time)`."""
    generator = np.random.default_rng(seed)
    x = generator.normal(0.0, 0.2, (batch, frames * HOP)).clip(-1.0, 0.999)
    return (np.round(x * 32_768) / 32_768).astype("float32")


def noise(batch: int = 1, frames: int = 2, seed: int = 0) -> np.ndarray:
    """Logistic(0, 1) noise `(batch, time)`."""
    generator = np.random.default_rng(seed)
    return generator.logistic(size=(batch, frames * HOP)).astype("float32")


def jacobian(function, x: np.ndarray) -> np.ndarray:
    """∂function(x)_t / ∂x_u as `(t, u)`, for a series `x` `(time,)`.

    `function` maps `(batch, time)` to `(batch, time)`, each row by itself:
    so row t of a batch of copies can stand for output t.
    """
    # Here, so that the rest serves where there is no TensorFlow.
    import tensorflow as tf

    copies = tf.tile(tf.constant(x)[None], (len(x), 1))
    with tf.GradientTape() as tape:
        tape.watch(copies)
        total = tf.reduce_sum(tf.linalg.diag_part(function(copies)))
    return tape.gradient(total, copies).numpy()


def repeated(values: np.ndarray, batch: int) -> np.ndarray:
    """The one row of `values`, `batch` times."""
    return np.repeat(values, batch, axis=0)
