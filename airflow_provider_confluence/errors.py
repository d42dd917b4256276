"""The whole error tree, grouped by what the caller should do.

Core raises these and nothing else on purpose; the Airflow skin translates in one place: *retry later* becomes an ordinary
task failure, *fail now* and *configuration* stop the retries, *superseded* becomes a skip. Facts travel as attributes, so that
nobody parses a message. No message holds a secret, a header or a response body.
"""

from __future__ import annotations


class ConfluenceProviderError(Exception):
    """The root: everything this package raises on purpose."""


# ------------------------------------------------------------------------------------------ fix the configuration
class ConfigurationError(ConfluenceProviderError):
    """A setting is wrong; running again changes nothing until somebody mends it."""


class DatasourceError(ConfigurationError):
    """One or more problems in the datasources, each with its path.

    :param problems: sentences, each beginning with the path of the setting (``docs.interval: …``).
    """

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


class SpaceNotFoundError(ConfigurationError):
    """A configured space does not exist, or this account may not see it (Confluence answers both alike).

    :param keys: the space keys that were not found.
    """

    def __init__(self, keys: list[str], message: str) -> None:
        self.keys = tuple(keys)
        super().__init__(message)


class StorageError(ConfigurationError):
    """The storage cannot be used as it is: not writable, a file cut short, a file missing that should be there."""


class MissingFileError(StorageError):
    """A file is not to be seen that should be there: lost, or on another worker's disk.

    :param name: the file's full name.
    """

    def __init__(self, name: str, message: str) -> None:
        self.name = name
        super().__init__(message)


class UpgradeNeededError(ConfigurationError):
    """The state was written by a newer version of this package; this worker must be upgraded."""


# ------------------------------------------------------------------------------------------ try again later
class RetryLaterError(ConfluenceProviderError):
    """The same call may succeed later.

    :param retry_after_seconds: how long the other side asked to wait; ``None`` where it said nothing.
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None, status: int | None = None) -> None:
        self.retry_after_seconds = retry_after_seconds
        self.status = status
        super().__init__(message)


class RateLimitedError(RetryLaterError):
    """Confluence asked for a longer pause than this task should sleep through."""


class ConfluenceUnavailableError(RetryLaterError):
    """Confluence did not answer in time, or answered with server errors, more often than is worth trying now."""


class SinkUnavailableError(RetryLaterError):
    """The sink did not take the documents now."""


# ------------------------------------------------------------------------------------------ stop at once
class FailNowError(ConfluenceProviderError):
    """Trying again would do no good and may do harm (a captcha, a locked account, a wrong target).

    :param reason: which of the known causes it is, as one word, where it is one of them: what people are told of it hangs on that.
    """

    def __init__(self, message: str, *, status: int | None = None, reason: str | None = None) -> None:
        self.status = status
        self.reason = reason
        super().__init__(message)


class CredentialsError(FailNowError):
    """Confluence refused the credential, or took us for somebody anonymous."""


class AccessDeniedError(FailNowError):
    """The credential is good, but this account may not do what was asked."""


class SinkCredentialsError(FailNowError):
    """The sink refused the credential."""


class SinkAccessError(FailNowError):
    """The sink knows the credential, but it may not do what was asked; the message names the permission."""


class ContractError(FailNowError):
    """An answer was not what Confluence's interface promises (HTML instead of JSON, a redirect, a missing field)."""


class OwnershipError(FailNowError):
    """The index or the state belongs to another deployment, site or datasource."""


# ------------------------------------------------------------------------------------------ stand aside
class SupersededError(ConfluenceProviderError):
    """A newer run has claimed the datasource, or this run is already committed; nothing was done.

    :param revision: the run that stands aside.
    :param newer: the claim that was found instead.
    """

    def __init__(self, revision: int, newer: int, message: str) -> None:
        self.revision = revision
        self.newer = newer
        super().__init__(message)
