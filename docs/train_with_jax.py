"""KERAS_BACKEND=jax python train_with_jax.py ARRAYS OUT EPOCHS STEPS"""

import sys

import keras

import pwavenet_tf as pw
from pwavenet_tf.corpus.numpy_clips import NumpyCorpus
from pwavenet_tf.fitting import clip_shape
from pwavenet_tf.training import distillation_context

arrays, out, epochs, steps = sys.argv[1:]
corpus, nano = NumpyCorpus(arrays), pw.preset("nano")


def fit(model, settings, past, name):
    clips = clip_shape(corpus, settings, past)
    model.compile(
        keras.optimizers.Adam(
            settings.learning_rate,
            global_clipnorm=settings.clip_norm,
            use_ema=True,
        ),
        jit_compile=True,
    )
    model.fit(
        corpus.training_clips(**clips),
        validation_data=corpus.validation_clips(**clips),
        epochs=int(epochs),
        steps_per_epoch=int(steps),
        shuffle=False,
        callbacks=[keras.callbacks.CSVLogger(f"{out}/{name}.csv")],
    )


told = corpus.conditioning(nano.conditioning)
teacher = pw.WaveNet.from_preset(nano, corpus.contract, told)
fit(teacher, nano.teacher_training, teacher.receptive_field, "teacher")
teacher.save(f"{out}/teacher.keras")

student = pw.ParallelWaveNet.from_preset(nano, corpus.contract, told)
student.build()
student.copy_conditioner(teacher)
distiller = pw.Distiller(teacher, student, power_weight=5.0)
past = distillation_context(teacher, student)
fit(distiller, nano.distillation, past, "student")
student.save(f"{out}/student.keras")
