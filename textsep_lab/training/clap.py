"""Training a CLAP model: sounds are pulled towards the words that describe them.

Taught in notebook 07.

References:
    Radford et al. (2021), CLIP, ICML (softmax over captions).
    Zhai et al. (2023), Sigmoid loss for language image pre-training, ICCV, eq. 1 (yes or no).
    Tokozume et al. (2018), Learning from between-class examples, ICLR (mixtures as examples).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from textsep_lab.encoders.base import TextEncoder
from textsep_lab.encoders.registry import load_encoder
from textsep_lab.models.clap import ClapNetwork, extract_features, pool
from textsep_lab.models.config import ClapConfig
from textsep_lab.training.clap_data import ClapBatch, ClapData, ClapValidation
from textsep_lab.training.config import ClapSettings
from textsep_lab.training.loop import Run, described
from textsep_lab.training.separator_data import clips_per_epoch, protocol

Tensor = torch.Tensor


def train(settings: ClapSettings, output_dir: str | Path, progress: bool = True) -> Path:
    """Train a CLAP network, or go on with the run that `output_dir` holds (see `loop.Run`).

    Returns:
        Path of the best checkpoint: the averaged weights with the highest zero-shot accuracy.

    Raises:
        ValueError: senseless settings, or a run with other settings lies in `output_dir`.
        FileNotFoundError: no data set.
    """
    settings.check()
    return ClapRun(settings, Path(output_dir), load_encoder(settings.encoder)).fit(progress)


class ClapRun(Run):
    """A run that trains a `ClapNetwork` on top of a text encoder that stays as it is."""

    def __init__(self, settings: ClapSettings, folder: Path, encoder: TextEncoder) -> None:
        self.encoder = encoder
        config = ClapConfig(text_dim=encoder.dim, dim=settings.dim)
        self.data = ClapData(settings, config, encoder)
        self.validation = ClapValidation(settings, config, encoder)
        epoch = clips_per_epoch(self.data.clips.table)
        super().__init__(settings, folder, lambda: ClapNetwork(config), epoch)

    def batch(self, step: int) -> ClapBatch:
        return self.data.batch(step)

    def loss(self, mixture: Tensor, activity: Tensor, captions: Tensor) -> Tensor:
        with self.fabric.autocast():
            features = extract_features(self.network, mixture)
        return contrastive_loss(self.network, features.float(), activity, captions)

    def score(self, network: torch.nn.Module) -> dict[str, float]:
        return self.validation.score(network, self.fabric.device)

    def info(self) -> dict[str, Any]:
        return {
            "encoder": described(self.encoder),
            "query_classifier": self.classifier_file(self.encoder, self.data.labels),
            "data": protocol(self.settings, self.data.clips.table),
        }


def contrastive_loss(
    network: ClapNetwork, features: Tensor, activity: Tensor, captions: Tensor
) -> Tensor:
    """Return the loss of a batch: which captions fit the clip, and which are active when.

    The clip chooses among the captions of all labels (CLIP's softmax, from audio to text; its
    sounds share the choice equally), and every pair of clip and caption, and of frame and
    caption, is a yes or no (the sigmoid loss). A clip in which nothing is active has no choice.

    Args:
        features: of the clips, from `extract_features`, ``[batch, frames, c]``.
        activity: 1 where a label is active, ``[batch, frames, labels]``.
        captions: text embeddings ``[labels, text_dim]``.
    """
    words = network.embed_text(captions)
    clip, frames = network.embed(pool(features)) @ words.T, network.embed(features) @ words.T
    there = activity.amax(1)
    count = there.sum(1, keepdim=True)
    choice = F.cross_entropy(
        network.choice_scale.exp() * clip, there / count.clamp_min(1), reduction="none",
        label_smoothing=0.05,
    )  # fmt: skip
    choice = (choice * (count[:, 0] > 0)).mean()
    sigmoid = F.binary_cross_entropy_with_logits
    clip_presence = sigmoid(network.presence_logits(clip), there, reduction="none").sum(-1).mean()
    presence = sigmoid(network.presence_logits(frames), activity, reduction="none").sum(-1).mean()
    return choice + 0.5 * clip_presence + 0.5 * presence
