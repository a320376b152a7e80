"""The workspace on disk: database, transactions, and images by their sha256."""

from updp_core.store.store import Store, Transaction

__all__ = ["Store", "Transaction"]
