"""Mews, by its Connector API: tokens in the body, one URL per operation. README.md tells what is odd about it."""

from app.adapters.mews.adapter import MewsAdapter

ADAPTER = MewsAdapter
