"""`bokeh-tf check`: its options, what it calls, and what it prints where."""

import argparse
import contextlib
import itertools
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from bokeh_tf.commands import check_engines, outputs, proving, working
from bokeh_tf.commands.console import open_console
from bokeh_tf.delegate.findings import TARGETS
from bokeh_tf.delegate.writers.formats import FORMATS
from bokeh_tf.paths import printable, resolved
from bokeh_tf.stages import stage

_DESCRIPTION = """Says whether a phone's GPU delegate takes a .tflite file whole, and if not, which
nodes it refuses and what to write instead. First a static lint by the rules of the classic TFLite
GPU delegate (v2) and of LiteRT's (mldrift); it runs nothing. Then ML Drift itself: each file is
compiled for the GPU alone, in a child process, and its numbers are compared with the CPU's."""
_EPILOG = """exit status:
  0  passed
  1  could not be checked: a file that cannot be read, a check that broke down or ran out of time
  2  wrong usage
  3  checked and failed: a condition of --fail-on holds for at least one file (and whatever else happened)

conditions of --fail-on, a comma between them (default: refused,wrong):
  refused        a target leaves nodes to the CPU or cannot build its graph, or the real delegate refuses the file
  wrong          a target takes a node and computes something else, or the real delegate's numbers are wrong
  fp16           the half-precision audit finds errors (turns --audit on)
  opengl         v2 would refuse the file or compute it wrong on phones and in apps without OpenCL
  npu            LiteRT's NPU path does not take all of the file, or computes it wrong (needs the engine openvino)
  npu-compiler   the compiler that --npu-compiler names does not take all of the file
  partitions:N   a target sees N or more separate parts that it could take
  macs:PERCENT   less than this share of the multiply-accumulates runs on the GPU
They apply to every delegate named by --target. Where the lint and the real delegate disagree about mldrift, the real
delegate counts, and the report says so. A machine without a Vulkan adapter cannot ask the real delegate: that is a
note, and the lint alone decides, unless --require-probe is given. A baseline covers findings, never limits.

examples:
  bokeh-tf check model.tflite
  bokeh-tf check models/ --no-probe --target v2 --fail-on refused,wrong,macs:99
  bokeh-tf check models/ --format sarif --output check.sarif --baseline check-baseline.json
  bokeh-tf check models/ --output junit:check.xml --output gitlab:check.json --output markdown:check.md
  bokeh-tf check --explain v2.op"""


@dataclass(frozen=True)
class _Output:
    """A file to write; `format` is None where `--format` says it."""

    path: Path
    format: str | None


def add(commands) -> None:
    """Adds the command's parser to the subparsers `commands`."""
    parser = commands.add_parser(
        "check",
        help="say whether phones' GPU delegates take .tflite files, and compute them right",
        usage="bokeh-tf check PATH [PATH ...] [options]\n       bokeh-tf check --explain RULE",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="PATH",
        help=".tflite files, folders or patterns of them",
    )
    _add_steps(parser)
    _add_judgement(parser)
    _add_output(parser)
    parser.set_defaults(run=run, usage_error=parser.error)


def _add_steps(parser):
    group = parser.add_argument_group("what is checked")
    targets = ",".join(TARGETS)
    group.add_argument(
        "--target", default=targets, metavar="LIST", help=f"delegates (default {targets})"
    )
    proving.add_runtime(group)
    proving.add_no_probe(group)
    group.add_argument(
        "--engines",
        metavar="LIST",
        help="auto (what is there, the default), none (as --no-probe), or names of engines, which"
        " must run:"
        " mldrift, classic-gl, openvino, npu-compiler",
    )
    group.add_argument(
        "--classic-gl-python",
        type=Path,
        metavar="FILE",
        help="a Python with mediapipe, which has the classic engine; run without network (or"
        " BOKEH_CLASSIC_GL_PYTHON)",
    )
    group.add_argument(
        "--npu-compiler",
        metavar="VENDOR:SOC=DIR",
        help="have each file compiled for a phone's NPU by its vendor's own libraries, which you"
        " bring: google, intel, mediatek, qualcomm or samsung, such as"
        " qualcomm:SM8750=/opt/qairt/lib/x86_64-linux-clang",
    )
    group.add_argument(
        "--require-probe",
        action="store_true",
        help="no Vulkan adapter, or another release installed than --runtime: not checked, status 1",
    )
    _add_deeper_steps(group)


