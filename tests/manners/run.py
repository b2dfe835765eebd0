"""Runs the tests of this folder, or those whose names hold a word; the last line counts them: N passed, N failed."""
import os
import sys
import unittest


def main(words):
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, here)
    loader = unittest.defaultTestLoader
    if words:
        loader.testNamePatterns = [f"*{word}*" for word in words]
    result = unittest.TextTestRunner(verbosity=1).run(loader.discover(here))
    failed = {test.id() for test, _ in result.failures + result.errors}
    print(f"{max(result.testsRun - len(result.skipped) - len(failed), 0)} passed, {len(failed)} failed")
    return 0 if result.wasSuccessful() else 1


sys.exit(main(sys.argv[1:]))
