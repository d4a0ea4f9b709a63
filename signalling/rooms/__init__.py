"""Running sessions: seats, deadlines, and the glue between signalling, media and recording."""
