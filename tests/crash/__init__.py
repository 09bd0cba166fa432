"""The crash suite: a real daemon is killed and its files are damaged, and what was acknowledged has to be there.

`scripts/crash` runs it at length; the tests in this folder run a little of everything.
"""
