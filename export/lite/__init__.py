"""A student in a .tflite: its card, its synthesizer, its quality."""
