def test_the_package_has_a_version():
    import airflow_provider_confluence

    assert airflow_provider_confluence.__version__
