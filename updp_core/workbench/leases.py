"""Leases: which process works on which record, told apart from processes that are dead.

A worker holds a lock of the database's kind for as long as it lives (it ends at the worker's death, however sudden) and
renews its leases while it works. A lease is free again once its owner's lock can be had, or its time is up: so the
next start goes on at once after a kill, and a worker that hangs does not keep its records for ever.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence

from updp_core.errors import Conflict, UpdpError
from updp_core.store import Store, Transaction
from updp_core.store.store import fresh_id

LEASE_SECONDS = 300.0
BEAT_SECONDS = 20.0


class Worker:
    """A living owner of leases."""

    def __init__(self, store: Store, owner: str) -> None:
        self.store, self.owner = store, owner

    def holds(self, tx: Transaction, record: str) -> bool:
        """True while the lease on this record is still this worker's."""
        return bool(tx.value("SELECT 1 FROM lease WHERE record = :r AND owner = :o", r=record, o=self.owner))

    def drop(self, tx: Transaction, record: str) -> None:
        """Let go of a record."""
        tx.run("DELETE FROM lease WHERE record = :r AND owner = :o", r=record, o=self.owner)

    def take(self, tx: Transaction, records: Sequence[str]) -> None:
        """Lease records that no other worker holds. The caller has asked `reap` first."""
        for record in records:
            tx.run(
                "INSERT INTO lease (record, owner, expires) VALUES (:r, :o, :t)",
                r=record,
                o=self.owner,
                t=time.time() + LEASE_SECONDS,
            )

    def take_one(self, record: str) -> None:
        """Lease one record. Conflict where another worker is at it."""
        with self.store.write() as tx:
            reap(self.store, tx)
            if tx.value("SELECT 1 FROM lease WHERE record = :r", r=record):
                raise Conflict("A generate run is working on this record. Try again when it is done.")
            self.take(tx, [record])


@contextlib.contextmanager
def worker(store: Store) -> Iterator[Worker]:
    """A worker with its lock and its heartbeat; on leaving, its leases are free."""
    owner = fresh_id("W")
    with store.dialect.lock(owner, once=True):
        stop = threading.Event()
        beat = threading.Thread(target=_beat, args=(store, owner, stop), daemon=True)
        beat.start()
        try:
            yield Worker(store, owner)
        finally:
            stop.set()
            beat.join()
            with store.write() as tx:
                tx.run("DELETE FROM lease WHERE owner = :o", o=owner)


def _beat(store: Store, owner: str, stop: threading.Event) -> None:
    while not stop.wait(BEAT_SECONDS):
        with contextlib.suppress(UpdpError), store.write() as tx:
            tx.run("UPDATE lease SET expires = :t WHERE owner = :o", t=time.time() + LEASE_SECONDS, o=owner)


def reap(store: Store, tx: Transaction) -> None:
    """Free the leases of dead owners and those whose time is up; mark runs of dead owners."""
    tx.run("DELETE FROM lease WHERE expires < :t", t=time.time())
    owners = tx.column("SELECT owner FROM lease UNION SELECT owner FROM run WHERE state IN ('running', 'paused')")
    for owner in owners:
        if not store.dialect.held(owner):
            tx.run("DELETE FROM lease WHERE owner = :o", o=owner)
            tx.run(
                "UPDATE run SET state = 'died', message = 'The process ended; start again to go on.' "
                "WHERE owner = :o AND state IN ('running', 'paused')",
                o=owner,
            )
