"""A simulated PMS of one vendor: its API over the shared in-memory hotel. It knows nothing of the adapter."""

from app.simulators._template.service import SIMULATOR

__all__ = ["SIMULATOR"]
