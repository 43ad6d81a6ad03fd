"""Plain Keras: python keras_workflow.py 16_KHZ_MONO_WAVS OUT EPOCHS STEPS"""

import sys
from pathlib import Path

import numpy as np
import soundfile

import pwavenet_tf as pw
from pwavenet_tf import Synthesizer  # before Keras: TensorFlow starts quietly

# isort: split
import keras
import tensorflow as tf

nano = pw.preset("nano")
rate, hop = nano.audio.sample_rate, nano.audio.hop_length
# Frames of a clip: receptive field, those in the loss, look-ahead.
parts = (14, 40, 3)
size, weight = sum(parts), np.repeat([0.0, 1.0, 0.0], np.multiply(parts, hop))


def read(path):
    sound, found = soundfile.read(path, dtype="float32")
    if (found, sound.ndim) != (rate, 1) or not np.isfinite(sound).all():
        raise ValueError(f"{path}: is not mono, finite and of {rate} Hz")
    return sound


try:
    wavs, out, epochs, steps = sys.argv[1:]
    epochs, steps = int(epochs), int(steps)
    if min(epochs, steps) < 1:
        raise ValueError("EPOCHS and STEPS are 1 or more")
    sounds = [read(path) for path in sorted(Path(wavs).glob("*.wav"))]
    sounds = [sound for sound in sounds if len(sound) > size * hop]
    contract = pw.with_mel_statistics(nano.audio, sounds)
    Path(out).mkdir(parents=True, exist_ok=True)
except (ValueError, OSError, RuntimeError) as problem:
    sys.exit(f"{problem}; {__doc__}")
speech = [(sound, pw.LogMel(contract)(sound)) for sound in sounds]


def clips():
    while True:
        audio, mel = speech[np.random.randint(len(speech))]
        first = np.random.randint(len(mel) - size)
        audio = audio[first * hop :][: size * hop]
        yield {"audio": audio, "mel": mel[first:][:size]}, audio, weight


audio, mel = tf.TensorSpec(size * hop), tf.TensorSpec((size, contract.mels))
signature = {"audio": audio, "mel": mel}, audio, audio
data = tf.data.Dataset.from_generator(clips, output_signature=signature)
data = data.batch(2, drop_remainder=True).prefetch(2)


class Synthesize(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        sound = Synthesizer(self.model.student)(speech[0][1], seed=1)
        soundfile.write(f"{out}/{epoch + 1}.wav", sound, contract.sample_rate)


def fit(model, rate, callback):
    adam = keras.optimizers.Adam(rate, global_clipnorm=10.0)
    model.compile(adam, jit_compile=True)
    run = dict(epochs=epochs, steps_per_epoch=steps, shuffle=False)
    model.fit(data, callbacks=[callback, pw.StopWhenNotFinite()], **run)


teacher = pw.WaveNet.from_preset(nano, contract)
fit(teacher, 2e-3, keras.callbacks.CSVLogger(f"{out}/teacher.csv"))
teacher.save(f"{out}/teacher.keras")
student = pw.ParallelWaveNet.from_preset(nano, contract)
student.copy_conditioner(teacher)
distiller = pw.Distiller(teacher, student, **nano.distillation.losses())
fit(distiller, 1e-3, Synthesize())
student.save(f"{out}/student.keras")
