"""What a training plan is made of: phases with sizes, losses, optimiser, learning
rate and what is handed over.

A plan is data: the same phases are printed by a dry run, carried out by the trainer,
and shrunk for a trial run.
"""

import dataclasses
from dataclasses import dataclass

from bokeh_tf.models.weights import weights_name

DECAYS = ("constant", "linear", "cosine", "steps")
FRAMINGS = ("crop", "resize")
TARGETS = ("bokeh", "saliency")
OPTIMIZERS = ("adam", "adamw", "sgd")
# Pairs of photographs, scenes composed of cut-out photographs, or photographs with labelled
# subjects; see `bokeh_tf.data.scenes.scenes` and `bokeh_tf.data.scenes.subjects`.
DATA = ("pairs", "scenes", "subjects", "tapped_subjects", "partly_tapped_subjects")
_POSITIVE_FIELDS = ("batch_size", "accumulated_batches")


@dataclass(frozen=True)
class Term:
    """One term of a loss: a name of `bokeh_tf.losses.LOSSES` and its weight."""

    loss: str
    weight: float = 1.0


@dataclass(frozen=True)
class LearningRate:
    """The learning rate over a phase."""

    start: float
    # Its value at the end of the phase; the start's for a constant one.
    end: float | None = None
    # "linear" and "cosine" go from start to end; "steps" multiplies by
    # `factor` every `every_epochs`.
    decay: str = "constant"
    every_epochs: int | None = None
    factor: float = 0.5
    # Steps over which it first rises from nothing; a cosine only.
    warm_up_steps: int = 0

    def __post_init__(self):
        if self.decay not in DECAYS:
            raise ValueError(
                f"decay must be a known one. Received: {self.decay!r}. Known: {', '.join(DECAYS)}."
            )
        if not self.start > 0 or (self.end is not None and not 0 <= self.end <= self.start):
            raise ValueError(
                f"start must be positive and end between 0 and start. Received: {self}"
            )
        if (self.end is not None) != (self.decay in ("linear", "cosine")):
            raise ValueError(f"end belongs to a linear or cosine decay. Received: {self}")
        if (self.every_epochs is not None) != (self.decay == "steps") or not 0 < self.factor < 1:
            raise ValueError(
                f"every_epochs belongs to steps, whose factor is within (0, 1). Received: {self}"
            )
        if self.warm_up_steps < 0 or (self.warm_up_steps and self.decay != "cosine"):
            raise ValueError(f"warm_up_steps belongs to a cosine decay. Received: {self}")


@dataclass(frozen=True)
class Adversary:
    """WGAN-GP (Gulrajani et al. 2017): critics that tell rendered pictures from photographs."""

    # Kinds of `bokeh_tf.models.bgnet.build_critic`; their scores are averaged.
    critics: tuple[str, ...] = ("patch", "full")
    # Weight of the generator's adversarial term, and of the critics' gradient penalty.
    weight: float = 1.0
    gradient_penalty: float = 10.0
    # Steps of the critics for each of the generator.
    critic_steps: int = 1
    learning_rate: float = 1e-5


