"""Bytes to items: one reader for each kind of file. Bounded memory at any size; a torn item costs only itself."""
