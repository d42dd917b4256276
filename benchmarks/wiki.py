"""A wiki made of numbers: any page's row in either edition's form, from its number and a seed, with nothing kept for each page.

The forms are those of Confluence's published descriptions (Cloud v2 and v1, Data Center 10); ``tests/test_benchmarks.py`` holds every
kind of answer to them. It shares no code with the client, nor with the sandbox: a benchmark needs a server that costs next to nothing.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import datetime, timezone
from functools import cache
from typing import Any

from benchmarks.bodies import PEOPLE, body
from benchmarks.files import DISTINCT_FILES, file_bytes, file_name, media_type
from benchmarks.views import person_name, rendered

FIRST_ID = 100_000
FIRST_FILE_ID = 50_000_000
SPACE_ID = 32_769
DISTINCT_BODIES = 200
FANOUT = 12
_CREATED = "2025-03-01T08:00:00.000Z"
_READ = "11111111-1111-4111-8111-111111111111"
_WORDS = (
    "Alpha",
    "Harbour",
    "Ledger",
    "Pipeline",
    "Runbook",
    "Gateway",
    "Export",
    "Quota",
    "Review",
    "Release",
    "Backup",
    "Index",
)


class Wiki:
    """Pages of some spaces; page *n* of a space hangs below page *(n - 1) // 12* of it, the first one below nothing.

    :param pages: in all, dealt to the spaces in runs of equal length.
    :param files: attachments in all, no more than pages, one to a page and spread over them evenly.
    :param body_chars: at least so many characters has each body of storage format.
    :param base: the URL of the site, with its context.
    """

    def __init__(
        self, *, pages: int, spaces: int = 1, files: int = 0, seed: int = 1, body_chars: int = 12_000, base: str = ""
    ) -> None:
        self.pages = pages
        self.spaces = spaces
        self.files = files
        self.seed = seed
        self.body_chars = body_chars
        self.base = base
        self.context = "/" + base.partition("://")[2].partition("/")[2]
        self._bodies: dict[tuple[str, int], str] = {}
        self._edited: dict[int, str] = {}
        self._newest: Sequence[int] = self._shuffled()

    # ------------------------------------------------------------------------------------------ which page is what
    def key(self, space: int) -> str:
        """Return the key of a space by its number."""
        return f"BENCH{space}"

    def numbers(self, space: int) -> range:
        """Return the numbers of a space's pages."""
        return range(space * self.pages // self.spaces, (space + 1) * self.pages // self.spaces)

    def space_of(self, number: int) -> int:
        """Return the number of a page's space."""
        guess = number * self.spaces // self.pages
        return next(s for s in (guess, guess + 1, guess - 1) if number in self.numbers(s))

    def number(self, content_id: str) -> int | None:
        """Return the number of a page by its id; ``None`` where there is none."""
        number = int(content_id) - FIRST_ID if content_id.isdigit() else -1
        return number if 0 <= number < self.pages else None

    def parent(self, number: int) -> int | None:
        """Return the number of the page above."""
        first = self.numbers(self.space_of(number)).start
        return first + (number - first - 1) // FANOUT if number > first else None

    def title(self, number: int) -> str:
        """Return the title, another one for each page of the wiki."""
        return f"{_WORDS[number % 12]} {_WORDS[number // 12 % 12].lower()} {number}"

    def edit(self, count: int) -> None:
        """Give so many pages, spread over all, another version, made now."""
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._edited = {number * self.pages // count: now for number in range(count)}
        self._newest = [*self._edited, *(n for n in self._shuffled() if n not in self._edited)]

    def version(self, number: int) -> int:
        """Return the number of a page's version."""
        return number % 7 + 1 + (number in self._edited)

    def changed_at(self, number: int) -> str:
        """Return when a page's version was made."""
        return self._edited.get(number, _CREATED)

    def newest(self) -> Sequence[int]:
        """Return the numbers of all pages, the one that was changed last first: in no order of their ids."""
        return self._newest

    def _shuffled(self) -> list[int]:
        numbers = list(range(self.pages))
        random.Random(self.seed).shuffle(numbers)
        return numbers

    def file_ids(self, page: int) -> range:
        """Return the numbers of the files of a page: one or none."""
        if not self.files:
            return range(0)
        nearest = -(-page * self.files // self.pages)
        return range(nearest, nearest + (nearest < self.files and self.page_of(nearest) == page))

    def page_of(self, file: int) -> int:
        """Return the number of the page on which a file hangs."""
        return file * self.pages // self.files

    def storage(self, number: int) -> str:
        """Return the body in storage format."""
        return json.loads(self._body("storage", number))  # type: ignore[no-any-return]

    def view(self, number: int) -> str:
        """Return the body as the server shows it."""
        return json.loads(self._body("view", number))  # type: ignore[no-any-return]

    def _body(self, form: str, number: int) -> str:
        # Encoded once: the server is not to be what is measured.
        chosen = (
            random.Random(f"{self.seed} {number}").randrange(DISTINCT_BODIES)
            if self.pages > DISTINCT_BODIES
            else number
        )
        key = ("storage" if form == "storage" else "view", chosen)
        if key not in self._bodies:
            text = body(self.seed * 1_000_003 + chosen, self.body_chars)
            self._bodies[key] = json.dumps(text if form == "storage" else rendered(text))
        return self._bodies[key]

    def prepare(self, forms: Sequence[str] = ("storage",)) -> None:
        """Make every body that there will be, in these forms, and every file."""
        for form in forms:
            most = len(self._bodies) + min(self.pages, DISTINCT_BODIES)
            for number in range(self.pages):
                self._body(form, number)
                if len(self._bodies) == most:
                    break
        for number in range(min(self.files, DISTINCT_FILES)):
            file_bytes(number)

    # ------------------------------------------------------------------------------------------ Cloud
    def cloud_space(self, space: int) -> str:
        """Return the row of a space in v2."""
        key = self.key(space)
        return json.dumps(
            {
                "id": str(SPACE_ID + space),
                "key": key,
                "name": f"Benchmark {space}",
                "type": "global",
                "status": "current",
                "authorId": "person-0",
                "currentActiveAlias": key,
                "createdAt": _CREATED,
                "homepageId": str(FIRST_ID + self.numbers(space).start),
                "description": None,
                "icon": None,
                "_links": {"webui": f"/spaces/{key}"},
            }
        )

    def cloud_page(self, number: int, *, form: str = "") -> str:
        """Return the row of a page in v2, as JSON, with its body where a form of it is named."""
        space = self.space_of(number)
        parent = self.parent(number)
        who = f'"person-{number % PEOPLE}"'
        above = f'"{FIRST_ID + parent}","parentType":"page"' if parent is not None else 'null,"parentType":null'
        address = f"/spaces/{self.key(space)}/pages/{FIRST_ID + number}"
        text = f'{{"{form}":{{"representation":"{form}","value":{self._body(form, number)}}}}}' if form else "{}"
        return (
            f'{{"id":"{FIRST_ID + number}","status":"current","title":"{self.title(number)}","spaceId":"{SPACE_ID + space}",'
            f'"authorId":{who},"createdAt":"{_CREATED}","version":{{"number":{self.version(number)},"message":"","minorEdit":false,'
            f'"authorId":{who},"createdAt":"{self.changed_at(number)}"}},"_links":{{"webui":"{address}",'
            f'"editui":"/pages/resumedraft.action?draftId={FIRST_ID + number}","tinyui":"/x/{number:x}"}},"body":{text},'
            f'"parentId":{above},"position":{number % FANOUT},"ownerId":{who},"lastOwnerId":null,"subtype":null}}'
        )

    def cloud_detail(self, number: int, *, form: str = "", expand: str = "metadata.labels,restrictions") -> str:
        """Return the row of a page in the v1 search, with labels, restrictions, version and body where these are expanded."""
        content_id, key = FIRST_ID + number, self.key(self.space_of(number))
        path = f"/rest/api/content/{content_id}"
        more = self._v1_body(form, number) if form else ""
        more += f'"metadata":{self._labels(number)},' if "labels" in expand else ""
        more += f'"restrictions":{self._restrictions(number)},' if "restrictions" in expand else ""
        if "version" in expand:
            person = json.dumps(self._cloud_person(number))
            more += (
                f'"version":{{"by":{person},"when":"{self.changed_at(number)}","friendlyWhen":"","message":"","number":{self.version(number)},'
                f'"minorEdit":false,"_expandable":{{"content":"{path}","collaborators":""}},"_links":{{"self":"{self.base}{path}/version/1"}}}},'
            )
        return (
            f'{{"id":"{content_id}","type":"page","status":"current","title":"{self.title(number)}",{more}'
            f'"_links":{{"self":"{self.base}{path}","webui":"/spaces/{key}/pages/{content_id}"}},'
            f'"_expandable":{{"container":"/rest/api/space/{key}","history":"{path}/history",'
            f'"space":"/rest/api/space/{key}","ancestors":"","extensions":""}}}}'
        )

    def cloud_file(self, number: int) -> str:
        """Return the row of an attachment in v2."""
        page, who = FIRST_ID + self.page_of(number), f"person-{number % PEOPLE}"
        webui = f"/pages/viewpageattachments.action?pageId={page}&preview=%2F{page}%2F{FIRST_FILE_ID + number}"
        download = self._download(number)
        return json.dumps(
            {
                "id": f"att{FIRST_FILE_ID + number}",
                "status": "current",
                "title": file_name(number),
                "createdAt": _CREATED,
                "pageId": str(page),
                "mediaType": media_type(number),
                "mediaTypeDescription": "File",
                "comment": "",
                "fileId": f"file-{number}",
                "fileSize": len(file_bytes(number)),
                "webuiLink": webui,
                "downloadLink": download,
                "version": {"number": 1, "message": "", "minorEdit": False, "authorId": who, "createdAt": _CREATED},
                "_links": {"webui": webui, "download": download},
            }
        )

    def _download(self, number: int) -> str:
        page = FIRST_ID + self.page_of(number)
        return f"/download/attachments/{page}/{file_name(number)}?version=1&modificationDate=1740816000000&cacheVersion=1&api=v2"

    def _cloud_person(self, number: int) -> dict[str, Any]:
        account = f"person-{number % PEOPLE}"
        picture = {"path": "/wiki/aa-avatar/default", "width": 48, "height": 48, "isDefault": True}
        return {
            "type": "known",
            "accountId": account,
            "accountType": "atlassian",
            "email": "",
            "publicName": person_name(account),
            "displayName": person_name(account),
            "timeZone": "UTC",
            "isExternalCollaborator": False,
            "isGuest": False,
            "profilePicture": picture,
            "_expandable": {"operations": "", "personalSpace": ""},
            "_links": {"self": f"{self.base}/rest/api/user?accountId={account}"},
        }

    def permissions(self) -> str:
        """Return who may see a space, in v2: one group."""
        row = {
            "id": "1",
            "principal": {"type": "group", "id": _READ},
            "operation": {"key": "read", "targetType": "space"},
        }
        return json.dumps(row)

    # ------------------------------------------------------------------------------------------ Data Center
    def datacenter_space(self, space: int) -> str:
        """Return the row of a space."""
        key = self.key(space)
        home = {"id": str(FIRST_ID + self.numbers(space).start), "type": "page", "status": "current", "title": "Home"}
        return json.dumps({**json.loads(_space(self.base, SPACE_ID + space, key)), "homepage": home})

    def datacenter_page(self, number: int, *, form: str = "", restrictions: bool = False) -> str:
        """Return the row of a page, with what a listing expands, and its body where a form of it is named."""
        content_id, space = FIRST_ID + number, self.space_of(number)
        path = f"/rest/api/content/{content_id}"
        person = _person(self.base, self.context, number % PEOPLE)
        text = self._v1_body(form, number) if form else ""
        limits = f'"restrictions":{self._restrictions(number)},' if restrictions else ""
        return (
            f'{{"id":"{content_id}","type":"page","status":"current","title":"{self.title(number)}",'
            f'"space":{_space(self.base, SPACE_ID + space, self.key(space))},'
            f'"version":{{"by":{person},"when":"{self.changed_at(number)}","message":"","number":{self.version(number)},"minorEdit":false,"hidden":false,'
            f'"_expandable":{{"content":"{path}"}},"_links":{{"self":"{self.base}{path}/version/1"}}}},'
            f'"history":{{"latest":true,"createdBy":{person},"createdDate":"{_CREATED}","_links":{{"self":"{self.base}{path}/history"}},'
            f'"_expandable":{{"lastUpdated":"","previousVersion":"","contributors":""}}}},'
            f'"ancestors":{self._ancestors(number)},"metadata":{self._labels(number)},{text}{limits}"extensions":{{"position":"none"}},'
            f'"_links":{{"webui":"/display/{self.key(space)}/{content_id}","edit":"/pages/resumedraft.action?draftId={content_id}",'
            f'"tinyui":"/x/{number:x}","self":"{self.base}{path}"}},'
            f'"_expandable":{{"container":"/rest/api/space/{self.key(space)}","operations":"","children":"{path}/child",'
            f'"descendants":"{path}/descendant"}}}}'
        )

    def _ancestors(self, number: int) -> str:
        above: list[str] = []
        parent = self.parent(number)
        while parent is not None:
            above.append(_ancestor(self.base, FIRST_ID + parent, self.title(parent)))
            parent = self.parent(parent)
        return "[" + ",".join(reversed(above)) + "]"

    def datacenter_file(self, number: int) -> str:
        """Return the row of an attachment, with what a listing expands."""
        content_id, page = FIRST_FILE_ID + number, self.page_of(number)
        path = f"/rest/api/content/att{content_id}"
        person, key = _person(self.base, self.context, number % PEOPLE), self.key(self.space_of(page))
        kind, size = media_type(number), len(file_bytes(number))
        container = {
            "id": str(FIRST_ID + page),
            "type": "page",
            "status": "current",
            "title": self.title(page),
            "_links": {"webui": f"/display/{key}/{FIRST_ID + page}"},
            "_expandable": {},
        }
        return (
            f'{{"id":"att{content_id}","type":"attachment","status":"current","title":"{file_name(number)}",'
            f'"space":{_space(self.base, SPACE_ID + self.space_of(page), key)},"container":{json.dumps(container)},'
            f'"version":{{"by":{person},"when":"{_CREATED}","message":"","number":1,"minorEdit":false,"hidden":false,'
            f'"_expandable":{{"content":"{path}"}},"_links":{{"self":"{self.base}{path}/version/1"}}}},'
            f'"history":{{"latest":true,"createdBy":{person},"createdDate":"{_CREATED}","_links":{{"self":"{self.base}{path}/history"}},'
            f'"_expandable":{{"lastUpdated":"","previousVersion":"","contributors":""}}}},'
            f'"metadata":{{"mediaType":"{kind}","_expandable":{{"currentuser":"","properties":"","labels":""}}}},'
            f'"extensions":{{"mediaType":"{kind}","fileSize":{size},"comment":"","fileId":"file-{number}"}},'
            f'"_links":{{"self":"{self.base}{path}","webui":"/pages/viewpage.action?pageId={FIRST_ID + page}",'
            f'"download":"{self._download(number)}"}},'
            f'"_expandable":{{"operations":"","children":"{path}/child","ancestors":"","body":"","descendants":""}}}}'
        )

    # ------------------------------------------------------------------------------------------ both
    def _v1_body(self, form: str, number: int) -> str:
        text = self._body(form, number)
        return (
            f'"body":{{"{form}":{{"value":{text},"representation":"{form}","_expandable":{{}}}},"_expandable":{{}}}},'
        )

    def restrictions(self, number: int) -> str:
        """Return who restricts a page, by operation: nobody."""
        nobody = {"results": [], "start": 0, "limit": 100, "size": 0}
        path = f"{self.base}/rest/api/content/{FIRST_ID + number}/restriction/byOperation"
        return json.dumps(
            {
                **{
                    operation: {
                        "operation": operation,
                        "restrictions": {"user": nobody, "group": nobody, "_expandable": {}},
                        "_expandable": {"content": f"/rest/api/content/{FIRST_ID + number}"},
                        "_links": {"self": f"{path}/{operation}"},
                    }
                    for operation in ("read", "update")
                },
                "_links": {"self": path, "base": self.base, "context": self.context},
            }
        )

    def cloud_labels(self, number: int) -> list[str]:
        """Return the rows of a page's labels in v2."""
        return [f'{{"prefix":"global","name":"{name}","id":"{1 + number % 9}"}}' for name in self._label_names(number)]

    def _label_names(self, number: int) -> tuple[str, ...]:
        return ("howto", f"team-{number % 9}") if number % 3 else ()

    def _labels(self, number: int) -> str:
        names = self._label_names(number)
        rows = ",".join(f'{{"prefix":"global","name":"{n}","id":"{1 + number % 9}","label":"{n}"}}' for n in names)
        link = f"{self.base}/rest/api/content/{FIRST_ID + number}/label"
        return (
            f'{{"labels":{{"results":[{rows}],"start":0,"limit":200,"size":{len(names)},"_links":{{"self":"{link}"}}}},'
            f'"_expandable":{{"currentuser":"","properties":""}}}}'
        )

    def _restrictions(self, number: int) -> str:
        nobody = '{"results":[],"start":0,"limit":200,"size":0}'
        path = f"/rest/api/content/{FIRST_ID + number}"
        return (
            f'{{"read":{{"operation":"read","restrictions":{{"user":{nobody},"group":{nobody},"_expandable":{{}}}},'
            f'"_expandable":{{"content":"{path}"}},"_links":{{"self":"{self.base}{path}/restriction/byOperation/read"}}}},'
            f'"_expandable":{{"update":"{path}/restriction/byOperation/update"}},'
            f'"_links":{{"self":"{self.base}{path}/restriction/byOperation"}}}}'
        )

    def people(self, account_ids: Sequence[str]) -> list[str]:
        """Return the rows of people in v2."""
        return [json.dumps(_account(each)) for each in account_ids if each.startswith("person-")]


@cache
def _space(base: str, space_id: int, key: str) -> str:
    return json.dumps(
        {
            "id": space_id,
            "key": key,
            "name": f"Benchmark {key}",
            "type": "global",
            "status": "current",
            "_links": {"webui": f"/display/{key}", "self": f"{base}/rest/api/space/{key}"},
            "_expandable": {"metadata": "", "icon": "", "description": "", "retentionPolicy": ""},
        }
    )


@cache
def _person(base: str, context: str, number: int) -> str:
    name = f"person-{number}"
    picture = {"path": f"{context}/images/icons/profilepics/default.svg", "width": 48, "height": 48, "isDefault": True}
    return json.dumps(
        {
            "type": "known",
            "profilePicture": picture,
            "displayName": person_name(name),
            "username": name,
            "userKey": name,
            "_expandable": {"status": ""},
            "_links": {"self": f"{base}/rest/api/user?key={name}"},
        }
    )


@cache
def _ancestor(base: str, content_id: int, title: str) -> str:
    return json.dumps(
        {
            "id": str(content_id),
            "type": "page",
            "status": "current",
            "title": title,
            "_links": {"self": f"{base}/rest/api/content/{content_id}", "webui": f"/display/{content_id}"},
            "_expandable": {"container": "", "history": "", "body": "", "version": "", "space": ""},
        }
    )


def _account(account_id: str) -> dict[str, Any]:
    return {
        "accountId": account_id,
        "displayName": person_name(account_id),
        "publicName": person_name(account_id),
        "email": "",
        "timeZone": "UTC",
        "personalSpaceId": None,
        "isExternalCollaborator": False,
        "accountStatus": "active",
        "accountType": "atlassian",
        "profilePicture": {"path": "/wiki/aa-avatar/default", "isDefault": True},
    }
