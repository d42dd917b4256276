"""Keeps search indexes true to Confluence, Cloud and Data Center."""

__version__ = "0.1.0"
