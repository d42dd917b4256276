"""The program of the child process: it waits for files and lets a fresh fork of itself, locked down, read each.

It is started once for many files, so that Python and the library are loaded once; since it never reads a file itself and has one thread,
its forks begin clean. It watches them: time, size of the answer, end. It ends with its input, so with its parent, however that ends.

Requests are lines of JSON on standard input, one at a time. An answer is a line of JSON (``status``, ``bytes``) and so many bytes: the
JSON that the fork wrote. Only this process writes to the standard output; a fork has a pipe of its own.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import sys
import time
from contextlib import suppress
from typing import Any

from airflow_provider_confluence.content.attachments import lockdown

_READ = 65536
_SAID_BYTES = 8192
_OUT_OF_MEMORY = 3
_SIGN = b"\0error="
_BUSY_SECONDS = 5.0  # what the end of a fork may take after its answer


def main() -> None:
    """Serve until the input ends. The first line of input holds the settings."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests = _lines(0)
    settings = json.loads(next(requests))
    if not settings["image_to_text"]:
        # Here, or every fork would load it anew.
        from airflow_provider_confluence.content.attachments import reading

        if settings["library"]:
            reading.prepare()
    has_left = not settings["network"] and lockdown.leave_network()
    _write(1, json.dumps({"held": ["network namespace"] if has_left else []}).encode() + b"\n")
    for line in requests:
        status, answer, error = _supervise(json.loads(line), settings)
        _write(1, json.dumps({"status": status, "bytes": len(answer), "error": error}).encode() + b"\n" + answer)


def _lines(handle: int) -> Any:
    rest = b""
    while True:
        while b"\n" not in rest:
            piece = os.read(handle, _READ)
            if not piece:
                return
            rest += piece
        line, _, rest = rest.partition(b"\n")
        yield line


def _supervise(request: dict[str, Any], settings: dict[str, Any]) -> tuple[str, bytes, str]:
    """Let a fork do a request; return what became of it (ok, timeout, memory, crash, flood), its answer, and what it called its error."""
    answer_out, answer_in = os.pipe()
    said_out, said_in = os.pipe()
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _be_child(request, settings, answer_in, said_in)
    os.close(answer_in)
    os.close(said_in)
    with suppress(OSError):
        os.setpgid(pid, pid)  # the fork does so too; whoever is first
    status, answer, said = "ok", b"", b""
    with selectors.DefaultSelector() as selector:
        for handle in (answer_out, said_out, 0):
            selector.register(handle, selectors.EVENT_READ)
        open_handles = 2
        while open_handles and status == "ok":
            left = started + settings["seconds"] - time.monotonic()
            if left <= 0:
                status = "timeout"
                break
            for key, _ in selector.select(left):
                if key.fd == 0:  # no request comes now: the input has ended, and so has whoever asked
                    _end(pid)
                    os._exit(0)
                piece = os.read(key.fd, _READ)
                if not piece:
                    selector.unregister(key.fd)
                    open_handles -= 1
                elif key.fd == said_out:
                    said = (said + piece)[-_SAID_BYTES:]
                else:
                    answer += piece
                    if len(answer) > settings["answer_bytes"]:
                        status = "flood"
    os.close(answer_out)
    os.close(said_out)
    ended = _end(pid, _BUSY_SECONDS if status == "ok" else 0)
    if status == "ok":
        status = _judge(ended, said)
    error = said.rpartition(_SIGN)[2].decode("ascii", "replace")[:60]
    return status, answer if status == "ok" else b"", error if _SIGN in said and error.isidentifier() else ""


def _end(pid: int, patience_seconds: float = 0) -> int | None:
    """Wait for a fork, kill it and all of its group when it does not end; return its wait status, ``None`` where it had to be killed."""
    status: int | None = None
    until = time.monotonic() + patience_seconds
    found = 0
    while patience_seconds and not found and time.monotonic() < until:
        found, status = os.waitpid(pid, os.WNOHANG)
        if not found:
            time.sleep(0.001)
    # What it started may outlive it, and stands in its group.
    for kill in (os.killpg, os.kill) if not found else (os.killpg,):
        with suppress(OSError):
            kill(pid, signal.SIGKILL)
    if not found:
        os.waitpid(pid, 0)
        return None
    return status


