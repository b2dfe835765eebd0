"""Runs the tests of this folder; the last line counts them: N passed, N failed."""
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
    failed = {test.id().split(" ")[0] for test, _ in result.failures + result.errors}
    print(f"{result.testsRun - len(failed)} passed, {len(failed)} failed")
    return not result.wasSuccessful()


sys.exit(main(sys.argv[1:]))
