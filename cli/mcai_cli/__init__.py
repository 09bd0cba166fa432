"""The command line: parses arguments, talks to the daemon through `mcai.client`, prints.

It must not import the store, the daemon or anything heavy: a command has the time that importing typer takes, twice.
"""
