"""Audits recordings: damage, noise, clipping, duplicates.

Every recording is measured: its rate, channels and bits, its length and peak,
the share of clipped samples, an offset (DC), the share of pauses, the noise,
the bandwidth (which reveals speech that was upsampled from 8 kHz, and MP3),
and whether another recording has the same samples. Where there are
transcripts, each is checked against its recording: the speaking rate that it
implies must be plausible.

A recording that cannot be trained on goes to quarantine, with the reasons. A
tolerable weakness is a warning. The limits are flags, and pwavenet prepare has
the same ones: what is in quarantine here is left out there. No recording is
ever changed or moved.

The layouts of LJ Speech, VCTK, LibriTTS and NSynth are recognised, and so is
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

from pwavenet_tf.cli import flags
from pwavenet_tf.core.presets import preset

NEEDS_TENSORFLOW = False


define_flags = flags.table(
    flags.CORPUS,
    flags.out(
        "DIR: Folder to write audit.html, audit.json and quarantine.csv to; "
        "it must not hold anything yet. Nothing is written, if left out.",
        needed=False,
    ),
    flags.preset_name(
        "NAME: Settings that the recordings are for, which have a sample rate."
    ),
    flags.switch(
        "transcripts",
        "<true|false>: Whether a transcript that cannot belong to its "
        "recording sends it to quarantine; with --notranscripts, it is a "
        "warning.",
        True,
    ),
    flags.define_limits,
)


def run(flag_values: flags.FlagValues) -> None:
    """Audits the corpus and prints the findings."""
    from pwavenet_tf.core.files import require_free
    from pwavenet_tf.corpus.audit import audit, report
    from pwavenet_tf.corpus.layouts import find_layout

    limits = flags.chosen_limits(flag_values)
    corpus = Path(flag_values.corpus)
    out = flag_values.out and Path(flag_values.out)
    if out:
        # Before, not after hours of measuring.
        require_free(out)
    found = audit(
        find_layout(corpus),
        limits,
        preset(flag_values.preset).audio.sample_rate,
        check_transcripts=flag_values.transcripts,
    )
    if out:
        report.write_audit(found, out, corpus.resolve().name)
    print(report.screen_table(found))
    if out:
        print(f"The page is {out / report.PAGE_NAME},")
        print(f"the quarantine is listed in {out / report.LIST_NAME}.")
    elif found.warned:
        print("With --out=DIR, a page lists the warnings too.")