def _add_deeper_steps(group):
    group.add_argument(
        "--bisect",
        action="store_true",
        help="where the real delegate fails: name the first node to blame",
    )
    group.add_argument(
        "--audit",
        action="store_true",
        help="look for what half precision cannot hold; needs no GPU",
    )
    group.add_argument(
        "--inputs",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="samples for the audit instead",
    )
    proving.add_photo(group)
    proving.add_timeout(group, what="per file and check", default_s=600)


def _add_judgement(parser):
    group = parser.add_argument_group("what fails")
    group.add_argument("--fail-on", metavar="LIST", help="conditions, see below")
    group.add_argument(
        "--baseline", type=Path, metavar="FILE", help="findings in this file do not fail"
    )
    group.add_argument(
        "--write-baseline", type=Path, metavar="FILE", help="write all findings that fail, and pass"
    )


def _add_output(parser):
    group = parser.add_argument_group("what is written")
    group.add_argument(
        "--format", choices=FORMATS, default=FORMATS[0], help=f"default {FORMATS[0]}"
    )
    group.add_argument(
        "--output",
        type=_output,
        action="append",
        default=[],
        metavar="[FORMAT:]FILE",
        help="write there, in --format or in its own; may be given again; the terminal still gets"
        " the text",
    )
    outputs.add(group)
    group.add_argument(
        "--annotate",
        action="store_true",
        help="with --output: the terminal gets GitHub annotations, the step its summary and"
        " outputs",
    )
    group.add_argument(
        "--explain", metavar="RULE", help="print a rule, its evidence and an example, and stop"
    )


def _output(text):
    """`FILE`, or `FORMAT:FILE`; a file whose name begins so is meant
    with its folder, `./json:a`.
    """
    name, colon, rest = text.partition(":")
    return (
        _Output(Path(rest), name)
        if colon and rest and name in FORMATS
        else _Output(Path(text), None)
    )


_output.__name__ = "output"


def run(options: argparse.Namespace) -> int:
    """Runs the command with parsed `options`; returns the exit status."""
    if options.explain is not None:
        return _explain(options)
    policy, steps = _settings(options)
    from bokeh_tf.delegate.check import SUFFIX, find_models
    from bokeh_tf.delegate.judging.baseline import Baseline, read
    from bokeh_tf.delegate.judging.policy import exit_code, judge
    from bokeh_tf.delegate.writers.running_report import RunningReport
    from bokeh_tf.tflite.subject import printable_path

    baseline = read(options.baseline) if options.baseline else Baseline()
    if baseline.warning:
        print(f"bokeh-tf: {baseline.warning}", file=sys.stderr)
    with working.working(), stage(f"looking for {SUFFIX} files"):
        paths = find_models(options.paths)
    _claim_outputs(options, paths)
    judged = []
    on_file = _printer(options, len(paths))
    labels = [printable_path(str(path)) for path in paths]
    with contextlib.ExitStack() as stack:
        running = [
            stack.enter_context(
                RunningReport(
                    one.path,
                    labels,
                    policy,
                    format=one.format or options.format,
                    runtime=steps.runtime,
                )
            )
            for one in options.output
        ]
        for report in _reports(paths, steps):
            judged.append(judge(report, policy, baseline=baseline))
            for written in running:
                written.add(judged[-1])
            on_file(judged[-1])
        if options.write_baseline:
            judged = _accept(judged, options.write_baseline, policy)
        for written in running:
            written.finish(judged)
    _print_end(judged, policy, options)
    return exit_code(judged)


def _claim_outputs(options, paths):
    """Refuses outputs that would replace something, before hours of work rather than after."""
    inputs = [*paths, *options.inputs, options.photo, options.baseline]
    for path in (*(one.path for one in options.output), options.write_baseline):
        outputs.claim(path, inputs=inputs, overwrite=options.overwrite)


