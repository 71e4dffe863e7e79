"""`bokeh-tf train`: its options, what it calls, and what it prints where."""

import argparse
import dataclasses
import os
from pathlib import Path

from bokeh_tf.commands import outputs, shapes, train_export
from bokeh_tf.commands.console import count, size_px
from bokeh_tf.paths import is_file, printable
from bokeh_tf.training import PRECISIONS
from bokeh_tf.training.plans import PLANS

_DONE = 0
# A trial run: square, so that rotations fit; a multiple of what every network needs;
# large enough for MS-SSIM.
_SMALL_SHAPE = (192, 192)
# Named here too: `--help` imports no array library.
_VALIDATION_METRICS = ("psnr_db", "ssim", "psnr_matched_db")
_FLAGSHIP_SMALL_SHAPE = (256, 384)
_SMALL_STEPS = 8
_DESCRIPTION = """Trains a network by its paper's schedule, phase by phase. Nothing is lost to a
crash but the batches since the last checkpoint; --resume goes on, to the weights that an
uninterrupted run would have reached."""
_EPILOG = """PLAN is one of: {plans}.

The data are pairs of photographs (see: bokeh-tf data inspect DIR); for dbsi_mobile any photographs, of which scenes
are composed; for dbsi_mobile_focus photographs with labelled subjects. Ctrl-C saves and leaves.

examples:
  bokeh-tf train dmshn --data EBB --out runs/dmshn --dry-run
  bokeh-tf train dmshn --data EBB --out runs/dmshn
  bokeh-tf train dmshn --data EBB --out runs/dmshn --resume
  bokeh-tf train dmshn --data EBB --out runs/dmshn --val val294 --val-every 1000 --patience 10
  bokeh-tf train dmshn --data EBB --out runs/trial --scale small"""


def add(commands):
    """Adds the command's parser to the subparsers `commands`."""
    parser = commands.add_parser(
        "train",
        help="train a network by its paper's schedule (needs the tensorflow extra)",
        description=_DESCRIPTION,
        epilog=_EPILOG.format(plans=", ".join(PLANS)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "plan", metavar="PLAN", choices=tuple(PLANS), help="the schedule, see below"
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="pairs, or for dbsi_mobile photographs",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for all that the run writes"
    )
    parser.add_argument(
        "--only",
        type=Path,
        metavar="FILE",
        help="list of the pairs to use, of bokeh-tf data inspect",
    )
    _add_length(parser)
    outputs.add(parser)
    _add_computing(parser)
    _add_validation(parser)
    _add_networks(parser)
    parser.set_defaults(run=run, usage_error=parser.error)


def _add_length(parser):
    parser.add_argument(
        "--phase", type=count, metavar="N", help="run this phase alone (default: all)"
    )
    parser.add_argument(
        "--scale", choices=("full", "small"), default="full", help="small: a trial run of minutes"
    )
    parser.add_argument(
        "--steps", type=count, metavar="N", help="batches per phase instead of the plan's length"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print phases, steps, memory and time; train nothing"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    parser.add_argument(
        "--export",
        nargs="?",
        const=(),
        type=size_px,
        metavar="HxW",
        help="after the last phase, lay weights, a checked .tflite of this size (default: the"
        " network's own), its scores on the held-out pairs and a model card into OUT/exported",
    )


def _add_computing(parser):
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="of weights, order and augmentation (default: 0)",
    )
    parser.add_argument(
        "--checkpoint-every",
        type=count,
        default=500,
        metavar="N",
        help="batches between checkpoints (default: 500)",
    )
    parser.add_argument(
        "--accumulate", type=count, metavar="N", help="average the gradients of N batches per step"
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default=PRECISIONS[0],
        help=f"what layers compute in (default: {PRECISIONS[0]})",
    )
    parser.add_argument(
        "--deterministic",
        action="store_true",
        help="the same bits on every run, where the backend can; slower",
    )
    parser.add_argument(
        "--skip-nonfinite",
        action="store_true",
        help="leave out batches that break the losses, instead of stopping",
    )


def _add_networks(parser):
    parser.add_argument(
        "--vgg-weights",
        metavar="FILE",
        help='VGG-19 weights, or "random" (default: Keras\'s cache)',
    )
    parser.add_argument(
        "--encoder",
        type=Path,
        metavar="FILE",
        help="PyTorch checkpoint of EfficientNet-Lite0, for dbsi_mobile_focus",
    )
    parser.add_argument(
        "--allow-refused",
        action="store_true",
        help="train even what a phone's GPU delegate would refuse",
    )


def _add_validation(parser):
    group = parser.add_argument_group(
        "validation on held-out pairs, which keeps the best weights beside the last"
    )
    group.add_argument(
        "--val",
        metavar="DIR|SPLIT",
        help="a folder of pairs, or val294, validation or test of --data",
    )
    group.add_argument(
        "--val-every",
        type=count,
        metavar="N",
        help="batches between two times (default: a checkpoint)",
    )
    group.add_argument(
        "--val-pairs", type=count, default=40, metavar="N", help="at most so many (default: 40)"
    )
    group.add_argument(
        "--val-metric",
        choices=_VALIDATION_METRICS,
        default=_VALIDATION_METRICS[0],
        help="by which weights are the best",
    )
    group.add_argument(
        "--patience", type=count, metavar="N", help="end a phase after N times without a better one"
    )


