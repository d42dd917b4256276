"""What an address says of the thing it leads to: the editor stores a smart link as its bare URL and draws a title over it.

A page's address ends in its title, so the title costs no request and shows nobody more than the address itself does. Read where the
link was made, it is the title of that day; an address by id alone, a tiny link too, says no title.
"""

from __future__ import annotations

import base64
import re
from urllib.parse import parse_qs, unquote_plus, urlsplit

# "/spaces/KEY/pages/123/Title+words"; blog posts have their day in between. "/display/KEY/Title+words" is the older form.
_BY_ID = re.compile(
    r"/spaces/[^/]+/(?:pages|blog/\d{4}/\d{2}/\d{2}|whiteboard|folder|database|embed)/(\d+)(?:/([^/]+))?/?\Z"
)
_BY_TITLE = re.compile(r"/display/[^/]+(?:/\d{4}/\d{2}/\d{2})?/([^/]+)/?\Z")
# The tiny link that "Share" gives: at most eight bytes of id.
_TINY = re.compile(r"/x/([A-Za-z0-9_-]{1,11})/?\Z")
_ISSUE = re.compile(r"/browse/([A-Z][A-Z0-9_]+-\d+)/?\Z")


def read_link(url: str, site: str) -> tuple[str | None, str | None]:
    """Return the title and the content id that an absolute URL gives away; ``None`` for what it does not.

    Pages are read only of this site; the key of a Jira issue also of another one. Never raises.
    """
    if "/browse/" not in url and url[: len(site)].lower() != site.lower():
        return None, None
    try:
        parts = urlsplit(url)
        home = urlsplit(site)
    except ValueError:  # an author may type anything into a link
        return None, None
    if (parts.scheme, parts.netloc) == (home.scheme, home.netloc) and parts.path.startswith(home.path + "/"):
        path = parts.path[len(home.path) :]
        if found := _BY_ID.match(path):
            return (unquote_plus(found[2]) if found[2] else None), found[1]
        if found := _BY_TITLE.match(path):
            return unquote_plus(found[1]), None
        if found := _TINY.match(path):
            return None, _id_of_tiny(found[1])
        if path == "/pages/viewpage.action":
            ids = parse_qs(parts.query).get("pageId", [])
            return None, ids[0] if ids and ids[0].isdigit() else None
    issue = _ISSUE.search(parts.path) if parts.scheme in ("http", "https") else None
    return (issue[1] if issue else None), None


def _id_of_tiny(code: str) -> str | None:
    """Return the content id that a tiny link writes down: its bytes, the lowest first, in base64 without the ``A`` and ``=`` at the end.

    Atlassian's ``-`` stands for ``/`` and its ``_`` for ``+``, the other way round than in RFC 4648 (knowledge base, "How to
    programmatically generate the tiny link of a Confluence page").
    """
    standard = code.replace("-", "/").replace("_", "+").ljust(11, "A")
    content_id = int.from_bytes(base64.b64decode(standard + "="), "little")
    return str(content_id) if 0 < content_id < 2**63 else None
