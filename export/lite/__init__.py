"""A voice in a .tflite: what it says of itself, its sound, its quality."""
