"""Where the data lies: the catalog (the truth) and the search index beside it (derived, rebuilt at any time).

`base` holds the seam, `duck` the catalog on DuckDB, `lance` the index on Lance. Only the daemon imports this package:
DuckDB has one owner, and neither engine survives a fork.
"""
