"""What an attachment or comment has from the page or blog post that it hangs on."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_confluence.documents import Entry


def inside(entry: Entry, container: Entry) -> Entry:
    """Return an attachment or comment with what its container says of it.

    A comment has no title of its own: Confluence shows "Re: " and its page's, which follows the page when that is renamed. Its address is
    its page's as well, which opens at the comment.
    """
    if entry.type != "comment":
        return replace(entry, space_id=container.space_id)
    url = ""
    if container.url:
        url = f"{container.url}{'&' if '?' in container.url else '?'}focusedCommentId={entry.content_id}"
    return replace(entry, space_id=container.space_id, title=f"Re: {container.title}", url=url)
