"""The action with the real binary: results, refusals, visibility for experiments, and cancellation."""
import contextlib
import json
import os
import socket
import subprocess
import threading
import time
import unittest

import yaml

from shop import BINARY, TOKEN, Shop, action, experiment, function, process, pull_request

TOKENS = {
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "of-the-identity",
    "ACTIONS_RUNTIME_TOKEN": "of-the-runner",
    "GH_TOKEN": "of-the-command-line",
    "GITHUB_TOKEN": "of-the-workflow",
}


class Runs(Shop):
    def test_a_single_run(self):
        result = self.single(self.job_of(pull_request()), comment="never")
        self.assertEqual(self.outcomes(result), {"Install": "success", "Run": "failure", "Recover": "success", "Publish": "success"})
        self.assertEqual(result.steps["Run"].code, 1, result.log())
        self.assertEqual((result.outputs["verdict"], result.outputs["exit-code"]), ("deviated", "1"))
        for name in ("journals", "junit", "markdown"):
            path = os.path.join(self.path("job-1", "work space"), result.outputs[name])
            self.assertTrue(os.path.isfile(path), (name, path))
        self.assertIn("The shop answers without its provider", result.summary)
        self.assertEqual(result.outputs["comment-url"], "")

        result = self.single(self.job_of(pull_request()), "after", comment="never")
        self.assertEqual(result.conclusion, "success", result.log())
        self.assertEqual((result.outputs["verdict"], result.outputs["exit-code"]), ("held", "0"))

    def test_what_the_inputs_cannot_be(self):
        for inputs, said in [
            ({"embedded": "yes"}, "embedded"),
            ({"experiment": ""}, "experiment"),
            ({"experiment": "a\nb"}, "experiment"),
            ({"repeat": "0", "before": "deploy/before", "after": "deploy/after", "apply": ""}, "repeat"),
            ({"fail-on": "worse"}, "fail-on"),
            ({"before": "deploy/before", "apply": ""}, "after"),
            ({"sample": "often"}, "sample"),
        ]:
            with self.subTest(inputs):
                inputs = {name.replace("-", "_"): value for name, value in inputs.items()}
                result = self.single(self.job_of(pull_request()), **inputs)
                self.assertEqual(result.steps["Run"].code, 2, result.log())
                self.assertIn(said, result.steps["Run"].log)
                self.assertEqual(result.steps["Publish"].outcome, "skipped")

    def test_what_an_experiment_starts_sees_no_token(self):
        seen = self.path("seen")
        look = f"{{ env; tr '\\0' '\\n' </proc/$PPID/environ; }} >'{seen}'"
        job = self.job_of(pull_request(), **TOKENS)
        self.put(job, "look.json", experiment(method=[action("look", process("sh", "-c", look))], rollbacks=[]))
        result = self.single(job, "after", experiment="look.json", comment="never")
        self.assertEqual(result.conclusion, "success", result.log())
        with open(seen, encoding="utf-8") as file:
            text = file.read()
        self.assertIn("RUNNER_TEMP=", text, "it looked")
        for value in [*TOKENS.values(), TOKEN]:
            self.assertNotIn(value, text)
        own = text.split("RUNNER_TRACKING_ID")[0]
        for name in ("GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_STEP_SUMMARY"):
            self.assertNotIn(f"{name}=", text)
        self.assertTrue(own)


