"""The daemon `mcaid`: owns the data, serves it on the unix socket. Knows nothing of the command line."""

import signal

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""They end it in order."""
