"""Exports a student that runs without this package.

--format says where it is to run:

  saved_model  TensorFlow Serving: DIR/1, or the next free number, with
               signatures for any batch and length, for streams, and for the
               mel spectrogram of recordings. DIR's name is the model's.
  tflite       phones and small machines: one file of built-in operations
               for audio of any length, in blocks. --variant makes it
               smaller.
  onnx         other runtimes: one file for audio of any length, in blocks.

Every export is run and compared with the student before it is written. The
8-bit variants lose something: they are compared with it on speech that you
give, and refused, with the figures, if they lose too much.

Before it:  pwavenet distill
After it:   serve it, put it on a phone, or try the file with synthesize

Example:
  pwavenet export --model=run/student.keras --out=served/voice
  pwavenet export --model=run/student.keras --out=voice.tflite \\
      --format=tflite --variant=int8-dynamic --speech=recordings
  pwavenet export --acoustic_model=run/acoustic.keras --format=tflite \\
      --out=acoustic.tflite
"""

from pathlib import Path

from pwavenet_tf.cli import flags
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.export.lite.card import MOST_FRAMES, VARIANTS
from pwavenet_tf.voices import acoustic_beside

_FORMATS = ("saved_model", "tflite", "onnx")
# The flags of a .tflite, and their defaults.
_OF_TFLITE = {"variant": "float32", "block_frames": 16, "speech": None}
# Less is too short to judge 8-bit audio by.
_LEAST_SECONDS = 3.0


def _fit_together(values: dict) -> bool:
    """Refuses flags of another format, before TensorFlow is loaded."""
    out, how = values["out"], values["format"]
    suffix = Path(out or "").suffix
    if how == "saved_model":
        if suffix in (".tflite", ".onnx"):
            raise UserError(
                f"--out={out} is to be a SavedModel's folder; for a file give "
                f"--format={suffix[1:]} too"
            )
        flags.writable_folder("out", out or "")
    else:
        if suffix != f".{how}":
            raise UserError(
                f"--out={out} does not end in .{how}; name a file that does"
            )
        flags.writable_file("out", out)
    has_vocoder = bool(values["model"] or values["voice"])
    if not has_vocoder and not values["acoustic_model"]:
        raise flags.no_model()
    joined_or_alone = {("saved_model", True), ("tflite", False)}
    if values["acoustic_model"] and (how, has_vocoder) not in joined_or_alone:
        raise UserError(
            "--acoustic_model joins a student in a SavedModel, or is exported "
            "by itself, without --model, by --format=tflite"
        )
    changed = [f"--{k}" for k, x in _OF_TFLITE.items() if values[k] != x]
    if how != "tflite" and changed:
        raise UserError(
            f"only --format=tflite takes {', '.join(changed)}; leave out one "
            "or the other"
        )
    return True


define_flags = flags.table(
    flags.model("FILE: A student.keras.", needed=False),
    flags.file(
        "acoustic_model",
        "FILE: An acoustic.keras: for a SavedModel that takes phones too (the "
        "voice's own, with --voice), or by itself as a .tflite.",
    ),
    flags.text(
        "out",
        "PATH: Folder of the SavedModel's versions, or the file to write.",
    ),
    flags.required("out"),
    flags.choice("format", "Where it is to run.", _FORMATS, "saved_model"),
    flags.choice(
        "variant",
        "Of a .tflite: how its numbers are stored.",
        VARIANTS,
        _OF_TFLITE["variant"],
    ),
    flags.number(
        "block_frames",
        "N: Frames that a .tflite synthesizes at a time; fewer have less "
        "latency, more are faster.",
        (1, MOST_FRAMES),
        _OF_TFLITE["block_frames"],
    ),
    flags.path(
        "speech",
        "PATH: Recordings or features, a file or a folder, that a .tflite is "
        "compared on.",
        flags.existing,
    ),
    flags.together(
        ["format", "out", "model", "voice", "acoustic_model", *_OF_TFLITE],
        _fit_together,
    ),
)


