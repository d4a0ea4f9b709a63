"""Capture, assembly, compositing, snapshots: everything that is kept of a session.

`recorder/README.md` describes the files, the timeline and the states. Of the media server only
`mediaserver/sfu/interfaces.py` and the packet formats of `mediaserver/rtp/` are imported.
"""
