"""Training the joint embedding: sounds are pulled towards the words that describe them.

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

from textsep_lab.audio_tower import JointNetwork, TowerConfig, listen, pool
from textsep_lab.embeddings import TextEncoder, load_encoder
from textsep_lab.listening_data import ListeningBatch, ListeningData, ListeningValidation
from textsep_lab.reading import Reader, reader_path
from textsep_lab.runs import Run
from textsep_lab.settings import ListenerSettings
from textsep_lab.training_data import clips_per_epoch, protocol

Tensor = torch.Tensor


def train(settings: ListenerSettings, output_dir: str | Path, progress: bool = True) -> Path:
    """Train a joint network, or go on with the run that `output_dir` holds (see `runs.Run`).

    Returns:
        Path of the best checkpoint: the averaged weights with the highest zero-shot accuracy.

    Raises:
        ValueError: senseless settings, or a run with other settings lies in `output_dir`.
        FileNotFoundError: no data set.
    """
    settings.check()
    run = ListenerRun(settings, Path(output_dir), load_encoder(settings.encoder))
    best = run.fit(progress)
    Reader.fit(run.encoder, run.data.labels).save(reader_path(best))
    return best


class ListenerRun(Run):
    """A run that trains a `JointNetwork` on top of a text encoder that stays as it is."""

    def __init__(self, settings: ListenerSettings, folder: Path, encoder: TextEncoder) -> None:
        self.encoder = encoder
        config = TowerConfig(text_dim=encoder.dim, dim=settings.dim)
        self.data = ListeningData(settings, config, encoder)
        self.validation = ListeningValidation(settings, config, encoder)
        epoch = clips_per_epoch(self.data.clips.table)
        super().__init__(settings, folder, lambda: JointNetwork(config), epoch)

    def batch(self, step: int) -> ListeningBatch:
        return self.data.batch(step)

    def loss(self, mixture: Tensor, activity: Tensor, captions: Tensor) -> Tensor:
        with self.fabric.autocast():
            features = listen(self.network, mixture)
        return contrastive_loss(self.network, features.float(), activity, captions)

    def score(self, network: torch.nn.Module) -> dict[str, float]:
        return self.validation.score(network, self.fabric.device)

    def info(self) -> dict[str, Any]:
        return {
            "encoder": {"name": self.encoder.name, "dim": self.encoder.dim},
            "data": protocol(self.settings, self.data.clips.table),
        }


def contrastive_loss(
    network: JointNetwork, features: Tensor, activity: Tensor, captions: Tensor
) -> Tensor:
    """Return the loss of a batch: which captions fit the clip, and which are heard when.

    The clip chooses among the captions of all labels (CLIP's softmax, from audio to text; its
    sounds share the choice equally), and every pair of clip and caption, and of frame and
    caption, is a yes or no (the sigmoid loss). A clip in which nothing is heard has no choice.

    Args:
        features: of the clips, from `listen`, ``[batch, frames, c]``.
        activity: 1 where a label is heard, ``[batch, frames, labels]``.
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