def run(flag_values: flags.FlagValues) -> None:
    """Exports the student and prints how close the export is."""
    from pwavenet_tf.models.loading import load_student

    models = flags.chosen_models(flag_values)
    if not models:
        _acoustic_tflite(flag_values)
        return
    student = load_student(*models)
    print(
        f"Exporting as {flag_values.format}, then comparing with the student's "
        "audio: about a minute for a nano student, minutes for a larger one "
        "or --variant=int8.",
        flush=True,
    )
    write = {"saved_model": _saved_model, "tflite": _tflite, "onnx": _onnx}
    write[flag_values.format](student, Path(flag_values.out), flag_values)


def _saved_model(student, out: Path, flag_values: flags.FlagValues) -> None:
    from pwavenet_tf.export.saved_model import export_saved_model
    from pwavenet_tf.models.loading import load_acoustic_model

    place = _acoustic_model(flag_values)
    acoustic_model = place and load_acoustic_model(place)
    version = export_saved_model(student, out, acoustic_model)
    print(f"The SavedModel is in {version}; its output equals the student's.")
    if acoustic_model is not None:
        print("Its signature say takes phones: Client(...).say(text).")
    if set("[\\").intersection(str(version.absolute())):
        print(
            "Move it before use: TensorFlow can't load from a path that holds "
            "a bracket or a backslash."
        )


def _acoustic_model(flag_values: flags.FlagValues) -> Path | None:
    if flag_values.acoustic_model:
        return Path(flag_values.acoustic_model)
    models = flags.chosen_models(flag_values)
    return acoustic_beside(*models) if flag_values.voice else None


def _acoustic_tflite(flag_values: flags.FlagValues) -> None:
    from pwavenet_tf.export.lite.acoustic import export_acoustic_tflite
    from pwavenet_tf.models.loading import load_acoustic_model

    out = Path(flag_values.out)
    model = load_acoustic_model(Path(flag_values.acoustic_model))
    difference = export_acoustic_tflite(model, out)
    print(
        f"The acoustic model is in {out}: {out.stat().st_size / 1e6:.2f} MB; "
        f"its mel spectrogram is within {difference:.0e} of the model's."
    )


def _tflite(student, out: Path, flag_values: flags.FlagValues) -> None:
    from pwavenet_tf.export.tflite import export_tflite

    report = export_tflite(
        student,
        out,
        flag_values.variant,
        flag_values.block_frames,
        flag_values.speech and _speech(student, flag_values),
    )
    found = report.quality
    print(
        f"The {report.variant} .tflite is in {out}: {report.size / 1e6:.2f} "
        f"MB, {found.snr_db:.1f} dB of signal over noise and a log-spectral "
        f"distance of {found.log_spectral_distance_db:.2f} dB to the student, "
        f"on {found.seconds:.1f} seconds of "
        f"{'speech' if found.on_speech else 'random features'}."
    )


def _speech(student, flag_values: flags.FlagValues) -> list[dict]:
    """Features of everything at --speech that can be synthesized."""
    from pwavenet_tf.synthesis.files import features_at
    from pwavenet_tf.synthesis.student import synthesizer_of

    place, contract = Path(flag_values.speech), student.audio
    # The arithmetic is the same for each speaker.
    speaker = next(iter(student.conditioning.speakers), None)
    found = list(features_at(place, synthesizer_of(student), speaker).values())
    frames = sum(max(len(x) for x in one.values() if x.ndim) for one in found)
    seconds = frames * contract.hop_length / contract.sample_rate
    if flag_values.variant.startswith("int8") and seconds < _LEAST_SECONDS:
        raise UserError(
            f"--speech={place} lasts {seconds:.1f} seconds; "
            f"{flag_values.variant} is judged on {_LEAST_SECONDS:g} seconds or "
            "more of speech like that which the model was trained on"
        )
    return found


def _onnx(student, out: Path, flag_values: flags.FlagValues) -> None:
    from pwavenet_tf.export.onnx import export_onnx

    difference = export_onnx(student, out)
    print(
        f"The ONNX file is in {out}; its output is within {difference:.0e} of "
        "the student's."
    )
