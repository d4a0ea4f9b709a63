"""The front door: settings, command line, internal HTTP API, public pages, socket.io, access, event log.

`signalling/app.py` puts everything together; `signalling/README.md` is the wire protocol.
"""
