"""Runs a plan, phase by phase, so that a crash costs minutes and not days.

An output folder holds:

    manifest.json       what runs: plan, seed, data, versions, commit; batches left out
    checkpoints/        the last states, see `checkpoints`
    phases/NAME.npz     what a finished phase hands to the next
    log.csv, logs/      losses per round, and the same for TensorBoard
    pictures/           an example after every round: photo, picture, target
    validation.json, .png, best/    scores of held-out pairs, see `validation`
    <model>_<variant>.weights.h5    the result

A run that goes on does so from the newest intact checkpoint, and sees the batches that an
uninterrupted one would have seen.
"""

import contextlib
from dataclasses import dataclass

import keras
from absl import logging

from bokeh_tf.data.pairs.pipeline import PipelineError
from bokeh_tf.errors import TrainingError
from bokeh_tf.files import lock_folder, make_folder
from bokeh_tf.models.weights import save_weights
from bokeh_tf.paths import is_dir, is_file
from bokeh_tf.training import checkpoints, handover, manifest
from bokeh_tf.training.callbacks import (
    CsvLog,
    NonFiniteLoss,
    RichProgress,
    SaveWhenInterrupted,
    StopWhenNotFinite,
)
from bokeh_tf.training.distribution import ALONE
from bokeh_tf.training.pictures import ExamplePictures
from bokeh_tf.training.supervised import build_model
from bokeh_tf.training.validation import Validation

# A run whose losses break more often than this has another fault than its data.
_MOST_SKIPPED = 20


@dataclass(frozen=True)
class RunOptions:
    """How to run a plan; what a resumed run must share with its beginning comes first."""

    seed: int = 0
    # Batches between two checkpoints, and so the most that a crash costs.
    batches_per_checkpoint: int = 500
    # Go on from the checkpoint in the output folder.
    resume: bool = False
    # Leave out batches that make a loss NaN or infinite, instead of stopping.
    skip_nonfinite: bool = False

    def __post_init__(self):
        if self.batches_per_checkpoint < 1:
            raise ValueError(
                f"batches_per_checkpoint must be positive. Received: {self.batches_per_checkpoint}"
            )
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed must be from 0 to 2^32 - 1. Received: {self.seed}")


class Run:
    """One plan carried out in one output folder.

    Args:
        plan: a `plans.schedule.Plan`.
        out: the output folder.
        options: `RunOptions`.
        make_job: a function of (phase, model) to its `jobs.Job`.
        conditions: what else a resumed run must share with its beginning, as
            JSON values: data, precision.
        workers: `distribution.Workers`, if several processes train together; the first writes.
        watch: a `validation.Plan`, to be scored on held-out pairs, or None.
    """

    def __init__(self, plan, *, out, options, make_job, conditions, workers=ALONE, watch=None):
        self._plan, self._out, self._options = plan, make_folder(out), options
        self._make_job, self._workers, self._watch = make_job, workers, watch
        # Of processes that train together one writes; a second run would write between its lines.
        self._claim = lock_folder(self._out) if workers.is_first else contextlib.ExitStack()
        with contextlib.ExitStack() as on_failure:
            on_failure.push(self._claim)
            watched = None if watch is None else watch.conditions()
            conditions = {**conditions, "seed": options.seed, "validation": watched}
            self._manifest = manifest.start(
                self._out, plan, conditions, resume=options.resume, is_writing=workers.is_first
            )
            # A process that comes late must not find the others' run in a folder that was empty.
            workers.wait_for_all()
            self._manifest.write()
            on_failure.pop_all()

    def train(self, *, only_phase=None):
        """Runs all phases, or the one numbered `only_phase`, that are not finished;
        returns the weights file's path.

        Raises:
            TrainingError: a loss is not finite, a checkpoint cannot be used, or the
                phase before was not run.
        """
        with self._claim:
            return self._train(only_phase)

    def _train(self, only_phase):
        model = None
        for number, phase in enumerate(self._plan.phases, start=1):
            if only_phase in (None, number) and not is_file(self._result_of(phase.name)):
                model = self._train_phase(number, phase)
        last = self._plan.phases[(only_phase or len(self._plan.phases)) - 1]
        if model is None:
            model = self._build(last)
            handover.take_weights(model, self._result_of(last.name))
        path = self._out / self._plan.weights_file(only_phase)
        if self._workers.is_first:
            save_weights(model, path)
        return path

    def _result_of(self, name):
        return self._out / "phases" / f"{name}.npz"

    def _build(self, phase):
        # Each phase's fresh weights depend on the seed alone, wherever a run starts.
        keras.utils.set_random_seed(self._options.seed)
        return build_model(self._plan, phase)

    def _train_phase(self, number, phase):
        model = self._build(phase)
        if phase.starts_from:
            before = self._result_of(phase.starts_from)
            if not is_file(before):
                raise TrainingError(
                    f"{before}: phase {phase.name} starts from these weights. Run that phase first."
                )
            handover.take_weights(model, before, prefixes=phase.prefixes)
        handover.freeze_all_but(model, phase.learning_layers)
        job = self._make_job(phase, model)
        phase_run = _PhaseRun(
            self._out, number, phase, job, self._options, self._manifest, self._workers
        )
        phase_run.watch = self._watch
        phase_run.finish()
        if self._workers.is_first:
            make_folder(self._out / "phases")
            handover.write_weights(model, self._result_of(phase.name))
            self._manifest.finish(phase.name)
        # The next phase reads these weights in every process.
        self._workers.wait_for_all()
        return model


