"""Makes speech from mel spectrograms, recordings or text.

The input is a mel spectrogram (.npy, shape (frames, mels)), features by name
(.npz), a recording, which is analysed and resynthesized, or a folder of these.
A sound file of the same name is written for each. A student takes a fraction
of the time that a teacher takes; recordings of any length fit into memory.
With --out=- one sound is written to the standard output while it is being
generated, for a player that reads WAV from there.

A model that was trained on phones and pitch, without a mel spectrogram, also
synthesizes --text: eSpeak NG provides the phones, their timing and the pitch
contour. A model of several speakers takes the speaker from --speaker, or from
a recording's path by --speaker_pattern.

A model that was trained with --conditioning=encoding encodes the recording
itself. It also makes a sound between two: --mix names them, --by says how far
it is from the first to the second.

The same seed and temperature give the same sound. A temperature below 1
makes it calmer and cleaner, above 1 livelier and noisier.

Before it:  pwavenet distill (or train-teacher)
After it:   play the files

Example:
  pwavenet synthesize --voice=kathleen --input=one.wav --out=sound
  pwavenet synthesize --model=run/student.keras --input=one.wav --out=sound
  pwavenet synthesize --model=run/teacher.keras --text="Good morning." \\
      --out=sound
  pwavenet synthesize --model=run/student.keras --input=one.wav --out=- | aplay
  pwavenet synthesize --model=notes/student.keras --mix=flute.wav,bell.wav \\
      --by=0.3 --out=sound
"""

import sys
from functools import partial
from pathlib import Path

from absl.flags import DEFINE_list

from pwavenet_tf.cli import flags
from pwavenet_tf.core.errors import UserError

define_flags = flags.table(
    flags.model(
        "FILE: A student.keras, a teacher.keras, or an exported .tflite or "
        ".onnx."
    ),
    flags.path(
        "input",
        "PATH: A recording, a mel spectrogram (.npy), features (.npz), or a "
        "folder of them.",
        flags.existing,
    ),
    flags.text(
        "text",
        "TEXT: What to synthesize, instead of --input; written to text.wav.",
    ),
    partial(
        DEFINE_list,
        "mix",
        None,
        "PATH,PATH: Two recordings, instead of --input; a sound between them "
        "is written. For models with an encoder.",
    ),
    flags.number(
        "by",
        "SHARE: How far --mix goes, from 0, the first, to 1, the second; half "
        "of it, if left out.",
        (0.0, 1.0),
    ),
    flags.SPEAKER,
    flags.out(
        "DIR: Folder to write the sound files to, or - to play the sound while "
        "it is being generated.",
        check=flags.or_standard_output(flags.writable_folder),
    ),
    flags.SAMPLING,
)


def needs_tensorflow(flag_values: flags.FlagValues) -> bool:
    """A .tflite is run by LiteRT alone, which starts in a tenth of the time."""
    return flags.reads_keras(flags.chosen_models(flag_values))


def run(flag_values: flags.FlagValues) -> None:
    """Writes one sound file for each input."""
    from pwavenet_tf.core.progress import Bar
    from pwavenet_tf.export.voices import load_voice
    from pwavenet_tf.synthesis import files

    sources = (flag_values.input, flag_values.text, flag_values.mix)
    if sum(one is not None for one in sources) != 1:
        raise UserError(
            "give either --input=PATH or --text=TEXT, or --mix=PATH,PATH"
        )
    if flag_values.by is not None and flag_values.mix is None:
        raise UserError("--by says how far --mix goes; give --mix=PATH,PATH")
    (model,) = flags.chosen_models(flag_values)
    synthesizer = load_voice(model)
    to_output = flag_values.out == flags.STANDARD_OUTPUT
    out = Path(flag_values.out)
    # All of the input is checked before anything is synthesized.
    features = _features(synthesizer, flag_values, out)
    if to_output and len(features) > 1:
        raise UserError(
            "--out=- takes one text or recording, but there are "
            f"{len(features)}; name one of them, or give a folder"
        )
    hop = synthesizer.contract.hop_length
    samples = hop * sum(
        max(len(array) for array in one.values() if array.ndim)
        for one in features.values()
    )
    with Bar(
        total=samples, desc="synthesize", unit="sample", unit_scale=True
    ) as bar:
        how = flag_values.seed, flag_values.temperature, bar.update
        for path, one in features.items():
            if to_output:
                files.synthesize_to_pipe(
                    synthesizer, one, sys.stdout.buffer, *how
                )
            else:
                files.synthesize_to_file(synthesizer, one, path, *how)
    if to_output:
        return
    count = len(features)
    print(f"The sound is in {out}: {count} file{'s' if count != 1 else ''}.")


def _features(synthesizer, flag_values: flags.FlagValues, out: Path) -> dict:
    """What to synthesize, by the sound file that it becomes."""
    from pwavenet_tf.corpus.text_front_end import features_of_text
    from pwavenet_tf.synthesis import files

    speaker = flag_values.speaker
    if flag_values.text is not None:
        features = features_of_text(
            flag_values.text, synthesizer.contract, synthesizer.conditioning
        )
        features = files.require_utterance(
            features, synthesizer, speaker, "--text"
        )
        return {out / "text.wav": features}
    if flag_values.mix is not None:
        return _mixed(synthesizer, flag_values, out)
    place = Path(flag_values.input)
    for path in files.find_inputs(place):
        sound = out / f"{path.stem}.wav"
        if sound.exists() and sound.samefile(path):
            raise UserError(
                f"{path}: would be overwritten by its own synthesis; choose "
                "another --out"
            )
    found = files.features_at(
        place,
        synthesizer,
        speaker,
        flag_values.labels and Path(flag_values.labels),
        flag_values.speaker_pattern,
    )
    return {out / f"{path.stem}.wav": one for path, one in found.items()}


def _mixed(synthesizer, flag_values: flags.FlagValues, out: Path) -> dict:
    from pwavenet_tf.synthesis.files import mixed_features

    paths = [Path(path) for path in flag_values.mix]
    if len(paths) != 2:
        raise UserError(
            f"--mix={','.join(flag_values.mix)}: name two recordings, with a "
            "comma between them"
        )
    by = 0.5 if flag_values.by is None else flag_values.by
    features = mixed_features(*paths, by, synthesizer, flag_values.speaker)
    return {out / f"{paths[0].stem}-{paths[1].stem}.wav": features}
