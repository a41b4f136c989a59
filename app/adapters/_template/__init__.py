"""One vendor: its facts, its wire, and the way between its words and ours. README.md tells what is odd about it."""

from app.adapters._template.adapter import TemplateAdapter

ADAPTER = TemplateAdapter