class _PhaseRun:
    """One phase from its newest checkpoint, or its beginning, to its last batch."""

    def __init__(self, out, number, phase, job, options, run_manifest, workers):
        self._out, self._number, self._phase, self._job = out, number, phase, job
        self._options, self._manifest, self._workers = options, run_manifest, workers
        self._checkpoints = out / "checkpoints"
        self._skipped = run_manifest.skipped(phase.name)
        self.watch = None

    def finish(self):
        """Runs to the end; what is averaged over the last steps becomes the weights."""
        first = self._restore()
        # From here on the first process removes and adds checkpoints.
        self._workers.wait_for_all()
        if first is None:
            first = 0
            if self._workers.is_first and is_dir(self._checkpoints):
                # A phase that is run again leaves nothing to go on from of those that followed it.
                checkpoints.remove_later(self._checkpoints, phase=self._number)
            # A batch that breaks the losses before the first round needs a state to go back to.
            self._save(first)
        while first is not None:
            first = self._run_from(first)
        if self._phase.average_steps:
            self._job.trainer.optimizer.finalize_variable_values(
                self._job.trainer.trainable_variables
            )

    def _run_from(self, first):
        """Runs to the phase's end and returns None; or returns where to go on, a bad
        batch having been left out.
        """
        batches = []
        log = CsvLog(self._out / "log.csv", phase=self._phase.name, first=first)
        progress = RichProgress(self._phase.name, first=first, total=self._job.total_steps)
        try:
            pictures = (
                ExamplePictures(self._out, self._phase.name, self._job)
                if self._workers.is_first
                else None
            )
            validation = self._validation(first)
            if validation and validation.is_over:
                return None
            for end, batches in self._rounds(first):
                values = self._fit(batches, progress)
                done = batches[-1] + 1
                if validation and validation.is_due(end):
                    values |= validation.measure(done)
                if pictures:
                    # Before the checkpoint: beyond it a resumed run writes again, behind it
                    # nothing may be missing.
                    log.add(done, values)
                    pictures.add(done, values)
                progress.say_round(done, values)
                if end % self._options.batches_per_checkpoint == 0 or end == self._job.total_steps:
                    self._save(done)
                if validation and validation.is_over:
                    return None
        except NonFiniteLoss as error:
            self._leave_out(batches[error.step - 1], error.names)
            return self._restore()
        except PipelineError as error:
            # What a dataset's function raises arrives wrapped beyond recognition.
            raise self._job.data_error() or error from error
        finally:
            progress.stop()
        return None

    def _validation(self, first):
        if self.watch is None or self._phase.target != "bokeh":
            return None
        return Validation(self.watch, out=self._out, phase=self._phase, job=self._job, first=first)

    def _rounds(self, first):
        """The end and the batches of each round to run; it ends where a
        checkpoint or a validation is due.
        """
        total = self._job.total_steps
        sizes = [self._options.batches_per_checkpoint, *([self.watch.every] if self.watch else ())]
        ends = sorted({end for size in sizes for end in range(size, total, size)} | {total})
        starts = [0, *ends[:-1]]
        for start, stop in zip(starts, ends, strict=True):
            batches = [
                batch for batch in range(max(first, start), stop) if batch not in self._skipped
            ]
            if batches:
                yield stop, batches

    def _fit(self, batches, progress):
        interruption = SaveWhenInterrupted(lambda step: self._save(batches[step - 1] + 1))
        # Each `fit` ends with the averages in the weights' place, but a round is
        # not the end of a phase.
        optimizer = self._job.trainer.optimizer
        optimizer.finalize_variable_values = lambda variables: None
        try:
            history = self._job.trainer.fit(
                self._job.batches(batches[0], self._skipped),
                steps_per_epoch=len(batches),
                epochs=1,
                verbose=0,
                shuffle=False,
                # Saving comes last: a batch that broke the losses is not kept.
                callbacks=[progress, StopWhenNotFinite(), interruption],
            )
        finally:
            interruption.give_back()
            del optimizer.finalize_variable_values
        values = {name: values[-1] for name, values in history.history.items()}
        return {
            "learning_rate": float(keras.ops.convert_to_numpy(optimizer.learning_rate)),
            **values,
        }

    def _save(self, batch):
        self._job.synchronise()
        if self._workers.is_first:
            checkpoints.save(
                self._job.variables, self._checkpoints, phase=self._number, batch=batch
            )

    def _restore(self):
        if not is_dir(self._checkpoints):
            return None
        checkpoint = checkpoints.newest(self._checkpoints, up_to_phase=self._number)
        if checkpoint is None or checkpoint.phase != self._number:
            return None
        checkpoints.restore(self._job.variables, checkpoint)
        return checkpoint.batch

    def _leave_out(self, batch, names):
        ids = self._job.batch_ids(batch)
        what = (
            f"{self._phase.name}, batch {batch} ({', '.join(ids)}): {', '.join(names)} is not"
            " finite"
        )
        if not self._options.skip_nonfinite:
            raise TrainingError(
                f"{what}. The state before it is in {self._checkpoints}. Look at these pairs, or"
                " --resume with "
                "--skip-nonfinite to leave the batch out."
            )
        self._skipped = self._skipped | {batch}
        if len(self._skipped) > _MOST_SKIPPED:
            raise TrainingError(
                f"{what}, the batch number {len(self._skipped)}. Lower the learning rate."
            )
        logging.warning("%s. It is left out.", what)
        self._manifest.skip(self._phase.name, batch, ids)
