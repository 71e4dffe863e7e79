"""The Keras optimiser and learning-rate schedule of a phase."""

import keras

_schedules = keras.optimizers.schedules


def build_optimizer(phase, *, total_steps, steps_per_epoch):
    """The optimiser of `phase`, whose learning rate spans `total_steps` batches."""
    accumulated = phase.accumulated_batches
    options = {"learning_rate": learning_rate(phase.learning_rate, total_steps, steps_per_epoch)}
    options["global_clipnorm"] = phase.gradient_norm_limit
    options["gradient_accumulation_steps"] = accumulated if accumulated > 1 else None
    if phase.average_steps:
        options |= {"use_ema": True, "ema_momentum": 1 - 1 / phase.average_steps}
    if phase.optimizer == "sgd":
        return keras.optimizers.SGD(
            momentum=phase.beta_1, weight_decay=phase.weight_decay or None, **options
        )
    betas = {"beta_1": phase.beta_1, "beta_2": phase.beta_2}
    if phase.optimizer == "adamw":
        return keras.optimizers.AdamW(weight_decay=phase.weight_decay, **betas, **options)
    return keras.optimizers.Adam(**betas, **options)


def learning_rate(rate, total_steps, steps_per_epoch):
    """A number, or a Keras schedule over `total_steps` batches."""
    if rate.decay == "constant":
        return rate.start
    if rate.decay == "steps":
        return _schedules.ExponentialDecay(
            rate.start, rate.every_epochs * steps_per_epoch, rate.factor, staircase=True
        )
    if rate.decay == "linear":
        return _schedules.PolynomialDecay(rate.start, max(1, total_steps), rate.end)
    if not rate.warm_up_steps:
        return _schedules.CosineDecay(rate.start, max(1, total_steps), alpha=rate.end / rate.start)
    falling = max(1, total_steps - rate.warm_up_steps)
    return _schedules.CosineDecay(
        0.0,
        falling,
        alpha=rate.end / rate.start,
        warmup_target=rate.start,
        warmup_steps=rate.warm_up_steps,
    )