class Refused(Shop):
    """A refusal runs neither the experiment nor a request to a cluster."""

    def setUp(self):
        super().setUp()
        self.asked = {}
        self.servers = {name: self.listen(name) for name in ("production", "kind-ci")}
        self.ran = self.path("ran")
        self.kubeconfig = self.config("production")

    def listen(self, name):
        """A server that records connections and does not respond."""
        self.asked[name] = 0
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def count():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    self.asked[name] += 1
                    connection.close()

        threading.Thread(target=count, daemon=True).start()
        return f"https://127.0.0.1:{listener.getsockname()[1]}"

    def config(self, current):
        """A kubeconfig with both clusters; the login program of production leaves a trace."""
        plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "touch", "args": [self.ran], "interactiveMode": "Never"}
        return self.write(f"kubeconfig-{current}", json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": current,
            "clusters": [{"name": name, "cluster": {"server": server}} for name, server in self.servers.items()],
            "users": [{"name": "production", "user": {"exec": plugin}}, {"name": "kind-ci", "user": {"token": "t"}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}} for name in self.servers],
        }))

    def reached(self, pull=None, content=None, event_name="pull_request", told=None, files=(), **inputs):
        """Runs it; returns which servers received requests, and whether anything else ran."""
        self.asked = dict.fromkeys(self.asked, 0)
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.ran)
        job = self.job_of(pull, event_name, told, ELSEWHERE="production")
        for name, text in files:
            self.put(job, name, text)
        probe = function("pod.probes", "all_pods_healthy")
        method = [action("mark", process("touch", self.ran)), action("ask", probe)]
        self.put(job, "mark.json", content or experiment(method=method, rollbacks=[], hypothesis=False))
        result = self.execute(job, **{"experiment": "mark.json", "kubeconfig": self.kubeconfig, "comment": "never", **inputs})
        result.reached = {name for name, count in self.asked.items() if count} | ({"mark"} if os.path.exists(self.ran) else set())
        return result

    def refused(self, code, said, *arguments, **inputs):
        result = self.reached(*arguments, **inputs)
        self.assertEqual(result.steps["Run"].code, code, result.log())
        self.assertIn(said, result.log())
        self.assertEqual(result.reached, set(), result.log())
        self.assertEqual(result.steps["Publish"].outcome, "skipped")

    def test_events_that_lend_rights_to_strangers(self):
        for name in ("pull_request_target", "workflow_run"):
            self.refused(2, name, pull_request(), event_name=name, context="kind-ci")
            self.refused(2, name, pull_request(), event_name=name, embedded="true", kubeconfig="")

    def test_contexts(self):
        self.assertIn("kind-ci", self.reached(pull_request(), context="kind-ci").reached, "kind's may be touched")
        self.refused(4, "production", pull_request(), context="production")
        self.refused(4, "production", pull_request())
        self.refused(4, "production", None, event_name="push")
        self.refused(4, "production", pull_request(), context="production", allow_context="prod\nkind-*")
        self.assertIn("mark", self.reached(pull_request(), context="production", allow_context="prod*").reached, "it is named")

    def test_a_forks_pull_request_meets_no_other_context(self):
        fork = pull_request(repository="eve/shop")
        gone = pull_request()
        gone["head"]["repo"] = None
        for pull in (fork, gone):
            self.refused(4, "production", pull, context="production", allow_context="*")
            self.assertIn("kind-ci", self.reached(pull, context="kind-ci").reached)

    def test_what_an_experiment_asks_for_itself(self):
        self.kubeconfig = self.config("kind-ci")
        probe = function("pod.probes", "all_pods_healthy")
        embedded = {"embedded": "true", "kubeconfig": "", "apply": "deploy/services\ndeploy/after"}
        here = self.servers["production"]
        for secrets, where, is_refused in [
            ({"KUBERNETES_CONTEXT": "production"}, {}, True),
            ({"KUBERNETES_CONTEXT": {"type": "env", "key": "ELSEWHERE"}}, {}, True),
            ({"KUBERNETES_HOST": here, "KUBERNETES_VERIFY_SSL": "false"}, {"kubeconfig": ""}, True),
            # inputs take precedence over the experiment
            ({"KUBERNETES_CONTEXT": "production"}, {"context": "kind-ci"}, False),
            ({"KUBERNETES_CONTEXT": "production"}, embedded, False),
            ({"KUBERNETES_HOST": here}, embedded, False),
        ]:
            with self.subTest(secrets=secrets, where=where):
                ask = action("ask", {**probe, "secrets": ["k8s"]})
                content = experiment(method=[ask], rollbacks=[], hypothesis=False, secrets={"k8s": secrets})
                result = self.reached(pull_request(), content, **where)
                self.assertLessEqual(result.reached, {"kind-ci"}, result.log())
                if is_refused:
                    self.assertEqual(result.reached, set(), result.log())
                    self.assertNotEqual(result.steps["Run"].code, 0, result.log())
                    self.assertIn("is not allowed", result.log())

    def test_a_record_that_a_pull_request_brought_along_leads_nowhere(self):
        record = {
            "schema": "kubectl-chaos/trial/v1", "trial": "0a1b2c3d", "experiment_hash": "sha256:0", "cluster": self.servers["production"],
            "context": "production", "seed": 1, "state": "running", "common": [], "namespaces": [],
        }
        files = [("chaos-results/trial.json", json.dumps(record))]
        both = {"before": "deploy/before", "after": "deploy/after", "common": "deploy/services", "repeat": "1"}
        for name, inputs in [
            ("refused", {"context": "production", **both}),
            ("wrong", {"experiment": "none.json", "context": "kind-ci", **both}),
            ("no experiment", {"experiment": ""}),
            ("a single run", {"context": "kind-ci"}),
            ("embedded", {"embedded": "true", "kubeconfig": "", "timeout": "1s", "experiment": "chaos/experiment.json", **both}),
        ]:
            with self.subTest(name):
                result = self.reached(pull_request(repository="eve/shop"), files=files, **inputs)
                self.assertNotIn("production", result.reached, result.log())
                self.assertNotIn("mark", result.reached, result.log())


