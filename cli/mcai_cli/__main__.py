"""Lets ``python -m mcai_cli`` stand for ``mcai`` where no script is installed."""

from mcai_cli.app import main

main()
