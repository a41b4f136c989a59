"""The bridge: our own small open contract, which a home-grown PMS implements to join (docs/bridge.md)."""

from app.adapters.bridge.adapter import BridgeAdapter

ADAPTER = BridgeAdapter
