"""Which epochs a backup leads to: back to any that it knows, and forward by its journal and then the home's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from mcai import times
from mcai.errors import NotFoundError
from mcai.store import journal
from mcai.store.backup import CATALOG, Manifest, facts_of
from mcai.store.duck import effects, verify

Entries = Iterator[journal.Entry]


class _Moment(msgspec.Struct):
    """All that is wanted of an entry to find a time."""

    at_us: int


@dataclass(frozen=True)
class Reach:
    """What can be had from one backup."""

    source: Path
    manifest: Manifest
    journals: Sequence[Path]
    """In the order in which they are followed; each may be missing."""

    def entries(self) -> Entries:
        """Yield the epochs behind the backup's own, as long as each follows from the one before."""
        facts = facts_of(self.manifest)
        epoch, chain = facts.epoch, facts.chain or journal.GENESIS
        for folder in self.journals:
            for entry in journal.read(folder, after=max(epoch - 1, 0), timeline=facts.timeline):
                if entry.epoch == epoch and entry.chain == chain:
                    continue
                follows = entry.redacted or journal.next_chain(chain, entry.payload) == entry.chain
                if entry.epoch != epoch + 1 or not follows:
                    break
                yield entry
                epoch, chain = entry.epoch, entry.chain

    def last_epoch(self) -> int:
        """Return the newest epoch that can be had."""
        return max((entry.epoch for entry in self.entries()), default=self.manifest.epoch)

    def check(self, epoch: int) -> None:
        """Refuse an epoch that cannot be had.

        Raises:
            NotFoundError: naming those that can.
        """
        last = self.manifest.epoch if epoch <= self.manifest.epoch else self.last_epoch()
        if not 0 <= epoch <= last:
            raise NotFoundError(
                f"epoch {epoch} cannot be had from {self.source}, only 0 to {self.last_epoch()}",
                hint="Another backup may reach it; nothing was changed.",
            )

    def epoch_at(self, moment: datetime) -> int:
        """Return the last epoch that was committed at or before a moment (UTC).

        Raises:
            NotFoundError: nothing was yet, or what was cannot be had any more.
        """
        naive = moment.replace(tzinfo=None)
        with verify.ReadOnly(self.source / CATALOG) as catalog:
            found = verify.committed_by(catalog, naive)
            first = verify.committed_at(catalog, 1)
        asked_us, last, last_us = effects.microseconds(naive), self.manifest.epoch, None
        for entry in self.entries():
            last, last_us = entry.epoch, _at_us(entry)
            found = last if last_us <= asked_us else found
        if found is None:
            begun = f"; the first epoch was made at {times.show(first)}" if first else ""
            raise NotFoundError(f"there was nothing yet at {times.show(naive)}{begun}")
        if found == last and (lost := self._first_beyond(last)) and _at_us(lost) <= asked_us:
            at = times.show(datetime.fromtimestamp(last_us / 1e6, UTC)) if last_us else self.manifest.made_at
            raise NotFoundError(
                f"the epochs between {last} and {lost.epoch} are not kept: {self.source} leads to {at} at most",
                hint="Another backup may reach it; nothing was changed.",
            )
        return found

    def _first_beyond(self, last: int) -> journal.Entry | None:
        """Return the first epoch of the same history that does not link to those that can be had."""
        timeline = self.manifest.timeline
        beyond = (next(journal.read(folder, after=last, timeline=timeline), None) for folder in self.journals)
        return next((entry for entry in beyond if entry is not None), None)

    def metadata_at(self, epoch: int) -> dict[int, str]:
        """Return what was said of the datasets that were described anew after an epoch, as far as it is known."""
        before: dict[int, str] = {}
        later: set[int] = set()
        for folder in self.journals:
            for entry in journal.read(folder, timeline=self.manifest.timeline):
                if entry.epoch > self.manifest.epoch:
                    break
                for dataset in effects.decode(entry.payload).datasets:
                    if entry.epoch <= epoch:
                        before[dataset.id] = dataset.metadata
                    else:
                        later.add(dataset.id)
        return {dataset_id: told for dataset_id, told in before.items() if dataset_id in later}


def _at_us(entry: journal.Entry) -> int:
    return msgspec.json.decode(entry.payload, type=_Moment).at_us
