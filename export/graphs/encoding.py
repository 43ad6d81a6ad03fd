"""The signature `encode`: from audio to the encoding that a student reads."""

import tensorflow as tf

from pwavenet_tf.export.graphs.features import concatenated, valid_audio
from pwavenet_tf.models.encoder import TemporalEncoder

_CHUNK_FRAMES = 64


def encode_graph(encoder: TemporalEncoder, audio, lengths) -> dict:
    """The graph of the signature `encode`.

    Args:
        encoder: The student's.
        audio: `(batch, time)` in [-1, 1].
        lengths: `(batch,)`, how many samples are each row's own, or -1.

    Returns:
        `encoding` `(batch, frames, channels)`, and `lengths`, how many frames
        are each row's own.
    """
    audio, lengths, time = valid_audio(audio, lengths)
    hop, context = encoder.hop_length, encoder.context_frames
    frames = -(-time // hop)
    after = (frames + context) * hop - time
    silence = tf.stack([[0, 0], [context * hop, after]])
    # All of it silence, as beyond the ends: a row alone gives the same.
    padded = tf.pad(audio, silence)

    def encode(start, count, state):
        last = start + count + 2 * context
        encoding = encoder(padded[:, start * hop : last * hop])
        return encoding[:, context : context + count], state

    encoding, _ = concatenated(
        encode,
        frames,
        _CHUNK_FRAMES,
        tf.constant(0),
        (None, None, encoder.encoding_channels),
    )
    return {"encoding": encoding, "lengths": -(-lengths // hop)}
