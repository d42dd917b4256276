"""What Airflow asks a provider about itself. Imports nothing: Airflow calls this in every process."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the provider's description, its connection type with the form as data, and its configuration section."""
    integration = "Confluence"
    return {
        "package-name": "airflow-provider-confluence",
        "name": "Confluence",
        "description": "Keeps search indexes true to `Confluence <https://www.atlassian.com/software/confluence>`__.",
        "integrations": [
            {
                "integration-name": integration,
                "external-doc-url": "https://www.atlassian.com/software/confluence",
                "tags": ["software"],
            },
            {
                "integration-name": "Coco Server",
                "external-doc-url": "https://docs.infinilabs.com/coco-server/main/",
                "tags": ["software"],
            },
        ],
        "hooks": [
            {"integration-name": integration, "python-modules": ["airflow_provider_confluence.hooks.confluence"]},
            {"integration-name": "Coco Server", "python-modules": ["airflow_provider_confluence.hooks.coco"]},
        ],
        "operators": [
            {"integration-name": integration, "python-modules": ["airflow_provider_confluence.operators.confluence"]}
        ],
        "connection-types": [
            {
                "connection-type": "confluence",
                "hook-class-name": "airflow_provider_confluence.hooks.confluence.ConfluenceHook",
                "hook-name": "Confluence",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "port"],
                    "relabeling": {
                        "host": "Base URL",
                        "login": "Account e-mail or user name",
                        "password": "API token, personal access token, password or OAuth client secret",
                    },
                    "placeholders": {
                        "host": "https://site.atlassian.net/wiki or https://wiki.example.com",
                        "login": "empty for a personal access token (Data Center)",
                    },
                },
                "conn-fields": _connection_fields(),
            },
            {
                "connection-type": "coco",
                "hook-class-name": "airflow_provider_confluence.hooks.coco.CocoHook",
                "hook-name": "Coco Server",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "port", "login"],
                    "relabeling": {"host": "Base URL", "password": "API token"},
                    "placeholders": {"host": "https://coco.example.com:9000, with web.base_path if there is one"},
                },
                "conn-fields": _coco_fields(),
            },
        ],
        "asset-uris": [
            {
                "schemes": ["confluence"],
                "handler": "airflow_provider_confluence.assets.sanitize_uri",
                "factory": "airflow_provider_confluence.assets.create_asset",
                "to_openlineage_converter": "airflow_provider_confluence.assets.convert_asset_to_openlineage",
            }
        ],
        "extra-links": ["airflow_provider_confluence.operators._links.ConfluenceLink"],
        "cli": ["airflow_provider_confluence.cli.airflow_group.get_commands"],
        "plugins": [
            {
                "name": "confluence",
                "plugin-class": "airflow_provider_confluence.plugins.confluence.ConfluencePlugin",
            }
        ],
        "config": {
            "confluence": {
                "description": "Where the provider keeps its state, and how it reads pictures.",
                "options": _options(),
            }
        },
    }


def _field(label: str, description: str, **schema: Any) -> dict[str, Any]:
    # A type that takes null is what makes a field optional in the form.
    return {"label": label, "description": description, "schema": {"type": ["string", "null"], **schema}}


def _transport_fields() -> dict[str, Any]:
    return {
        "verify_ssl": _field("Verify TLS", "Verify the server's certificate.", type=["boolean", "null"], default=True),
        "ca_bundle": _field("CA bundle", "Path on the workers to the certificates of your own authority."),
        "proxy": _field("Proxy", "URL of an http or https proxy; the environment's proxy settings are not used."),
        "timeout": _field(
            "Time-out", "Seconds to wait for an answer.", type=["integer", "null"], minimum=1, default=60
        ),
    }


def _coco_fields() -> dict[str, Any]:
    return {
        **_transport_fields(),
        "allowed_datasources": _field(
            "Allowed datasources",
            "Patterns of datasource ids that may write over this connection, with commas between.",
        ),
    }


def _connection_fields() -> dict[str, Any]:
    return {
        "deployment": _field(
            "Deployment",
            "The edition; auto finds out, at the cost of a request or two where the URL does not show it.",
            enum=["auto", "cloud", "datacenter"],
            default="auto",
        ),
        "cloud_id": _field(
            "Cloud id",
            "Sends everything through Atlassian's gateway, where scoped tokens are taken. Found by itself where the site tells it, "
            "at https://<site>.atlassian.net/_edge/tenant_info.",
        ),
        "oauth_client_id": _field(
            "OAuth client id", "Of a service account's OAuth 2.0 credential (Cloud); the client secret is the password."
        ),
        "anonymous": _field(
            "Anonymous", "Read as a visitor, without a credential.", type=["boolean", "null"], default=False
        ),
        **_transport_fields(),
        "client_cert": _field("Client certificate", "Path on the workers to a certificate that the server asks for."),
        "client_key": _field("Client key", "Path on the workers to its key, where that is a file of its own."),
        "max_in_flight": _field(
            "Requests in flight", "At a time, at most (Cloud 8, Data Center 4).", type=["integer", "null"], minimum=1
        ),
        "requests_per_second": _field(
            "Requests per second", "At most (Cloud 20, Data Center as it says).", type=["number", "null"], minimum=0.01
        ),
        "gateway_url": _field("Gateway URL", "Of another gateway than https://api.atlassian.com."),
        "oauth_token_url": _field("OAuth token URL", "Of another one than https://auth.atlassian.com/oauth/token."),
        "allowed_datasources": _field(
            "Allowed datasources", "Patterns of datasource ids that may use this connection, with commas between."
        ),
        "allowed_spaces": _field(
            "Allowed spaces", "Patterns of space keys that may be read over this connection, with commas between."
        ),
    }


def _options() -> dict[str, Any]:
    def option(
        description: str, *, example: str | None, default: str | None = None, type_: str = "string"
    ) -> dict[str, Any]:
        return {
            "description": description,
            "version_added": "0.1.0",
            "type": type_,
            "example": example,
            "default": default,
        }

    return {
        "storage_path": option(
            "Where plans, staged documents and the record of what is indexed are kept: a folder, or an object store's address "
            "(``s3://conn_id@bucket/prefix``) where workers share no disk. By default the folder ``confluence`` in AIRFLOW_HOME.",
            example="s3://aws_default@my-bucket/confluence",
        ),
        "allowed_paths": option(
            "Folders and addresses in object stores (``s3://conn_id@bucket/prefix``), with commas between, that a datasource's sink may "
            "name; below the storage folder it may always write.",
            example="/srv/search,s3://aws_default@my-bucket/export",
        ),
        "image_to_text": option(
            "A function that makes text of attached pictures (text recognition, a vision model), as package.module:function. It is called "
            "with a picture's path and media type, in a locked child process, and returns Markdown. Without it pictures have no text.",
            example="my_company.pictures:describe",
        ),
        "image_to_text_network": option(
            "Whether that function may reach the network.",
            example="True",
            default="False",
            type_="boolean",
        ),
    }
