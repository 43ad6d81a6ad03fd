"""Fetches a public corpus: ljspeech, 24 hours of one voice.

LJ Speech is 13,100 recordings of one reader of English, in the public domain,
with their transcripts: 2.7 GB to fetch, 3.8 GB on disk.

The archive is checked by its SHA-256 and unpacked; the folder appears only
when all is there. An interrupted download resumes, by itself or when the
command is run again: what has arrived is kept next to the folder in a file
whose name ends in .part.

Before it:  nothing; with recordings of your own, it is not needed.
After it:   pwavenet audit, or pwavenet prepare

Example:
  pwavenet download ljspeech --out=ljspeech

The same with a flag: pwavenet download --dataset=ljspeech --out=ljspeech
"""

import dataclasses
from pathlib import Path

from pwavenet_tf.cli import flags
from pwavenet_tf.cli.usage import print_next
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.download import DATASETS

NEEDS_TENSORFLOW = False
# The flag that a word right after the command stands for.
WORD = "dataset"


define_flags = flags.table(
    flags.choice("dataset", "NAME: The corpus: ljspeech.", DATASETS),
    flags.required("dataset"),
    flags.out(
        "DIR: Folder to write the corpus to; it must not hold anything yet."
    ),
    flags.text(
        "url",
        "URL: Another place to fetch the same archive from; the usual one, if "
        "left out.",
    ),
)


def run(flag_values: flags.FlagValues) -> None:
    """Fetches the corpus and prints the next command."""
    from pwavenet_tf.corpus.download import download

    dataset, out = DATASETS[flag_values.dataset], Path(flag_values.out)
    if flag_values.url is not None:
        if not flag_values.url.startswith(("http://", "https://")):
            raise UserError(
                f"--url={flag_values.url} does not begin with http:// or "
                "https://; give the address of the archive"
            )
        dataset = dataclasses.replace(dataset, url=flag_values.url)
    download(dataset, out)
    print(f"{dataset.name} ({dataset.licence}) is in {out}. Next:")
    print_next("audit", corpus=out, out="audit")
