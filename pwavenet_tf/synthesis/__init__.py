"""From conditioning to audio: parallel, autoregressive, streamed."""
