"""What each measure of the report says, in a line for its reader."""

_OF_KL = (
    "What the student misses of this teacher's distribution: 0 if it has "
    "learned all of it."
)
_EXPLANATIONS = {
    "pesq_wide_band": (
        "An estimate of the opinion that listeners would have: 1 is bad, 4.64 "
        "is the recording itself."
    ),
    "stoi": "How intelligible it is: 1 is as clear as the recording.",
    "extended_stoi": (
        "The same, and stricter where noise comes and goes with the speech."
    ),
    "mel_cepstral_distortion": (
        "How far the timbre is from the recording's, frame by frame."
    ),
    "f0_error": (
        "How far the melody is off. 100 cents are a semitone, 1,200 an octave."
    ),
    "voicing_error": (
        "How often one is voiced where the other is not: hoarse, or buzzing."
    ),
    "multi_resolution_stft": (
        "Spectral distance at several resolutions at once, fine in time and in "
        "frequency."
    ),
    "level_difference": (
        "How much louder than the recording. Below 0: it whispers."
    ),
    "pause_noise": (
        "How much louder where the recording pauses. Above 0: hiss or hum."
    ),
    "octave_difference": (
        "How far the balance of low and high is from the recording's."
    ),
    "nats_per_sample": "Bits per sample times ln 2: the loss in training.",
    "log_spectral_distance": (
        "How far the spectrum is from the recording's, frame by frame. 6 dB "
        "is a factor of two everywhere; a copy has 0."
    ),
    "mean": "An offset from zero. Healthy audio has next to none.",
    "standard_deviation": (
        "How loud it is. A student far below the recordings whispers."
    ),
    "mean_absolute": (
        "Loudness too, but less ruled by peaks than the standard deviation."
    ),
    "samples_per_second": (
        "Audio made in a second on this machine. Real time is the sample rate."
    ),
    "bits_per_sample": (
        "The negative log-likelihood of the recordings. Fewer bits: the model "
        "finds real speech more probable."
    ),
    "sample_bits": (
        "Bits per sample compare only between models that score samples of "
        "one size."
    ),
    "inside_50": (
        "Half of the samples belong here. Fewer: the model is too sure of "
        "itself; more: not sure enough."
    ),
    "inside_90": "The same for nine samples in ten.",
    "swapped_mel_penalty": (
        "How much the mel spectrogram matters to the model. Near 0: it is "
        "ignored."
    ),
    "swapped_linguistic_penalty": (
        "How much the phones matter to the model. Near 0: they are ignored."
    ),
    "swapped_pitch_penalty": (
        "How much the pitch matters to the model. Near 0: it is ignored."
    ),
    "swapped_speaker_penalty": (
        "How much the speaker matters to the model. Near 0: all sound alike "
        "to it."
    ),
    "right_speaker_preferred": (
        "The share of recordings that are more probable under their own "
        "speaker than under any other."
    ),
}


def explanation(name: str) -> str:
    """What a measure says, in a line; empty for one that is not known."""
    if name.startswith("kl_to_"):
        return _OF_KL
    return _EXPLANATIONS.get(name, "")
