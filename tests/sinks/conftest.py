import pytest

pytest.register_assert_rewrite("airflow_provider_confluence.testing.sink_conformance")
