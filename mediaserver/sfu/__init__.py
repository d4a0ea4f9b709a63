"""Selective forwarding: sessions, published tracks and down tracks. `interfaces.py` shows how they fit."""
