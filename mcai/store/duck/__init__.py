"""The catalog on DuckDB."""

from mcai.store.duck.catalog import DuckCatalog

__all__ = ["DuckCatalog"]
