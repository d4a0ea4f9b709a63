"""The listener that browsers reach: pages, the built web client, signed media."""
