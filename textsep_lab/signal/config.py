"""Defaults that settings share with the functions they are for; nothing here imports NumPy."""

DEFAULT_FADE = 0.07  # seconds of a window's soft edges, as in the course project
