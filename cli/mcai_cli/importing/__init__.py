"""The import of dataset files: reads them, sends their records to the daemon in batches, and accounts for every one.

It knows nothing of typer or of how results are shown. Memory does not grow with the size of the files: what is held is
the batches on their way, a line per file, and the first rejections.
"""
