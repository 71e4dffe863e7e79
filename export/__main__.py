"""`python -m export`: builds, converts and checks every recipe, and writes those
that pass, with a manifest.

Exit status: 0 all written; 1 a recipe could not be built or checked; 2 wrong usage; 3 a recipe
failed its check. A recipe that is not written leaves an older file of its name as it was. One
that a killed run left halfway, between its file, the packaged copy and the manifest, is exported
again, whatever --only says.
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console

import bokeh_tf.quiet_start  # noqa: F401 (before what takes time to import)
from bokeh_tf import exporting
from bokeh_tf.checkout import git_commit
from bokeh_tf.delegate.check import FAILED, NOT_CHECKED, PASSED
from bokeh_tf.delegate.probing.probe import DEFAULT_TIMEOUT_S
from bokeh_tf.delegate.writers.text import print_file
from bokeh_tf.errors import BokehError
from bokeh_tf.escaping import printable
from bokeh_tf.files import make_folder, write_bytes
from bokeh_tf.models.weights import WEIGHTS_FOLDER, load_weights
from bokeh_tf.program import guarded, run_program
from bokeh_tf.tflite.subject import subject_of
from export import manifest, web_page
from export.recipes import RECIPES

_WHOLE = "stopped; what is written so far is whole"
ASSETS_FOLDER = Path(__file__).resolve().parent.parent / "android_assets"


def main(
    arguments=None,
    *,
    recipes=RECIPES,
    weights_folder=WEIGHTS_FOLDER,
    assets_folder=ASSETS_FOLDER,
    build=None,
) -> int:
    """Exports the recipes that the command line asks for; returns the exit status.

    Args:
        weights_folder: where the trained weights lie and packaged files go.
        assets_folder: where files go without --out.
        build: a function like `bokeh_tf.models.build`, which is used if None.
    """
    options = _parse(arguments, recipes)
    console = Console(stderr=False)
    # Before anything is written: the files themselves are tracked, and must not make
    # the checkout look changed.
    commit = git_commit()
    chosen = [recipe for recipe in recipes if not options.only or recipe.name in options.only]
    order = [f"{recipe.name}.tflite" for recipe in recipes]

    def run() -> int:
        folder = make_folder(options.out or assets_folder)
        package = None if options.out else weights_folder
        halfway = manifest.halfway(folder, recipes, package=package)
        codes = []
        for recipe in [recipe for recipe in recipes if recipe in chosen or recipe in halfway]:
            code, subject, probe = _export(
                recipe, [folder, package], weights_folder, build, options, console
            )
            codes.append(code)
            if subject:
                manifest.write(
                    folder, [manifest.entry(recipe, subject, probe, commit=commit)], order=order
                )
                path = folder / f"{recipe.name}.tflite"
                console.print(f"wrote {path}", soft_wrap=True, markup=False, highlight=False)
            if subject and recipe.is_on_page:
                page = web_page.write(folder, path, overwrite=options.overwrite)
                console.print(f"wrote {page}", soft_wrap=True, markup=False, highlight=False)
        return max(codes, default=PASSED)

    return guarded("export", run, when_interrupted=_WHOLE)


def _export(recipe, folders, weights_folder, build, options, console):
    """One recipe: its exit status, and the file and what the real delegate said if it was written.

    Args:
        folders: where the file goes, and where a packaged one is copied to, if anywhere.
    """
    console.print(
        f"{recipe.name}: building, converting and checking", soft_wrap=True, highlight=False
    )
    try:
        content = convert_recipe(recipe, weights_folder, build)
        subject = subject_of(content, label=f"{recipe.name}.tflite")
        # A file that the real delegate was not asked about has not passed here: the manifest says
        # what was proved.
        judged = exporting.check_and_judge(
            subject, require_probe=True, photo=options.photo, timeout_s=options.timeout
        )
        print_file(judged, console)
        if judged.code == FAILED:
            _complain(f"{recipe.name}: not written, it failed its check")
            return FAILED, None, None
        if judged.code == NOT_CHECKED and not options.allow_unchecked:
            _complain(
                f"{recipe.name}: not written, it could not be checked. --allow-unchecked writes it"
                " all the same"
            )
            return NOT_CHECKED, None, None
        folder, package = folders
        write_bytes(folder / f"{recipe.name}.tflite", content)
        if package and recipe.is_packaged:
            write_bytes(package / f"{recipe.name}.tflite", content)
    except BokehError as error:
        _complain(error)
        return NOT_CHECKED, None, None
    return PASSED, subject, judged.report.probe


def convert_recipe(recipe, weights_folder, build=None) -> bytes:
    """The bytes of a recipe's `.tflite`, from its trained weights."""
    shape = (recipe.image_height_px, recipe.image_width_px)
    model = exporting.build_model(
        recipe.model, variant=recipe.variant, image_shape=shape, build=build
    )
    if model.weights:
        load_weights(model, Path(weights_folder) / recipe.weights_name)
    return exporting.convert_model(model, precision=recipe.precision)


def _parse(arguments, recipes):
    parser = argparse.ArgumentParser(
        prog="python -m export", description="Builds, converts and checks what we ship."
    )
    known = ", ".join(recipe.name for recipe in recipes)
    parser.add_argument(
        "--out", type=Path, help="folder instead of android_assets; leaves the package as it is"
    )
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", default=[], help=f"only these of: {known}"
    )
    parser.add_argument(
        "--photo", type=Path, help="photograph for the check instead of the packaged one"
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=DEFAULT_TIMEOUT_S,
        metavar="SECONDS",
        help="per checked file",
    )
    parser.add_argument(
        "--allow-unchecked",
        action="store_true",
        help='write, stamped "unchecked", what no one could check',
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help=f"replace files of {web_page.FOLDER}/ that were changed since they were exported",
    )
    options = parser.parse_args(arguments)
    unknown = [name for name in options.only if name not in {recipe.name for recipe in recipes}]
    if unknown:
        parser.error(f"--only takes recipe names. Received: {', '.join(unknown)}. Known: {known}.")
    if not options.timeout > 0:
        parser.error(f"--timeout must be positive. Received: {options.timeout:g}.")
    return options


def _complain(message):
    Console(stderr=True).print(
        f"export: {printable(str(message))}", soft_wrap=True, markup=False, highlight=False
    )


if __name__ == "__main__":
    sys.exit(run_program("export", lambda: main))
