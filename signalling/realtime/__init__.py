"""socket.io: the messages of the wire protocol, their limits, and the adapter to the socket library."""
