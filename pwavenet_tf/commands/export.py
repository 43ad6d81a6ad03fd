"""Exports a student that runs without this package.

--format says where it is to run:

  saved_model  TensorFlow Serving: DIR/1, or the next free number, with
               signatures for any batch and length, for streams, and for the
               mel spectrogram of recordings. DIR's name is the model's.
  tflite       phones and small machines: one file of built-in operations
               that speaks any length in blocks. --variant makes it smaller.
  onnx         other runtimes: one file that speaks any length in blocks.

Whatever is written was run first and compared with the student. The 8-bit
variants lose something: they are compared on speech of yours, and refused,
with the figures, if they lose too much.

Before it:  pwavenet distill
After it:   serve it, put it on a phone, or hear the file by synthesize

Example:
  pwavenet export --model=run/student.keras --out=served/voice
  pwavenet export --model=run/student.keras --out=voice.tflite \\
      --format=tflite --variant=int8-dynamic --speech=recordings
"""

from pathlib import Path

from absl import flags

from pwavenet_tf.commands.path_flags import (
    define_path,
    existing,
    existing_file,
    writable_file,
    writable_folder,
)
from pwavenet_tf.errors import UserError

_FORMATS = ("saved_model", "tflite", "onnx")
_VARIANTS = ("float32", "float16", "int8-dynamic", "int8")


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags."""
    define_path("model", "FILE: A student.keras.", flag_values, existing_file)
    flags.DEFINE_string(
        "out",
        None,
        "PATH: Folder of the SavedModel's versions, or the file to write.",
        flag_values=flag_values,
        required=True,
    )
    flags.DEFINE_enum(
        "format",
        "saved_model",
        _FORMATS,
        "Where it is to run.",
        flag_values=flag_values,
    )
    flags.DEFINE_enum(
        "variant",
        "float32",
        _VARIANTS,
        "Of a .tflite: how its numbers are kept.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "block_frames",
        16,
        "N: Frames that a .tflite speaks at a time; less is heard sooner, "
        "more is faster.",
        lower_bound=1,
        flag_values=flag_values,
    )
    define_path(
        "speech",
        "PATH: Recordings or features, a file or a folder, that a .tflite is "
        "compared on.",
        flag_values,
        existing,
        required=False,
    )


def run(flag_values: flags.FlagValues) -> None:
    """Exports the student and says how close the export is."""
    from pwavenet_tf.models import load_student

    out, how = Path(flag_values.out), flag_values.format
    if how == "saved_model":
        writable_folder("out", flag_values.out)
    else:
        writable_file("out", flag_values.out)
        if out.suffix != f".{how}":
            raise UserError(
                f"--out={out} does not end in .{how}; name a file that does"
            )
    if how != "tflite" and _of_tflite(flag_values):
        raise UserError(
            f"only --format=tflite takes {', '.join(_of_tflite(flag_values))}"
            "; leave out one or the other"
        )
    student = load_student(Path(flag_values.model))
    {"saved_model": _saved_model, "tflite": _tflite, "onnx": _onnx}[how](
        student, out, flag_values
    )


def _of_tflite(flag_values: flags.FlagValues) -> list[str]:
    names = ("variant", "block_frames", "speech")
    return [f"--{name}" for name in names if flag_values[name].present]


def _saved_model(student, out: Path, flag_values: flags.FlagValues) -> None:
    from pwavenet_tf.export.saved_model import export_saved_model

    version = export_saved_model(student, out)
    print(f"The SavedModel is in {version}; its sound equals the student's.")


def _tflite(student, out: Path, flag_values: flags.FlagValues) -> None:
    from pwavenet_tf.export.tflite import export_tflite

    report = export_tflite(
        student,
        out,
        flag_values.variant,
        flag_values.block_frames,
        flag_values.speech and _speech(student, Path(flag_values.speech)),
    )
    found = report.quality
    print(
        f"The {report.variant} .tflite is in {out}: {report.size / 1e6:.2f} "
        f"MB, {found.snr_db:.1f} dB of signal over noise and a log-spectral "
        f"distance of {found.log_spectral_distance_db:.2f} dB to the student, "
        f"on {found.seconds:.1f} seconds of "
        f"{'speech' if found.on_speech else 'random features'}."
    )


def _speech(student, place: Path) -> list[dict]:
    """Features of everything there that can be spoken."""
    from pwavenet_tf.corpus.described import Describer
    from pwavenet_tf.speaking import (
        find_inputs,
        inputs_to_describe,
        read_features,
        voice_of,
    )

    voice = voice_of(student)
    describe = Describer(
        voice.contract,
        inputs_to_describe(voice, find_speaker=False),
        place if place.is_dir() else place.parent,
    )
    # Whoever of several speaks, the arithmetic is the same.
    speakers = voice.conditioning.speakers
    return [
        read_features(path, voice, describe, speakers[0] if speakers else None)
        for path in find_inputs(place)
    ]


def _onnx(student, out: Path, flag_values: flags.FlagValues) -> None:
    from pwavenet_tf.export.onnx import export_onnx

    difference = export_onnx(student, out)
    print(
        f"The ONNX file is in {out}; its sound is within {difference:.0e} of "
        "the student's."
    )
