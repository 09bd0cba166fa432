"""The records that mcai hands out: frozen, typed, with the field names of the public contract.

They are what the daemon writes as JSON, what ``mcai.Client`` returns and what ``--json`` prints: one shape from end to
end. Times are ISO 8601 text in UTC with ``Z``, as on the wire.
"""

import msgspec

from mcai.records.datasets import (
    ArchiveRestoreResult,
    Dataset,
    Datasets,
    DomainChange,
    DomainDiff,
    Emotion,
    Emotions,
    EpochDiff,
    EpochEntry,
    EpochLog,
    RollbackResult,
    RotatedDomain,
    RotateResult,
)
from mcai.records.examples import (
    DEFAULT_DOMAIN,
    MAX_BATCH_RECORDS,
    MAX_LIMIT,
    MAX_RECORD_BYTES,
    MAX_TOLD,
    MAX_TOLD_BYTES,
    AddedItem,
    AddResult,
    DeleteResult,
    Example,
    ExportResult,
    Hit,
    NewExample,
    Page,
    SearchResult,
    StoredExample,
)
from mcai.records.status import (
    DaemonInfo,
    GraphInfo,
    IndexInfo,
    RecoveryInfo,
    SnapshotInfo,
    Status,
)
from mcai.records.upkeep import (
    Backup,
    BackupResult,
    Backups,
    Check,
    DoctorReport,
    ForgetResult,
    Place,
    RestoreResult,
    SqlColumn,
    SqlResult,
)

__all__ = [
    "DEFAULT_DOMAIN",
    "MAX_BATCH_RECORDS",
    "MAX_LIMIT",
    "MAX_RECORD_BYTES",
    "MAX_TOLD",
    "MAX_TOLD_BYTES",
    "AddResult",
    "AddedItem",
    "ArchiveRestoreResult",
    "Backup",
    "BackupResult",
    "Backups",
    "Check",
    "DaemonInfo",
    "Dataset",
    "Datasets",
    "DeleteResult",
    "DoctorReport",
    "DomainChange",
    "DomainDiff",
    "Emotion",
    "Emotions",
    "EpochDiff",
    "EpochEntry",
    "EpochLog",
    "Example",
    "ExportResult",
    "ForgetResult",
    "GraphInfo",
    "Hit",
    "IndexInfo",
    "NewExample",
    "Page",
    "Place",
    "RecoveryInfo",
    "RestoreResult",
    "RollbackResult",
    "RotateResult",
    "RotatedDomain",
    "SearchResult",
    "SnapshotInfo",
    "SqlColumn",
    "SqlResult",
    "Status",
    "StoredExample",
]

# msgspec works out how a record is decoded when the first one is. Threads that do that at the same time end the process
# by a segmentation fault: here it is done by one, before anybody can have a record.
for _record in [value for value in globals().values() if isinstance(value, msgspec.StructMeta)]:
    msgspec.json.Decoder(_record)
