"""SQL of a person's own, on a copy of the catalog, in a child process that can be killed.

DuckDB calls untrusted SQL unsafe by design: string functions alone take all memory and heed no time limit. So the
daemon never runs such a query. It writes a copy of what there is to ask about (`copy`), hands it as an open, nameless
file to a child (`child`, `engine`, `values`) that has given up everything but that file, its memory and its time, and
reads one answer (`protocol`) from a pipe. `host` is the daemon's side of it.

Nothing is imported here: the child loads this package too, and its start is part of every query's time.
"""