def _judge(ended: int | None, said: bytes) -> str:
    if ended is None:
        return "timeout"
    if os.WIFSIGNALED(ended):
        if os.WTERMSIG(ended) in (signal.SIGXCPU, signal.SIGKILL):
            return "timeout"
        return "memory" if b"memory allocation of" in said else "crash"
    code = os.WEXITSTATUS(ended)
    return "ok" if code == 0 else "memory" if code == _OUT_OF_MEMORY else "crash"


# ------------------------------------------------------------------------------------------ in the fork
def _be_child(request: dict[str, Any], settings: dict[str, Any], answer: int, said: int) -> None:
    """Do a request and end; never returns."""
    code = 1
    try:
        with suppress(OSError):
            os.setpgid(0, 0)
        lockdown.die_with_parent()
        nothing = os.open(os.devnull, os.O_RDWR)
        for handle, target in ((nothing, 0), (nothing, 1), (said, 2)):
            os.dup2(handle, target)
        os.closerange(3, answer)
        os.closerange(answer + 1, 256)
        os.chdir(request["folder"])
        limits = lockdown.Limits(**settings["limits"])
        read = _read_picture if settings["image_to_text"] else _read_document
        result = read(request, settings, limits)
        result["text"] = _clean(result["text"])
        if len(result["text"]) > settings["most_chars"]:
            result["text"] = result["text"][: settings["most_chars"]]
            result["warnings"].append(f"cut={settings['most_chars']}")
        _write(answer, json.dumps(result).encode())
        code = 0
    except MemoryError:
        code = _OUT_OF_MEMORY
    except BaseException as error:  # noqa: BLE001 - this is the end of the process, and only its exit code is heard
        with suppress(BaseException):
            os.write(2, _SIGN + type(error).__name__.encode())
    finally:
        os._exit(code)


def _read_document(request: dict[str, Any], settings: dict[str, Any], limits: lockdown.Limits) -> dict[str, Any]:
    from airflow_provider_confluence.content.attachments import reading

    with open(request["file"], "rb") as file:  # noqa: PTH123 - by handle; nothing else is loaded here
        data = file.read()
    read = reading.reader(settings["types"], library=settings["library"])
    if not settings["library"]:
        reading.load_for(data)
    lockdown.set_limits(limits)
    held = lockdown.lock_for_reading()
    return {**read(data, request["kind"], request["ending"]), "held": held}


def _read_picture(request: dict[str, Any], settings: dict[str, Any], limits: lockdown.Limits) -> dict[str, Any]:
    """Give a picture to the user's function, which is loaded behind the lock as well."""
    from airflow_provider_confluence.content.attachments.kinds import looks_like_image

    with open(request["file"], "rb") as file:  # noqa: PTH123
        media_type = looks_like_image(file.read(64))
    if media_type is None:
        return {"outcome": "skipped_type", "text": "", "language": None, "warnings": ["content_is=binary"], "held": []}
    lockdown.set_limits(limits)
    held = lockdown.lock_for_callable(request["folder"], network=settings["network"])
    from importlib import import_module

    module, _, name = settings["image_to_text"].partition(":")
    text = getattr(import_module(module), name)(request["file"], media_type)
    if not isinstance(text, str):
        raise TypeError("the function for pictures returned no text")
    return {
        "outcome": "extracted" if text.strip() else "empty",
        "text": text,
        "language": None,
        "warnings": [],
        "held": held,
    }


def _clean(text: str) -> str:
    """Return text without control characters and lone halves of characters, which XML and many an index refuse."""
    kept = dict.fromkeys((*range(9), 11, *range(14, 32), 127)) | {12: "\n"}
    return text.translate(kept).encode("utf-8", "ignore").decode("utf-8").strip()


def _write(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


if __name__ == "__main__":
    main()
    sys.exit(0)
