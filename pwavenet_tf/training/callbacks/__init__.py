"""Keras callbacks: a run saved, shown, heard, and watched over."""
