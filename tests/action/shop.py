"""A repository with an experiment, pull requests and a mock of GitHub, for tests with the real binary."""
import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request

from case import ROOT, Case
from runner import Job

BINARY = os.environ.get("KUBECTL_CHAOS_BINARY", "")
LOOP = os.path.join(ROOT, "examples", "service-down-not-visible-to-users")
TOKEN = "ghs_the-token-of-the-job"
# a title and a branch with hostile content
HOSTILE = 'x"; touch pwned; `touch pwned` $(touch pwned)\n::error::forged\n<!-- kubectl-chaos -->|a|@all **b** <img src=x>'


def action(name, provider, after=None):
    more = {"pauses": {"after": after}} if after else {}
    return {"type": "action", "name": name, "provider": provider, **more}


def process(path, *arguments):
    return {"type": "process", "path": path, "arguments": list(arguments)}


def function(module, called, /, **arguments):
    return {"type": "python", "module": f"chaosk8s.{module}", "func": called, "arguments": arguments}


def scale(replicas):
    return function("deployment.actions", "scale_deployment", name="my-provider-app", replicas=replicas)


def experiment(title="The shop answers without its provider", method=None, rollbacks=None, hypothesis=True, **more):
    """A short experiment: the provider goes down, and the consumer must respond."""
    probe = {
        "type": "probe",
        "name": "the-consumer-answers",
        "tolerance": 200,
        "provider": {"type": "http", "url": "http://my-consumer-service.svc/invokeConsumedService", "timeout": 5},
    }
    return {
        "version": "1.0.0",
        "title": title,
        "description": "Quickly",
        **({"steady-state-hypothesis": {"title": "It answers", "probes": [probe]}} if hypothesis else {}),
        "method": [action("stop the provider", scale(0), after=1)] if method is None else method,
        "rollbacks": [action("start the provider", scale(1))] if rollbacks is None else rollbacks,
        **more,
    }


def pull_request(number=7, repository="octo/shop", branch="better", title="Better", sha="a" * 40):
    """The event of a pull request."""
    return {
        "number": number,
        "title": title,
        "body": title,
        "state": "open",
        "head": {"ref": branch, "sha": sha, "repo": {"full_name": repository, "fork": repository != "octo/shop"}},
        "base": {"ref": "main", "sha": "b" * 40, "repo": {"full_name": "octo/shop"}},
    }


def event(pull):
    return {"action": "synchronize", "number": pull["number"], "pull_request": pull, "repository": {"full_name": "octo/shop"}}


def event_of_a_run(pull, run=1001, kind="pull_request"):
    """The event `workflow_run` after the run for a pull request."""
    told = {
        "id": run,
        "run_attempt": 1,
        "event": kind,
        "conclusion": "failure",
        "head_branch": pull["head"]["ref"],
        "head_sha": pull["head"]["sha"],
        "head_repository": pull["head"]["repo"],
        "pull_requests": [],
    }
    return {"action": "completed", "workflow_run": told, "repository": {"full_name": "octo/shop"}}


class Shop(Case):
    """A test in this repository."""

    def setUp(self):
        super().setUp()
        self.assertTrue(os.access(BINARY, os.X_OK), "KUBECTL_CHAOS_BINARY names no program")
        self.made = 0

    def job_of(self, pull=None, event_name="pull_request", told=None, **environment):
        """Creates a job with the repository checked out, for a pull request or another event."""
        self.made += 1
        told = event(pull) if pull and told is None else told or {}
        job = Job(self.path(f"job-{self.made}"), event_name=event_name, event=told, token=TOKEN, **environment)
        for given, name in [("01-before", "before"), ("03-after", "after"), ("services", "services")]:
            shutil.copytree(os.path.join(LOOP, given), os.path.join(job.workspace, "deploy", name))
        self.put(job, "chaos/experiment.json", experiment())
        return job

    @staticmethod
    def put(job, name, content):
        path = os.path.join(job.workspace, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content if isinstance(content, str) else json.dumps(content))
        return path

    def execute(self, job, watch=None, **inputs):
        """Runs the action with the binary under test."""
        given = {"binary": BINARY, **{name.replace("_", "-"): value for name, value in inputs.items()}}
        return job.run(self.action(), given, watch)

    def single(self, job, arm="before", **inputs):
        """A single run on the embedded cluster."""
        inputs = {"experiment": "chaos/experiment.json", "embedded": "true", "apply": f"deploy/services\ndeploy/{arm}", **inputs}
        return self.execute(job, **inputs)

    def trial(self, job, watch=None, **inputs):
        """A trial, by default on the embedded cluster."""
        inputs = {
            "experiment": "chaos/experiment.json", "before": "deploy/before", "after": "deploy/after", "common": "deploy/services",
            "repeat": "1", **inputs,
        }
        if "context" not in inputs:
            inputs.setdefault("embedded", "true")
        return self.execute(job, watch, **inputs)

    def github(self, **state):
        """Starts a stateful mock of GitHub; it ends with the test."""
        github = GitHub(self.path(), **state)
        self.addCleanup(github.stop)
        return github

    def outcomes(self, result):
        return {name: step.outcome for name, step in result.steps.items()}

    def nothing_was_touched(self, *folders):
        for folder in folders:
            self.assertNotIn("pwned", os.listdir(folder))


class GitHub:
    """The mock of GitHub's API, in a separate process."""

    def __init__(self, folder, **state):
        mock = os.path.join(os.path.dirname(os.path.abspath(__file__)), "github_mock.py")
        command = [sys.executable, mock, "--token", TOKEN, "--repository", "octo/shop"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=folder, text=True)
        self.address = f"http://127.0.0.1:{int(self.process.stdout.readline())}"
        if state:
            self.put(**state)

    def ask(self, data=None):
        request = urllib.request.Request(f"{self.address}/_state", data, method="PUT" if data else "GET")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def put(self, **state):
        self.ask(json.dumps(state).encode())

    def comments(self):
        return self.ask()["comments"]

    def asked(self, method=None):
        """The requests that it received, optionally of one method."""
        requests = self.ask()["requests"]
        return [request["path"] for request in requests if method in (None, request["method"])]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)
        self.process.stdout.close()
