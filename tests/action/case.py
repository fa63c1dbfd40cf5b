"""Shared by the tests of the action: a temporary directory, and a checkout of the action."""
import contextlib
import functools
import hashlib
import http.server
import os
import shutil
import tempfile
import threading
import unittest

from runner import Job

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Case(unittest.TestCase):
    """A test with a temporary directory."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="action-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def write(self, path, content, mode=0o644):
        path = self.path(path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        os.chmod(path, mode)
        return path

    def action(self, table=None):
        """Creates a checkout of the action, with a table of checksums of the test."""
        folder = self.path("action")
        os.makedirs(os.path.join(folder, ".github"), exist_ok=True)
        shutil.copy(os.path.join(ROOT, "action.yml"), folder)
        shutil.copytree(os.path.join(ROOT, ".github", "action"), os.path.join(folder, ".github", "action"), dirs_exist_ok=True)
        if table is not None:
            self.write("action/.github/action/checksums.txt", table)
        return folder

    def job(self, **arguments):
        return Job(self.path("job"), **arguments)

    def serve(self, folder):
        """Serves the files of a directory; returns its address and the list of requests."""
        asked = []

        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_):
                asked.append(self.path)

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()

        def stop():
            with contextlib.closing(server.socket):
                server.shutdown()
            thread.join()

        self.addCleanup(stop)
        return f"http://127.0.0.1:{server.server_address[1]}", asked

    def fails(self, result, step, *said):
        """Asserts that a step failed with an annotation that contains these texts."""
        self.assertEqual(result.steps[step].outcome, "failure", result.log())
        errors = "\n".join(result.said("error"))
        for text in said:
            self.assertIn(text, errors, result.log())


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()
