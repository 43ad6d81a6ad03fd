"""Judges recordings: what is broken, noisy, clipped or double.

Every recording is measured: its rate, channels and bits, its length and peak,
the share of clipped samples, an offset (DC), the share of pauses, the noise,
the bandwidth (speech that was sampled at 8 kHz once and brought to a higher
rate is found out, and so is MP3), and whether another recording has the same
samples. Where there are transcripts, it is asked whether each belongs to its
recording: none may be spoken too fast or too slow to be true.

A recording that cannot be trained on goes to quarantine, with the reasons. A
weakness that can be lived with is a warning. The limits are flags, and
pwavenet prepare has the same ones: what is in quarantine here is left out
there. No recording is ever changed or moved.

The layouts of LJ Speech, VCTK and LibriTTS are known by themselves, and so is
a CSV manifest with the columns path, speaker and text: name it as --corpus,
or call it manifest.csv in the folder. In any other folder all recordings are
taken, with texts from metadata.csv (name|text) if there is one.

With --out it writes audit.html for people (histograms and lists), audit.json
for programs (every figure of every file) and quarantine.csv.

Before it:  nothing, or pwavenet download
After it:   pwavenet prepare

Example:
  pwavenet audit --corpus=recordings --out=audit
  pwavenet audit --corpus=recordings/list.csv --least_snr=20
"""

from pathlib import Path

from absl import flags

from pwavenet_tf.cli.flags import (
    chosen_limits,
    define_limits,
    define_path,
    existing,
    writable_folder,
)
from pwavenet_tf.core.presets import preset, preset_names

NEEDS_TENSORFLOW = False


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags."""
    define_path(
        "corpus",
        "DIR: Folder of recordings, or a CSV manifest.",
        flag_values,
        existing,
    )
    define_path(
        "out",
        "DIR: Folder to write audit.html, audit.json and quarantine.csv to; "
        "it must not hold anything yet. Nothing is written, if left out.",
        flag_values,
        writable_folder,
        required=False,
    )
    flags.DEFINE_enum(
        "preset",
        "nano",
        preset_names(),
        "NAME: Settings that the recordings are for, which have a sample rate.",
        flag_values=flag_values,
    )
    flags.DEFINE_boolean(
        "transcripts",
        True,
        "<true|false>: Whether a transcript that cannot belong to its "
        "recording sends it to quarantine; with --notranscripts, it is a "
        "warning.",
        flag_values=flag_values,
    )
    define_limits(flag_values)


def run(flag_values: flags.FlagValues) -> None:
    """Audits the corpus and says what was found."""
    from pwavenet_tf.core.files import require_free
    from pwavenet_tf.corpus.audit import audit
    from pwavenet_tf.corpus.audit.report import (
        LIST_NAME,
        PAGE_NAME,
        screen_table,
        write_audit,
    )
    from pwavenet_tf.corpus.layouts import find_layout

    limits = chosen_limits(flag_values)
    corpus = Path(flag_values.corpus)
    out = flag_values.out and Path(flag_values.out)
    if out:
        # Before, not after hours of measuring.
        require_free(out)
    found = audit(
        find_layout(corpus),
        limits,
        preset(flag_values.preset).audio.sample_rate,
        spoken=flag_values.transcripts,
    )
    if out:
        write_audit(found, out, corpus.resolve().name)
    print(screen_table(found))
    if out:
        print(f"The page is {out / PAGE_NAME},")
        print(f"the quarantine is listed in {out / LIST_NAME}.")
    elif found.warned:
        print("With --out=DIR, a page tells the warnings too.")
