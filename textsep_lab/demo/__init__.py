"""The interactive demo: the only place that imports ipywidgets. Taught in notebook 06."""

from textsep_lab.demo.app import app

__all__ = ["app"]
