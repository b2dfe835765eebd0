"""run.py - runs every score_*.py of this folder over a folder of labelled cases.

Each has FILES, the collections it needs, and score(corpora, program) -> list of Score. A collection
that is not there is said, not failed. Exit status 1 when any score is below its threshold.
"""
import argparse
import importlib
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from common import Program  # noqa: E402


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("corpora", type=Path)
    arguments = parser.parse_args()
    program = Program(arguments.build)
    good = True
    for path in sorted(HERE.glob("score_*.py")):
        module = importlib.import_module(path.stem)
        missing = [name for name in module.FILES if not (arguments.corpora / name).exists()]
        if missing:
            print(f"{path.stem}: skipped, no {', '.join(missing)}")
            continue
        for score in module.score(arguments.corpora, program):
            good = score.report() and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
