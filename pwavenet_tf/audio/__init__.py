"""Audio and its features: files, mel spectrogram, pitch, distances."""
