"""All operations, one module a noun. The order is that of the documentation."""

from mcai_daemon.routes import datasets, emotions, examples, export, health, search, status

OPERATIONS = (
    *health.OPERATIONS,
    *status.OPERATIONS,
    *datasets.OPERATIONS,
    *examples.OPERATIONS,
    *search.OPERATIONS,
    *export.OPERATIONS,
    *emotions.OPERATIONS,
)