@dataclass(frozen=True)
class Phase:
    """One stretch of training with one set of settings."""

    name: str
    losses: tuple[Term, ...]
    learning_rate: LearningRate
    # (height, width) of what the network sees, and how a photo becomes it.
    image_shape: tuple[int, int]
    framing: str = "crop"
    batch_size: int = 1
    # Length: exactly one of the two.
    epochs: int | None = None
    steps: int | None = None
    # "adam", "adamw" or "sgd"; the last two with a weight decay, "sgd" with momentum beta_1.
    optimizer: str = "adam"
    beta_1: float = 0.9
    beta_2: float = 0.999
    weight_decay: float = 0.0
    # Longest gradient over all weights; longer ones are shortened to it.
    gradient_norm_limit: float | None = None
    # The phase's result is a running mean of the weights over about this many steps.
    average_steps: int | None = None
    # Gradients of this many batches are averaged before a step.
    accumulated_batches: int = 1
    # Fields of the variant's Config that differ in this phase.
    changes: tuple[tuple[str, object], ...] = ()
    # The layer whose pictures are compared where it is not the output, and
    # whether they are in [-1, 1].
    output_layer: str | None = None
    is_output_signed: bool = False
    # What it learns from, and what its pictures are compared with.
    data: str = "pairs"
    target: str = "bokeh"
    # Random changes of a pair: "horizontal", "vertical", "rotate" (by multiples of 90 degrees).
    augmentations: tuple[str, ...] = ("horizontal",)
    # Layers that learn, as patterns of their names.
    learning_layers: tuple[str, ...] = ("*",)
    # The earlier phase that the weights come from, layer by layer where name and shape agree.
    starts_from: str | None = None
    # What that phase's layers are called here: their names behind each of these prefixes.
    prefixes: tuple[str, ...] = ("",)
    adversary: Adversary | None = None
    # Names of fields that the authors did not publish: their values are ours.
    ours: tuple[str, ...] = ()

    def __post_init__(self):
        if not self.losses:
            raise ValueError(f"{self.name}: losses must hold at least one term. Received: none")
        if (self.epochs is None) == (self.steps is None) or not (
            self.epochs or self.steps or 0
        ) > 0:
            raise ValueError(
                f"{self.name}: a positive number of epochs or of steps. Received: {self}"
            )
        known = {"framing": FRAMINGS, "target": TARGETS, "optimizer": OPTIMIZERS, "data": DATA}
        for field, values in known.items():
            if getattr(self, field) not in values:
                received = f"Received: {getattr(self, field)!r}. Known: {', '.join(values)}."
                raise ValueError(f"{self.name}: {field} must be a known one. {received}")
        for field in _POSITIVE_FIELDS:
            if getattr(self, field) < 1:
                raise ValueError(
                    f"{self.name}: {field} must be positive. Received: {getattr(self, field)}"
                )
        unknown = set(self.ours) - {field.name for field in dataclasses.fields(self)}
        if unknown:
            raise ValueError(
                f"{self.name}: ours must name fields. Received: {', '.join(sorted(unknown))}"
            )

    def shortened(self, steps):
        """The same phase over so many steps; averaging and warming up take no larger a
        share of them than before.
        """
        before = self.steps or steps
        share = min(1.0, steps / before)
        average_steps = self.average_steps and max(1, round(self.average_steps * share))
        rate = dataclasses.replace(
            self.learning_rate, warm_up_steps=round(self.learning_rate.warm_up_steps * share)
        )
        return dataclasses.replace(
            self, steps=steps, epochs=None, average_steps=average_steps, learning_rate=rate
        )

    def steps_per_epoch(self, pairs):
        """Batches in one pass through so many pairs; an incomplete last one is dropped."""
        return max(1, pairs // self.batch_size)

    def total_steps(self, pairs):
        """Batches of the phase for a data set of so many pairs."""
        return self.steps if self.steps is not None else self.epochs * self.steps_per_epoch(pairs)


@dataclass(frozen=True)
class Plan:
    """How one system was trained: its phases in their order."""

    name: str
    model: str
    source: str
    phases: tuple[Phase, ...]
    variant: str = "base"
    # The variant that the last phase's network is, where that is another.
    result: str | None = None

    def __post_init__(self):
        names = [phase.name for phase in self.phases]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"{self.name}: phases must have names of their own. Received: {names}")
        for position, phase in enumerate(self.phases):
            if phase.starts_from is not None and phase.starts_from not in names[:position]:
                raise ValueError(
                    f"{self.name}: {phase.name} must start from an earlier phase. Received: {phase}"
                )

    def weights_file(self, only_phase: int | None = None) -> str:
        """What the file of the weights is called that all phases leave, or the one
        with this number, from 1.
        """
        is_last = only_phase in (None, len(self.phases))
        return weights_name(self.model, (self.result if is_last else None) or self.variant)

    def small(self, *, image_shape, variant="tiny", steps=8, batch_size=2):
        """The same phases as a trial run: another variant, small images, a few steps each."""
        phases = tuple(
            dataclasses.replace(
                phase.shortened(steps),
                image_shape=image_shape,
                batch_size=min(phase.batch_size, batch_size),
            )
            for phase in self.phases
        )
        return dataclasses.replace(self, variant=variant, result=None, phases=phases)
