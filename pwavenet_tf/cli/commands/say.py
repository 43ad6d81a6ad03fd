"""Speaks a text.

A text becomes phones by espeak-ng, phones become a mel spectrogram and F0 by
the voice's acoustic model, and these become sound by its vocoder. The text is
spoken sentence by sentence: with --out=- one hears the first while the next is
being computed.

Numbers, abbreviations and symbols are read as espeak-ng reads them; emoji are
left out; a text in another script than the voice's language is refused.

A voice of your own is a vocoder and an acoustic model of the same data:
--model names the vocoder, --acoustic_model the other if it is not the
acoustic.keras beside it. espeak-ng comes with pwavenet_tf[demo].

Exported, a pair of voice.tflite and acoustic.tflite in one folder speaks
without TensorFlow, and at once.

Before it:  pwavenet train-acoustic, pwavenet distill
After it:   listen; pwavenet export

Example:
  pwavenet say "Good morning." --voice=kathleen --out=hello.wav
  pwavenet say --text_file=chapter.txt --voice=kathleen --out=- | aplay
"""

import sys
from pathlib import Path

from pwavenet_tf.cli import flags
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.models.inputs import FACTORS
from pwavenet_tf.voices import acoustic_beside

# The one word that stands without a flag.
WORD = "text"


def _sound_file(name: str, path: str) -> None:
    flags.writable_file(name, path)
    if Path(path).suffix.lower() != ".wav":
        raise UserError(f"--{name}={path} is a WAV file; let it end in .wav")


define_flags = flags.table(
    flags.text(
        WORD, "TEXT: What to say; it may stand alone, right after the command."
    ),
    flags.file("text_file", "FILE: A text file in UTF-8, instead of a text."),
    flags.model(
        "FILE: The vocoder: a student.keras, a teacher.keras, or an exported "
        ".tflite or .onnx."
    ),
    flags.file(
        "acoustic_model",
        "FILE: An acoustic.keras, or an exported .tflite, if it is not beside "
        "--model.",
    ),
    flags.out(
        "FILE.wav: The sound file, or - to play the sound while it is being "
        "generated.",
        check=flags.or_standard_output(_sound_file),
    ),
    flags.number(
        "rate",
        "FACTOR: How much faster than the voice's own rate.",
        FACTORS,
        1.0,
    ),
    flags.number("pitch", "FACTOR: Of F0: above 1 is higher.", FACTORS, 1.0),
    flags.SAMPLING,
)


def needs_tensorflow(flag_values: flags.FlagValues) -> bool:
    """Two .tflite are run by LiteRT alone, which starts in no time."""
    (vocoder,) = flags.chosen_models(flag_values)
    acoustic_model = flag_values.acoustic_model or acoustic_beside(vocoder)
    return flags.reads_keras([vocoder, acoustic_model])


def run(flag_values: flags.FlagValues) -> None:
    """Writes the sound file, or the sound to standard output."""
    text = _text(flag_values)
    from pwavenet_tf.core.progress import Bar
    from pwavenet_tf.export.voices import load_acoustic, load_voice
    from pwavenet_tf.synthesis.files import speech_to_file, speech_to_pipe
    from pwavenet_tf.synthesis.speech import Speaker

    (model,) = flags.chosen_models(flag_values)
    synthesizer = load_voice(model)
    speaker = synthesizer.speaker
    if (path := flag_values.acoustic_model) is not None:
        speaker = Speaker(load_acoustic(path), synthesizer)
    if speaker is None:
        raise UserError(
            f"{model}: has no acoustic.keras beside it, which makes features "
            "of texts; train one with pwavenet train-acoustic and give "
            "--acoustic_model=FILE"
        )
    factors = flag_values.rate, flag_values.pitch
    noise = flag_values.seed, flag_values.temperature
    blocks = speaker.stream(text, *factors, *noise)
    sample_rate = synthesizer.contract.sample_rate
    if flag_values.out == flags.STANDARD_OUTPUT:
        speech_to_pipe(blocks, sample_rate, sys.stdout.buffer)
        return
    with Bar(desc="say", unit="sample", unit_scale=True) as bar:
        path = Path(flag_values.out)
        seconds = speech_to_file(blocks, sample_rate, path, bar.update)
    print(f"The sound is {flag_values.out}: {seconds:.1f} s.")


def _text(flag_values: flags.FlagValues) -> str:
    if (flag_values.text is None) == (flag_values.text_file is None):
        raise UserError(
            'give either a text, as in pwavenet say "Good morning.", or '
            "--text_file=FILE"
        )
    if flag_values.text_file is None:
        text, source = flag_values.text, "the text"
    else:
        source = flag_values.text_file
        try:
            text = Path(source).read_text("utf-8-sig")
        except UnicodeDecodeError as error:
            raise UserError(
                f"{source}: is not UTF-8 at byte {error.start}; save it as "
                "UTF-8"
            ) from error
    if not any(map(str.isalnum, text)):
        raise UserError(f"{source} holds nothing to say; give words or numbers")
    return text
