"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# A busy machine must not fail a test: how long things take is what benchmarks are for.
settings.register_profile("sightline", deadline=None)
settings.load_profile("sightline")