class Cancelled(Shop):
    def during(self, job, what, folder="chaos-results"):
        """Waits for the first run of a trial, then calls a function."""
        record = os.path.join(job.workspace, folder, "trial.json")
        job.seen = set()

        def watch(step, process_):
            if step.name != "Run" or job.seen or not os.path.exists(record):
                return
            with contextlib.suppress(ValueError), open(record, encoding="utf-8") as file:
                if json.load(file)["namespaces"]:
                    time.sleep(1)
                    job.seen = {(process_.pid, one) for one in job.sockets()} or {(process_.pid, "none")}
                    what(process_)

        return watch

    def test_a_trial_on_the_embedded_cluster_leaves_nothing(self):
        github = self.github()
        job = self.job_of(pull_request(), GITHUB_API_URL=github.address)
        result = self.trial(job, self.during(job, lambda _: job.cancel()))
        self.assertEqual(result.conclusion, "cancelled", result.log())
        self.assertGreater(len(job.seen), 1, "the cluster and its Pods listened")
        self.assertEqual(result.steps["Run"].signals, ["SIGINT"], "it ended in time")
        self.assertEqual(result.steps["Run"].code, 130, result.log())
        self.assertEqual(self.outcomes(result), {"Install": "success", "Run": "cancelled", "Recover": "success", "Publish": "skipped"})
        self.assertEqual(job.processes(), [])
        with open("/proc/net/tcp", encoding="ascii") as file:
            listening = {line.split()[9] for line in file.readlines()[1:] if line.split()[3] == "0A"}
        self.assertEqual({one for _, one in job.seen} & listening, set(), "nothing listens any more")
        self.assertEqual(github.comments(), [])

    def served(self):
        """A separate cluster outside the job, with a context that a job may use."""
        path = self.path("served.kubeconfig")
        served = subprocess.Popen(
            [BINARY, "embedded", "serve", "--kubeconfig", path], cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

        def stop():
            served.terminate()
            served.wait(20)

        self.addCleanup(stop)
        deadline = time.monotonic() + 30
        while not os.path.exists(path) and time.monotonic() < deadline:
            time.sleep(0.1)
        with open(path, encoding="utf-8") as file:
            config = yaml.safe_load(file)
        config["contexts"][0]["name"] = config["current-context"] = "kind-served"
        return self.write("kubeconfig", yaml.safe_dump(config))

    def left(self, kubeconfig):
        """The leftovers of trials, as `recover` lists them."""
        command = [BINARY, "recover", "-o", "name", "--kubeconfig", kubeconfig]
        return subprocess.run(command, cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout

    def test_a_trial_on_a_cluster_leaves_nothing_whether_it_is_cancelled_or_killed(self):
        kubeconfig = self.served()
        for how in ("cancelled", "killed"):
            with self.subTest(how):
                job = self.job_of(pull_request())
                found = []

                def end(process_, job=job, how=how, found=found):
                    found.append(self.left(kubeconfig))
                    if how == "cancelled":
                        job.cancel()
                    else:
                        process_.kill()

                result = self.trial(job, self.during(job, end), kubeconfig=kubeconfig, context="kind-served", comment="never")
                self.assertIn("namespace/chaos-trial-", found[0], "something was there to be left")
                self.assertEqual(result.steps["Run"].code, 130 if how == "cancelled" else -9, result.log())
                self.assertEqual(result.steps["Recover"].outcome, "success", result.log())
                self.assertEqual(self.left(kubeconfig), "", result.log())
                self.assertEqual(job.processes(), [])


if __name__ == "__main__":
    unittest.main()
