"""What may happen to a wiki, to a datasource and to a run: shared by the tests of crashes and the soak."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


class Stopped(BaseException):
    """The process ends here: nothing in the package may catch it."""


@dataclass
class StopAt:
    """Stops at the n-th passing of a crash point."""

    point: str
    passing: int = 1
    seen: Counter[str] = field(default_factory=Counter)

    def __call__(self, name: str) -> None:
        self.seen[name] += 1
        if name == self.point and self.seen[name] == self.passing:
            raise Stopped


ON_PAGES = ("edit", "trash", "move", "relabel", "attach", "archive", "hide", "comment", "comment_inline")
ON_POSTS = ("edit_post", "trash_post", "attach_to_post", "comment_on_post")
ON_COMMENTS = ("reply", "edit_comment", "delete_comment", "resolve_comment", "reopen_comment")
ON_SPACE = ("rename_space", "recreate_space", "hide_space", "rename_user")
SETTINGS = (
    "switch_blogposts",
    "switch_attachments",
    "switch_comments",
    "few_items",
    "rename_datasource",
    "go_elsewhere",
)
ACTIONS = (
    *("create", "create_post", "restore", "purge", "unarchive", "show", "delete_attachment"),
    *ON_PAGES,
    *ON_POSTS,
    *ON_COMMENTS,
    *ON_SPACE,
    *SETTINGS,
)


def act(wiki, action, number):
    """Do one thing to the sandbox, or to the datasource, where it can be done."""
    model = wiki.model

    def chosen(wanted):
        found = [item.public_id for item in model if wanted(item)]
        return found[number % len(found)] if found else None

    def shown(type_):
        return chosen(lambda item: item.type == type_ and item.status == "current" and not item.hidden)

    page = shown("page") if action in ON_PAGES else None
    post = shown("blogpost") if action in ON_POSTS else None
    if action == "create":
        model.create_page("DOCS", f"Created {number}", f"<p>Number {number}</p>")
    elif action == "create_post":
        model.create_blogpost("DOCS", f"Posted {number}", f"<p>Number {number}</p>")
    elif action == "restore" and (trashed := chosen(lambda i: i.type == "page" and i.status == "trashed")):
        model.restore(trashed)
    elif action == "purge" and (trashed := chosen(lambda i: i.type == "page" and i.status == "trashed")):
        model.purge(trashed)
    elif action == "unarchive" and (archived := chosen(lambda i: i.type == "page" and i.status == "archived")):
        model.unarchive(archived)
    elif action == "show" and (hidden := chosen(lambda item: item.hidden)):
        model.show(hidden)
    elif action == "delete_attachment" and (attachment := shown("attachment")):
        model.delete_attachment(attachment)
    elif action in ON_COMMENTS:
        _act_on_comment(model, action, chosen, number)
    elif page or post:
        _act_on(model, action if page else action.split("_")[0], page or post, number)
    elif action in ON_SPACE:
        _act_on_space(model, action, number)
    elif action in SETTINGS:
        _set(wiki.definition, action, number)


def _act_on(model, action, content_id, number):
    if action == "edit":
        model.edit(content_id, body=f"<p>Edit {number}</p>")
    elif action == "relabel":
        model.relabel(content_id, [f"label{number}"])
    elif action == "comment":
        model.create_comment(content_id, f"<p>Remark {number}</p>")
    elif action == "comment_inline":
        words = ["Edit", "How", "Welcome", "elsewhere"]
        model.create_comment(content_id, f"<p>About this {number}</p>", selection=words[number % 4])
    elif action == "attach":
        model.attach(content_id, f"file{number % 3}.txt", b"x" * number, "text/plain")
    elif action == "move":
        model.move(content_id, space=["DOCS", "OPS"][number % 2])
    else:
        getattr(model, action)(content_id)


def _act_on_comment(model, action, chosen, number):
    def wanted(item):
        first = item.parent_id is None and item.remark is not None and item.remark.location == "inline"
        return (
            item.type == "comment"
            and item.status == "current"
            and (first or not action.startswith("re") or action == "reply")
        )

    comment = chosen(wanted)
    if comment and action in ("reply", "edit_comment"):
        getattr(model, action)(comment, f"<p>Said {number}</p>")
    elif comment:
        getattr(model, action)(comment)


def _act_on_space(model, action, number):
    if action == "rename_space":
        model.rename_space("DOCS", f"Name {number}")
    elif action == "rename_user":
        model.rename_user("admin", f"Person {number}")
    elif action == "hide_space":
        model.hide_space("DOCS")
    else:
        model.delete_space("DOCS")
        model.create_space("DOCS", "Made again")


def _set(definition, action, number):
    if action == "few_items":
        definition["max_items_per_run"] = 1 + number % 4
    elif action == "rename_datasource":
        definition["name"] = f"Name {number}"
    elif action == "go_elsewhere":
        definition["queue"] = {"name": "elsewhere" if number % 2 else "indexing_documents"}
    else:
        setting = action.replace("switch", "enable")
        definition[setting] = not definition.get(setting, False)


TREE = (
    "include",
    "create_live",
    "retitle",
    "reparent",
    "create_child",
    "create_ops",
    "restore_any",
    "both_spaces",
    "show_all",
    "switch_archived",
)


def including(title, space=None, *, excerpt=False):
    """Return the macro that shows another page, in storage format."""
    key = f' ri:space-key="{space}"' if space else ""
    return (
        f'<ac:structured-macro ac:name="{"excerpt-include" if excerpt else "include"}"><ac:parameter ac:name="">'
        f'<ac:link><ri:page ri:content-title="{title}"{key}/></ac:link></ac:parameter></ac:structured-macro>'
    )


def act_on_tree(wiki, action, number):
    """Do one of the things that only the soak does: to the tree of pages, and to the scope."""
    model = wiki.model
    pages = [item for item in model if item.type == "page" and item.status == "current"]
    page = pages[number % len(pages)] if pages else None
    other = pages[number // 3 % len(pages)] if pages else None
    if action == "include" and page and other:
        model.edit(page.public_id, body=f"<p>Shows {number}</p>{including(other.title)}")
    elif action == "create_live":
        model.create_page("DOCS", f"Live {number}", f"<p>Live {number}</p>", live=True)
    elif action == "retitle" and page:
        model.edit(page.public_id, title=f"Title {number}")
    elif action == "reparent" and page and other:
        if page.id != other.id and page.id not in {above.id for above in model.ancestors(other)}:
            model.move(page.public_id, parent=other.public_id)
    elif action == "create_child" and page:
        space = model.space_by_id(page.space_id).key
        model.create_page(space, f"Child {number}", f"<p>Below {number}</p>", parent=page.public_id)
    elif action == "create_ops":
        model.create_page("OPS", f"Ops {number}", f"<p>Ops {number}</p>")
    elif action == "restore_any":
        trashed = [item for item in model if item.status == "trashed" and item.container_id is None]
        if trashed:
            model.restore(trashed[number % len(trashed)].public_id)
    elif action == "switch_archived":
        wiki.definition["archived"] = not wiki.definition.get("archived", False)
    elif action == "both_spaces":
        wiki.definition.pop("exclude_spaces", None)
        wiki.definition["space"] = ["DOCS", "OPS"] if wiki.definition["space"] == ["DOCS"] else ["DOCS"]
    elif action == "show_all":
        for item in model:
            if item.hidden:
                model.show(item.public_id)


SCOPE = ("choose_labels", "choose_root", "choose_spaces")
LABELS = range(31)


def act_on_scope(wiki, action, number):
    """Choose anew what of the wiki is in scope; every third choice is everything."""
    definition, model = wiki.definition, wiki.model
    if action == "choose_labels":
        definition |= {"include_labels": [], "exclude_labels": []}
        if number % 3 == 1:
            definition["include_labels"] = ["howto", *(f"label{n}" for n in LABELS if n % 2)]
        elif number % 3 == 2:
            definition["exclude_labels"] = ["start", *(f"label{n}" for n in LABELS if n % 2)]
    elif action == "choose_root":
        pages = [item.public_id for item in model if item.type == "page" and item.status == "current"]
        definition["root_pages"] = [pages[number % len(pages)]] if pages and number % 3 else []
    else:
        definition.pop("exclude_spaces", None)
        definition["space"] = ["DOCS"] if number % 3 == 0 else "*"
        if number % 3 == 2:
            definition["exclude_spaces"] = ["OPS"]
