#!/usr/bin/env python3
"""A mock of GitHub's API, as far as kubectl-chaos uses it, for tests that run workflows.

    python3 tests/action/github_mock.py [--token TOKEN] [--repository OWNER/NAME] [--login LOGIN] [--page N]
                                        [--state FILE]

It listens on 127.0.0.1, on a port that the system selects, and prints that port as its first line. It ends with SIGTERM or
SIGINT. GITHUB_API_URL must be its address (with or without /api/v3). Only Python's standard library
is needed. tests/it/github/mock.rs is its equivalent in Rust.

Endpoints:

    GET   /repos/O/N/issues/NUMBER/comments     at most --page items per page, with a Link header
    POST  /repos/O/N/issues/NUMBER/comments     201, by LOGIN
    PATCH /repos/O/N/issues/comments/ID         403 for a comment of another user, 404 for a missing one
    GET   /repos/O/N/pulls                      open pull requests

401 without the token; 403 without a User-Agent or the API's version; 422 for a comment that is too long.

Its state is at /_state, as JSON, without a token: GET it, or PUT an object with the keys to change. The
option --state FILE loads the initial state.

    comments   [{"id", "pull_request", "login", "body"}]
    pulls      as the API has them: {"number", "state", "head": {"ref", "sha", "repo": {"full_name"}}, "base": …}
    may_write  false: the token is read-only, as on a fork; every POST and PATCH returns 403
    longest    maximum length of a comment, in characters
    faults     [{"method", "status", "headers": {}, "body": "…", "is_done": false}]: responses to return first, each once;
               is_done: the request is executed in spite of the status
    gone       ids of comments that are listed, but missing when they are changed
    requests   requests so far: [{"method", "path"}]; read-only
"""

import argparse
import json
import math
import signal
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BASE = "/api/v3"
KEYS = ("comments", "pulls", "may_write", "longest", "faults", "gone")


class GitHub:
    """The state, protected by a lock."""

    def __init__(self, options):
        self.lock = threading.Lock()
        self.last = 1000
        self.options = options
        self.state = {"comments": [], "pulls": [], "may_write": True, "longest": 65536, "faults": [], "gone": [],
                      "requests": []}

    def put(self, changes):
        unknown = set(changes) - set(KEYS)
        if unknown:
            raise ValueError("there is nothing called " + ", ".join(sorted(unknown)))
        self.state.update(changes)

    def add(self, pull_request, body):
        # a number is never used twice
        self.last = max([self.last, *(comment["id"] for comment in self.state["comments"])]) + 1
        comment = {"id": self.last, "pull_request": pull_request, "login": self.options.login, "body": body}
        self.state["comments"].append(comment)
        return comment


class Refused(Exception):
    """An error response."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status, self.message = status, message


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Discards the log."""

    def do_GET(self):
        self.answer()

    do_POST = do_PATCH = do_PUT = do_GET

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        github = self.server.github
        with github.lock:
            try:
                status, headers, document = self.decide(github, body)
            except Refused as refused:
                status, headers = refused.status, {}
                document = {"message": refused.message, "documentation_url": "https://docs.github.com/rest"}
        text = document if isinstance(document, str) else json.dumps(document)
        data = text.encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def decide(self, github, body):
        path, _, query = self.path.partition("?")
        state = github.state
        if path == "/_state":
            if self.command == "PUT":
                try:
                    github.put(json.loads(body))
                except (ValueError, TypeError) as error:
                    raise Refused(400, str(error)) from error
            return 200, {}, state
        state["requests"].append({"method": self.command, "path": self.path})
        if self.headers.get("Authorization") != "Bearer " + github.options.token:
            raise Refused(401, "Bad credentials")
        if not self.headers.get("User-Agent") or self.headers.get("X-GitHub-Api-Version") != "2022-11-28":
            raise Refused(403, "Request forbidden by administrative rules.")
        for fault in state["faults"]:
            if fault["method"] == self.command:
                state["faults"].remove(fault)
                if fault.get("is_done"):
                    self.usual(github, path, query, body)
                said = fault.get("body", json.dumps({"message": "as it was told"}))
                return fault["status"], fault.get("headers", {}), said
        return self.usual(github, path, query, body)

    def usual(self, github, path, query, body):
        state = github.state
        inner = path[len(BASE):] if path.startswith(BASE + "/") else path
        prefix = f"/repos/{github.options.repository}/"
        if not inner.startswith(prefix):
            raise Refused(404, "Not Found")
        parts = inner[len(prefix):].split("/")
        match self.command, parts:
            case "GET", ["issues", number, "comments"]:
                of = [comment for comment in state["comments"] if comment["pull_request"] == int(number)]
                return self.paged([shown(github, comment) for comment in of], path, query)
            case "GET", ["pulls"]:
                return self.paged([pull for pull in state["pulls"] if pull["state"] == "open"], path, query)
            case "POST", ["issues", number, "comments"]:
                return 201, {}, shown(github, github.add(int(number), self.written(github, body)))
            case "PATCH", ["issues", "comments", number]:
                if int(number) in state["gone"]:
                    state["comments"] = [one for one in state["comments"] if one["id"] != int(number)]
                text = self.written(github, body)
                for comment in state["comments"]:
                    if comment["id"] == int(number):
                        if comment["login"] != github.options.login:
                            raise Refused(403, "Resource not accessible by integration")
                        comment["body"] = text
                        return 200, {}, shown(github, comment)
        raise Refused(404, "Not Found")

    @staticmethod
    def written(github, body):
        if not github.state["may_write"]:
            raise Refused(403, "Resource not accessible by integration")
        try:
            text = json.loads(body)["body"]
        except (ValueError, KeyError, TypeError) as error:
            raise Refused(400, "Problems parsing JSON") from error
        if not text.strip() or len(text) > github.state["longest"]:
            raise Refused(422, f"Body is too long (maximum is {github.state['longest']} characters)")
        return text

    def paged(self, everything, path, query):
        asked = dict(urllib.parse.parse_qsl(query))
        page = int(asked.pop("page", 1))
        size = min(int(asked.get("per_page", 30)), self.server.github.options.page)
        begin, end = (page - 1) * size, page * size
        host, port = self.server.server_address[:2]

        def link(number, kind):
            return f"<http://{host}:{port}{path}?{urllib.parse.urlencode({**asked, 'page': number})}>; rel=\"{kind}\""

        last = max(1, math.ceil(len(everything) / size))
        links = [link(page + 1, "next"), link(last, "last")] if end < len(everything) else [link(1, "first")]
        return 200, {"Link": ", ".join(links)}, everything[begin:end]


def shown(github, comment):
    number, repository = comment["pull_request"], github.options.repository
    return {"id": comment["id"], "body": comment["body"], "user": {"login": comment["login"], "type": "Bot"},
            "html_url": f"https://github.com/{repository}/pull/{number}#issuecomment-{comment['id']}"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--token", default="ghs_of_the_mock")
    parser.add_argument("--repository", default="shop/web")
    parser.add_argument("--login", default="github-actions[bot]")
    parser.add_argument("--page", type=int, default=30)
    parser.add_argument("--state")
    options = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.github = GitHub(options)
    if options.state:
        with open(options.state, encoding="utf-8") as file:
            server.github.put(json.load(file))
    # SIGTERM ends it like SIGINT
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(server.server_address[1], flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
