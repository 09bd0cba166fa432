"""The daemon `mcaid`: owns the data, serves it on the unix socket. Knows nothing of the command line."""
