"""One Airflow DAG for each datasource of the Variable confluence_datasources."""

from airflow_provider_confluence.dag_factory import build_dags

globals().update(build_dags())
