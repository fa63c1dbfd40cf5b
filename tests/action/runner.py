"""Runs a composite action as GitHub's runner does: same shell, same files, same signals on cancellation.

It supports `run` steps only, and rejects what GitHub rejects. Of the environment of the tests it passes on only
PATH.
"""
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
import uuid

import yaml

from expressions import condition, filled

SHELL = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail"]
KEYS = {"name", "id", "if", "run", "shell", "env", "continue-on-error", "working-directory"}
FILES = ["GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_STEP_SUMMARY"]
SUMMARY_LIMIT = 1024 * 1024
# waiting times of the runner after SIGINT, and after SIGTERM
PATIENCE = (7.5, 2.5)
# the same for a program that reacts at once: only a machine that is too busy needs them
LONG_PATIENCE = (60, 60)
DEADLINE = 180


class Refused(Exception):
    """An action that GitHub does not run."""


def shell(said, script):
    """The command that starts a script: the runner's bash, or the step's shell."""
    if said == "bash":
        return [*SHELL, script]
    program, *words = said.split()
    if program != "bash" or "{0}" not in words:
        raise Refused(f"it is for the shell {said}")
    return [program, *(word.replace("{0}", script) for word in words)]


def listen_to_interrupts():
    """A shell starts its background jobs with SIGINT ignored, and their children inherit it; the runner does not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Step:
    """The result of a step."""

    def __init__(self, name):
        self.name, self.outcome, self.conclusion, self.code = name, "skipped", "skipped", None
        self.log, self.outputs, self.signals, self.seconds = "", {}, [], 0.0


class Job:
    """A job on a runner: a workspace, an event, and the outputs of its steps."""

    def __init__(self, folder, event_name="pull_request", event=None, token="the-token-of-the-job", patience=PATIENCE, **environment):
        self.folder = str(folder)
        self.workspace = os.path.join(self.folder, "work space")
        self.temp = os.path.join(self.folder, "temp")
        self.home = os.path.join(self.folder, "home")
        for path in (self.workspace, self.temp, self.home):
            os.makedirs(path, exist_ok=True)
        event_path = os.path.join(self.folder, "event.json")
        with open(event_path, "w", encoding="utf-8") as file:
            json.dump(event or {}, file)
        self.tracking = f"github_{uuid.uuid4()}"
        self.token = token
        self.patience = patience
        self.event, self.event_name = event or {}, event_name
        self.environment = {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": "http://127.0.0.1:9",
            "GITHUB_EVENT_NAME": event_name,
            "GITHUB_EVENT_PATH": event_path,
            "GITHUB_REPOSITORY": "octo/shop",
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_RUN_ID": "1001",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_SHA": "1" * 40,
            "GITHUB_WORKSPACE": self.workspace,
            "HOME": self.home,
            "LANG": "C.UTF-8",
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "RUNNER_ARCH": "X64",
            "RUNNER_OS": "Linux",
            "RUNNER_TEMP": self.temp,
            "RUNNER_TRACKING_ID": self.tracking,
            "TMPDIR": self.temp,
            **environment,
        }
        self.path = []
        self.cancelled = threading.Event()

    def cancel(self):
        """Simulates the button "Cancel workflow"."""
        self.cancelled.set()

    def processes(self):
        """The running processes of this job, found like the runner does: by a variable of their environment."""
        found = []
        for process in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{process}/environ", "rb") as file:
                    if f"RUNNER_TRACKING_ID={self.tracking}".encode() in file.read().split(b"\0"):
                        found.append(int(process))
            except OSError:
                pass
        return [process for process in found if process != os.getpid()]

    def sockets(self):
        """The processes of this job that listen on a port."""
        listening = set()
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            with open(table, encoding="ascii") as file:
                listening |= {line.split()[9] for line in file.readlines()[1:] if line.split()[3] == "0A"}
        mine = set()
        for process in self.processes():
            try:
                for name in os.listdir(f"/proc/{process}/fd"):
                    found = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(f"/proc/{process}/fd/{name}"))
                    if found and found.group(1) in listening:
                        mine.add(found.group(1))
            except OSError:
                pass
        return mine

    def run(self, action, inputs=None, watch=None):
        """Runs an action. `watch(step, process)` is called repeatedly while a step runs, and can cancel the job."""
        with open(os.path.join(action, "action.yml"), encoding="utf-8") as file:
            return Run(self, str(action), yaml.safe_load(file), watch).all(inputs or {})


class Run:
    """A running action."""

    def __init__(self, job, folder, action, watch):
        self.job, self.folder, self.action, self.watch = job, folder, action, watch
        self.failed = False
        self.steps, self.by_id = [], {}
        self.summary, self.notes = "", []
        self.warnings = []
        self.functions = {
            "always": lambda: True,
            "success": lambda: not self.failed and not job.cancelled.is_set(),
            "failure": lambda: self.failed and not job.cancelled.is_set(),
            "cancelled": job.cancelled.is_set,
        }
        if action["runs"]["using"] != "composite":
            raise Refused("only composite actions are run here")

    def contexts(self, inputs=None):
        job = self.job
        contexts = {
            "github": {
                "token": job.token, "event": job.event, "event_name": job.event_name, "workspace": job.workspace,
                "action_path": self.folder, "repository": job.environment["GITHUB_REPOSITORY"],
            },
            "runner": {"temp": job.temp, "os": job.environment["RUNNER_OS"], "arch": job.environment["RUNNER_ARCH"]},
            "job": {}, "matrix": {}, "strategy": {},
        }
        if inputs is not None:
            steps = {
                name: {"outputs": step.outputs, "outcome": step.outcome, "conclusion": step.conclusion}
                for name, step in self.by_id.items()
            }
            contexts |= {"inputs": inputs, "steps": steps, "env": job.environment}
        return contexts

    def all(self, given):
        declared = self.action.get("inputs") or {}
        self.warnings += [f"Unexpected input(s) '{name}'" for name in given if name not in declared]
        inputs = {}
        for name, declaration in declared.items():
            default = filled((declaration or {}).get("default", ""), self.contexts(), {})
            inputs[name] = str(given.get(name, default))
        for number, step in enumerate(self.action["runs"]["steps"]):
            self.step(number, step, inputs)
        outputs = self.action.get("outputs") or {}
        values = {name: filled(output["value"], self.contexts(inputs), self.functions) for name, output in outputs.items()}
        conclusion = "cancelled" if self.job.cancelled.is_set() else "failure" if self.failed else "success"
        return Result(self, values, conclusion)

    def step(self, number, step, inputs):
        strange = set(step) - KEYS
        if strange or "run" not in step or "shell" not in step:
            raise Refused(f"step {number} has {sorted(strange)}, or lacks run or shell")
        shell(step["shell"], "")
        told = Step(step.get("name", f"step {number}"))
        self.steps.append(told)
        if "id" in step:
            self.by_id[step["id"]] = told
        contexts = self.contexts(inputs)
        if not condition(step.get("if", "success()"), contexts, self.functions):
            return
        job = self.job
        folder = tempfile.mkdtemp(prefix="_runner_file_commands_", dir=job.temp)
        files = {name: os.path.join(folder, name.lower()) for name in FILES}
        for path in files.values():
            with open(path, "w", encoding="utf-8"):
                pass
        own = {name: filled(value, contexts, self.functions) for name, value in (step.get("env") or {}).items()}
        environment = {**job.environment, **own, **files, "GITHUB_ACTION_PATH": self.folder}
        environment["PATH"] = os.pathsep.join([*reversed(job.path), environment["PATH"]])
        script = os.path.join(folder, "script.sh")
        with open(script, "w", encoding="utf-8") as file:
            file.write(filled(step["run"], contexts, self.functions))
        began = time.monotonic()
        self.process(told, shell(step["shell"], script), environment, step.get("working-directory"))
        told.seconds = time.monotonic() - began
        self.read(told, files)
        tolerated = filled(step.get("continue-on-error", "false"), contexts, self.functions) == "true"
        told.outcome = "cancelled" if told.signals else "success" if told.code == 0 else "failure"
        told.conclusion = "success" if told.outcome == "failure" and tolerated else told.outcome
        self.failed |= told.conclusion == "failure"

    def process(self, told, command, environment, folder):
        """Starts it, and ends it like the runner if the job is cancelled."""
        job = self.job
        # an `always()` step of a cancelled job keeps running
        begun_cancelled = job.cancelled.is_set()
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen(
                command, env=environment, cwd=os.path.join(job.workspace, folder or ""),
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, preexec_fn=listen_to_interrupts,
            )
            deadline = time.monotonic() + DEADLINE
            while process.poll() is None and not (job.cancelled.is_set() and not begun_cancelled):
                if self.watch:
                    self.watch(told, process)
                if time.monotonic() > deadline:
                    self.kill(process)
                    raise AssertionError(f"{told.name}: took longer than {DEADLINE} s")
                time.sleep(0.02)
            if process.poll() is None:
                self.end(told, process)
            told.code = process.wait()
            log.seek(0)
            told.log = log.read().decode("utf-8", "replace")

    def end(self, told, process):
        for number, patience in zip((signal.SIGINT, signal.SIGTERM), self.job.patience, strict=True):
            told.signals.append(number.name)
            process.send_signal(number)
            try:
                process.wait(patience)
                return
            except subprocess.TimeoutExpired:
                pass
        told.signals.append("SIGKILL")
        self.kill(process)

    def kill(self, process):
        """The process and its descendants."""
        for one in {process.pid, *self.job.processes()}:
            try:
                os.kill(one, signal.SIGKILL)
            except ProcessLookupError:
                pass
        process.wait()
        # the others have the signal, and take a moment to end on a busy machine
        deadline = time.monotonic() + DEADLINE
        while self.job.processes() and time.monotonic() < deadline:
            time.sleep(0.02)

    def read(self, told, files):
        """Reads the files with the commands of a step."""
        job = self.job
        text = {}
        for name, path in files.items():
            with open(path, "rb") as file:
                text[name] = file.read()
        told.outputs = variables(text["GITHUB_OUTPUT"])
        for name, value in variables(text["GITHUB_ENV"]).items():
            if name.upper() == "NODE_OPTIONS":
                self.warnings.append("NODE_OPTIONS cannot be set")
            else:
                job.environment[name] = value
        job.path += [line for line in text["GITHUB_PATH"].decode().splitlines() if line]
        if len(text["GITHUB_STEP_SUMMARY"]) > SUMMARY_LIMIT:
            self.warnings.append("$GITHUB_STEP_SUMMARY upload aborted, supports content up to a size of 1024k")
        else:
            self.summary += text["GITHUB_STEP_SUMMARY"].decode("utf-8")
        self.notes += commands(told.log)


class Result:
    """The result of an action."""

    def __init__(self, run, outputs, conclusion):
        self.outputs, self.conclusion = outputs, conclusion
        self.steps = {step.name: step for step in run.steps}
        self.summary, self.notes, self.warnings = run.summary, run.notes, run.warnings

    def log(self):
        """The complete log, for failed tests."""
        return "".join(f"--- {name}: {step.outcome} ({step.code})\n{step.log}" for name, step in self.steps.items())

    def said(self, kind):
        """The annotations of one kind."""
        return [text for what, _, text in self.notes if what == kind]


def variables(data):
    """NAME=VALUE, or NAME<<END, lines, END."""
    lines, at, found = data.decode("utf-8").split("\n"), 0, {}
    while at < len(lines):
        line = lines[at].removesuffix("\r")
        at += 1
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            name, value = line.split("=", 1)
        elif heredoc >= 0:
            name, end = line.split("<<", 1)
            if not name or not end:
                raise Refused(f"Invalid format {line!r}")
            value = []
            while at < len(lines) and lines[at] != end:
                value.append(lines[at])
                at += 1
            if at == len(lines):
                raise Refused(f"Invalid value. Matching delimiter not found {end!r}")
            at += 1
            value = "\n".join(value)
        else:
            raise Refused(f"Invalid format {line!r}")
        if not name:
            raise Refused(f"Invalid format {line!r}")
        found[name] = value
    return found


def commands(log):
    """The workflow commands in the output of a step: kind, properties, text."""
    found, stopped = [], None
    for line in log.splitlines():
        match = re.match(r"\s*::([\w-]+)(?:\s+([^:].*?))?::(.*)$", line) or re.search(r"##\[([\w-]+)(?:\s+([^\]]*))?\](.*)$", line)
        if not match:
            continue
        kind, properties, text = match.groups()
        if stopped is not None:
            stopped = None if kind == stopped else stopped
            continue
        if kind == "stop-commands":
            stopped = text
            continue
        pairs = dict(pair.split("=", 1) for pair in (properties or "").split(",") if "=" in pair)
        plain = {name: unescape(value, True) for name, value in pairs.items()}
        found.append((kind, plain, unescape(text)))
    return found


def unescape(text, property_too=False):
    if property_too:
        text = text.replace("%3A", ":").replace("%2C", ",")
    return text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
