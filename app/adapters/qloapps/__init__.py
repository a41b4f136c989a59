"""QloApps, the open-source hotel PMS, through its webservice (README.md)."""

from app.adapters.qloapps.adapter import QloAppsAdapter

ADAPTER = QloAppsAdapter
