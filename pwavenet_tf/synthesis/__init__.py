"""From conditioning to audio: parallel, sample by sample, streamed."""
