"""Writes prepared data as NumPy files, for training with JAX.

A machine without TensorFlow trains on them: copy the folder there, train a
teacher or a student with pwavenet train-jax, and copy the .keras file back;
see docs/jax.md. With --compact the samples are FLAC, without loss, and the mel
spectrograms are left out; they are computed again when training begins. The
folder then has a quarter of the size.

Before it:  pwavenet prepare
After it:   pwavenet train-jax there, then pwavenet synthesize or evaluate here

Example:
  pwavenet export-corpus --data=data --out=arrays
  pwavenet export-corpus --data=data --out=arrays --compact --megabytes=50
"""

from pathlib import Path

from pwavenet_tf.cli import flags
from pwavenet_tf.cli.usage import print_next
from pwavenet_tf.core.errors import UserError

define_flags = flags.table(
    flags.DATA,
    flags.out(
        "DIR: Folder to write corpus.json and the arrays to; it must not "
        "hold anything yet."
    ),
    flags.switch(
        "compact",
        "<true|false>: Whether samples are written as FLAC and mel "
        "spectrograms left out; --compact alone means true.",
    ),
    flags.number(
        "megabytes",
        "MB: With --compact: take only as many recordings, chosen at random, "
        "as fit into so many millions of bytes.",
        (0.1, 10_000_000.0),
    ),
)


def run(flag_values: flags.FlagValues) -> None:
    """Exports the corpus and prints the next command."""
    from pwavenet_tf.corpus.dataset import Corpus
    from pwavenet_tf.corpus.numpy_corpus import export_compact, export_numpy

    compact, megabytes = flag_values.compact, flag_values.megabytes
    if megabytes is not None and not compact:
        raise UserError("--megabytes works with --compact; give both")
    out = Path(flag_values.out)
    corpus = Corpus(Path(flag_values.data))
    card = corpus.card
    if compact:
        card = export_compact(corpus, out, megabytes)
    else:
        export_numpy(corpus, out)
    files = [one for one in out.rglob("*") if one.is_file()]
    written = sum(one.stat().st_size for one in files)
    print(
        f"{out} holds {len(card.training)} of {len(corpus.card.training)} "
        f"recordings to train on and {len(card.validation)} of "
        f"{len(corpus.card.validation)} held out, "
        f"{(card.seconds('training') + card.seconds('validation')) / 60:.1f} "
        f"minutes in {written / 1e6:.1f} MB. Where JAX is:"
    )
    print_next("train-jax", data=out, out="RUN")
