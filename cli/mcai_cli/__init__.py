"""The command line: parses arguments, talks to the daemon through `mcai.client`, prints.

It must not import the store, the daemon or anything heavy: every command starts in about the time of an import of typer.
"""
