"""Defaults that settings share with the functions they are for; nothing here imports NumPy."""

from textsep_lab.utils.registry import Choices

DEFAULT_FADE = 0.07  # seconds of a window's soft edges, as in the course project

#: Of samples on a pipe, by ffmpeg's names.
ENCODINGS = Choices("encoding", ("s16le", "s24le", "s32le", "f32le", "f64le"))
#: Of files that are written: libsndfile's containers in small letters.
FORMATS = Choices("format", ("wav", "flac", "ogg", "aiff", "au", "caf", "w64", "rf64"))
