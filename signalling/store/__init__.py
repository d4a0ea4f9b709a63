"""Durable state: rooms, seats, events, recordings and the media catalogue in one SQL database.

SQLite out of the box, PostgreSQL by URL. `records.py` has the values, `store.py` the transactions.
"""

from signalling.store.store import Store, Transaction, utc_now

__all__ = ["Store", "Transaction", "utc_now"]