def _settings(options):
    """The policy and the steps that the options ask for; ends with status 2
    where they make no sense.
    """
    from bokeh_tf.delegate.check import Steps
    from bokeh_tf.delegate.engines import ML_DRIFT
    from bokeh_tf.delegate.judging.policy import DEFAULT, Policy

    if not options.paths:
        options.usage_error("the following arguments are required: PATH")
    if options.annotate and not options.output:
        options.usage_error("--annotate goes with --output; without it: --format github")
    written = [one.path for one in options.output]
    for one, other in itertools.combinations(written, 2):
        if _is_same(one, other):
            options.usage_error(f"--output is given twice for one file: {printable(other)}")
    if options.write_baseline and any(_is_same(one, options.write_baseline) for one in written):
        options.usage_error("--output and --write-baseline must be different files")
    try:
        asked, required = check_engines.read(options)
        # The default is not the parser's, which would have to import the policy to know it.
        fail_on = DEFAULT if options.fail_on is None else options.fail_on
        policy = Policy.parse(
            fail_on,
            require_probe=options.require_probe or ML_DRIFT in required,
            required=required - {ML_DRIFT},
        )
        check_engines.require_answerable(policy, asked, options)
        steps = Steps(
            targets=tuple(dict.fromkeys(name.strip() for name in options.target.split(","))),
            probe=ML_DRIFT in asked,
            audit=options.audit or "fp16" in policy.criteria,
            bisect=options.bisect,
            photo=options.photo,
            inputs=tuple(options.inputs),
            timeout_s=options.timeout,
            classic_gl_python=check_engines.classic_gl_python(options, asked, required),
            openvino=check_engines.asks_openvino(policy, asked, required),
            npu_compiler=check_engines.npu_compiler(policy, options, asked, required),
            runtime=options.runtime,
        )
    except ValueError as error:
        options.usage_error(str(error))
    return policy, steps


def _is_same(path, other):
    return resolved(path) == resolved(other)


def _reports(paths, steps):
    """The reports as they come; what takes long says what it is at."""
    from bokeh_tf.delegate.check import check_paths

    reports = check_paths(paths, steps)
    return working.counted(reports, len(paths)) if _shows_bar(len(paths)) else working.each(reports)


def _shows_bar(count):
    return count > 1 and working.has_terminal()


def _terminal_format(options):
    if options.annotate:
        return "github"
    # What --format says is for the outputs without one of their own; where there are
    # none, for the terminal.
    return "text" if any(one.format is None for one in options.output) else options.format


def _printer(options, count):
    """What to do with each file as it comes: print it, unless a progress bar is in the
    way or no text is wanted.
    """
    if _terminal_format(options) != "text" or _shows_bar(count) or options.write_baseline:
        return lambda one: None
    from bokeh_tf.delegate.writers.text import has_details, print_file

    console = open_console()
    return lambda one: print_file(one, console) if count == 1 or has_details(one) else None


def _accept(judged, path, policy):
    """Writes a baseline of what failed; returns the files as judged by it."""
    from bokeh_tf.delegate.judging.baseline import Baseline
    from bokeh_tf.delegate.judging.policy import judge
    from bokeh_tf.files import write_text

    baseline = Baseline.of(judged, path.parent)
    write_text(path, baseline.to_json())
    return [judge(one.report, policy, baseline=baseline) for one in judged]


def _print_end(judged, policy, options):
    """What is printed once all files are known."""
    from bokeh_tf.delegate.writers import formats as report

    if _terminal_format(options) != "text":
        print(report.write(judged, policy, format=_terminal_format(options)), end="")
        if _terminal_format(options) == "github":
            from bokeh_tf.delegate.writers import workflow

            workflow.leave(judged, policy, os.environ)
        return
    from bokeh_tf.delegate.writers.text import has_details, print_file, print_summary

    console = open_console()
    if _shows_bar(len(judged)) or options.write_baseline:
        for one in judged:
            if len(judged) == 1 or has_details(one):
                print_file(one, console)
    print_summary(judged, policy, console)
    for path in filter(None, (options.write_baseline, *(one.path for one in options.output))):
        console.print(f"written: {printable(path)}", soft_wrap=True, markup=False, highlight=False)


def _explain(options):
    from bokeh_tf.delegate.writers.explanation import explanation_of

    proving.check_runtime(options)
    try:
        text = explanation_of(options.explain)
    except ValueError as error:
        options.usage_error(str(error))
    print(text, end="")
    return 0
