"""Making sinks from settings, which come from a Variable that more people can edit than the connection."""

import pytest

from airflow_provider_confluence.errors import ConfigurationError
from airflow_provider_confluence.sinks.registry import make_sink, sink_types


def test_an_unknown_type_names_the_valid_ones(tmp_path):
    for chosen in ("lokal", None, 3, ["local"], "os:system"):
        with pytest.raises(ConfigurationError, match="local") as caught:
            make_sink({"type": chosen}, "docs", storage=tmp_path)
        assert all(name in str(caught.value) for name in sink_types())


def test_a_local_sink_lies_in_the_storage_and_is_not_made_yet(tmp_path):
    sink = make_sink({"type": "local"}, "indexing_documents", storage=tmp_path)

    assert sink.path == tmp_path / "indexing_documents.sqlite3"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../docs", "a/b", "/etc/passwd", "a\\b", ".hidden", "a\0b", "a\n", "é", "-x", "x" * 101]
)
def test_a_destination_that_could_lead_elsewhere_is_refused(tmp_path, name):
    with pytest.raises(ConfigurationError, match=r"queue\.name"):
        make_sink({"type": "local"}, name, storage=tmp_path)


@pytest.mark.parametrize("path", ["/etc", "..", "sub/../..", "", 3, "a\0b"])
def test_a_path_outside_of_what_is_allowed_is_refused(tmp_path, path):
    with pytest.raises(ConfigurationError, match=r"sink\.path"):
        make_sink({"type": "local", "path": path}, "docs", storage=tmp_path / "storage")


def test_a_link_does_not_lead_out_of_what_is_allowed(tmp_path):
    (tmp_path / "storage").mkdir()
    (tmp_path / "storage" / "link").symlink_to(tmp_path)

    with pytest.raises(ConfigurationError, match="allowed_paths"):
        make_sink({"type": "local", "path": "link"}, "docs", storage=tmp_path / "storage")


def test_a_path_below_an_allowed_one_is_taken(tmp_path):
    allowed = tmp_path / "data"
    sink = make_sink(
        {"type": "local", "path": str(allowed / "index")}, "docs", storage=tmp_path / "storage", allowed_paths=[allowed]
    )

    assert sink.path == allowed / "index" / "docs.sqlite3"


@pytest.mark.parametrize("limit", [0, -1, "1", 1.5, True, 10**12])
def test_a_limit_that_is_no_size_is_refused(tmp_path, limit):
    with pytest.raises(ConfigurationError, match=r"sink\.max_document_bytes"):
        make_sink({"type": "local", "max_document_bytes": limit}, "docs", storage=tmp_path)


def test_an_unknown_setting_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"sink\.paht"):
        make_sink({"type": "local", "paht": "x"}, "docs", storage=tmp_path)
