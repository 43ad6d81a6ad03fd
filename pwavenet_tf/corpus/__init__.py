"""From recordings to clips: audio, features, prepared corpora, `tf.data`."""