def _loaded():
    """The modules that train; `DependencyError` where Keras or TensorFlow is missing."""
    from bokeh_tf.errors import DependencyError
    from bokeh_tf.native_messages import native_messages_muted

    # TensorFlow greets at length, and its graph optimiser reports as errors what it merely leaves
    # alone.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with native_messages_muted():
            from bokeh_tf.training import distribution, dry_run, session
    except ModuleNotFoundError as error:
        if error.name not in ("keras", "tensorflow"):
            raise
        raise DependencyError(
            'Training needs Keras and TensorFlow. Run: pip install "bokeh-tf[tensorflow]"'
        ) from error
    return distribution, dry_run, session


def run(options):
    """Runs the command with parsed `options`; returns the exit status."""
    if options.patience and not options.val:
        options.usage_error("--patience needs --val")
    if not options.dry_run:
        # Keras and TensorFlow take long to load.
        print(f"bokeh-tf train {options.plan}: loading Keras", flush=True)
    shapes.check(options)
    distribution, dry_run, session = _loaded()
    plan = _chosen_plan(options)
    if options.phase and options.phase > len(plan.phases):
        names = ", ".join(
            f"{number} {phase.name}" for number, phase in enumerate(plan.phases, start=1)
        )
        options.usage_error(f"--phase must be one of the plan's: {names}")
    if options.dry_run:
        dry_run.print_schedule(plan, data=options.data, only=options.only)
        return _DONE
    _claim_outputs(options, plan)
    settings = _settings(options, session)
    # Joining other processes comes before all else that Keras does.
    workers = distribution.join_workers()
    path = session.train(
        plan,
        data=options.data,
        out=options.out,
        settings=settings,
        only_phase=options.phase,
        workers=workers,
    )
    if not workers.is_first:
        return _DONE
    print(f"written: {printable(path)}", flush=True)
    return _DONE if options.export is None else train_export.export_run(options, plan, path)


def _claim_outputs(options, plan):
    """Refuses files that the run would replace, before days of work rather than after."""
    from bokeh_tf.files import refuse_inputs

    inputs = [options.only, options.vgg_weights, options.encoder]
    refuse_inputs([options.out / name for name in ("log.csv", "manifest.json")], inputs)
    result = plan.weights_file(options.phase)
    # A run that goes on has written them itself; of a folder that holds a run,
    # the run says what to do.
    is_of_a_run = options.resume or is_file(options.out / "manifest.json")
    outputs.claim_in_folder(
        options.out,
        files=[result],
        inputs=inputs,
        overwrite=options.overwrite or is_of_a_run,
    )
    if options.export is not None:
        outputs.claim_in_folder(
            options.out / train_export.FOLDER_NAME,
            files=train_export.file_names(options, plan),
            inputs=inputs,
            overwrite=options.overwrite or is_of_a_run,
        )


def _settings(options, session):
    try:
        run_options = session.RunOptions(
            seed=options.seed,
            batches_per_checkpoint=options.checkpoint_every,
            resume=options.resume,
            skip_nonfinite=options.skip_nonfinite,
        )
    except ValueError as error:
        options.usage_error(str(error))
    return session.Settings(
        only=options.only,
        precision=options.precision,
        is_deterministic=options.deterministic,
        # A trial run says nothing of quality, so any features will do.
        vgg_weights=options.vgg_weights or ("random" if options.scale == "small" else None),
        encoder=_encoder(options),
        allow_refused=options.allow_refused,
        watch=_watch(options, session),
        run=run_options,
    )


def _watch(options, session):
    if options.val is None:
        return None
    every = options.val_every or options.checkpoint_every
    return session.Watch(
        options.val, every, options.val_metric, options.patience, options.val_pairs
    )


def _encoder(options):
    if options.encoder is None:
        return None
    from bokeh_tf.porting.checkpoint import read_state_dict

    return read_state_dict(options.encoder)


def _chosen_plan(options):
    """The plan as the options change it."""
    plan = PLANS[options.plan]
    if options.scale == "small":
        # The flagship is small as it is.
        is_flagship = plan.model == "dbsi_mobile"
        shape = _FLAGSHIP_SMALL_SHAPE if is_flagship else _SMALL_SHAPE
        variant = plan.variant if is_flagship else "tiny"
        plan = plan.small(image_shape=shape, variant=variant, steps=options.steps or _SMALL_STEPS)
    phases = plan.phases
    if options.steps and options.scale == "full":
        phases = tuple(phase.shortened(options.steps) for phase in phases)
    if options.accumulate:
        phases = tuple(
            dataclasses.replace(phase, accumulated_batches=options.accumulate) for phase in phases
        )
    return dataclasses.replace(plan, phases=phases)
