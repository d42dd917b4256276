"""``python -m airflow_provider_confluence.cli``: the same as ``airflow-confluence``."""

from __future__ import annotations

import sys

from airflow_provider_confluence.cli import main

if __name__ == "__main__":
    sys.exit(main())
