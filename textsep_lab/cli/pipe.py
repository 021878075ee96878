"""``textsep separate - --out -``: samples are piped through while they come in."""

from __future__ import annotations

import sys
from pathlib import Path

import click

PIPE = "-"


def separate_pipe(recording: Path, out: Path | None, raw, checkpoint, windows, **asked) -> None:
    """Separate standard input to standard output: raw samples, or WAV to WAV.

    Raises:
        ValueError: only one of both is piped, the windows are to be detected, or bad samples.
    """
    from textsep_lab.separation.separator import load_separator
    from textsep_lab.signal.pcm import PcmFormat, pcm_blocks, read_wav_header

    if str(recording) != PIPE or str(out) != PIPE:
        raise ValueError("What is piped in is piped out: give - for FILE and for --out.")
    if isinstance(windows, str):
        raise ValueError("Windows that are detected need the whole recording first: give a file.")
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    form, size = (PcmFormat(*raw), None) if raw else read_wav_header(source)
    separator = load_separator(checkpoint)
    if raw is None:
        sink.write(form.wav_header())
    stream = separator.pieces(
        pcm_blocks(source, form, size), form.sample_rate, windows=windows, **asked
    )
    for piece in stream:
        sink.write(form.encode(piece.output))
        sink.flush()
    click.echo(f"Confidence that it is there: {100 * stream.confidence:.0f} %.", err=True)
