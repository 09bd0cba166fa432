"""All operations, one module a noun. The order is that of the documentation."""

from mcai_daemon.routes import (
    archive,
    datasets,
    emotions,
    examples,
    export,
    health,
    history,
    metrics,
    search,
    sql,
    status,
    upkeep,
)

OPERATIONS = (
    *health.OPERATIONS,
    *status.OPERATIONS,
    *metrics.OPERATIONS,
    *datasets.OPERATIONS,
    *examples.OPERATIONS,
    *search.OPERATIONS,
    *sql.OPERATIONS,
    *export.OPERATIONS,
    *history.OPERATIONS,
    *archive.OPERATIONS,
    *upkeep.OPERATIONS,
    *emotions.OPERATIONS,
)
