"""What each step of the action receives, recorded by a fake binary."""
import json
import os
import unittest

from case import Case
from runner import LONG_PATIENCE

# records how it was started, and does what the test says; reads its environment like its children could
STAND_IN = """#!/usr/bin/env python3
import json, os, sys, time
temp = os.environ["RUNNER_TEMP"]
what = sys.argv[1]
with open("/proc/self/environ", "rb") as file:
    seen = dict(pair.split("=", 1) for pair in file.read().decode().split("\\0") if "=" in pair)
with open(f"{temp}/calls", "a") as file:
    file.write(json.dumps({"arguments": sys.argv[1:], "environment": seen, "process": os.getpid(), "folder": os.getcwd()}) + "\\n")
with open(f"{temp}/plan.json") as file:
    plan = json.load(file).get(what, {})
if plan.get("waits"):
    try:
        open(f"{temp}/ready", "w").close()
        time.sleep(60)
    except KeyboardInterrupt:
        plan["code"] = 130
# like an earlier step that found the file
if plan.get("exports"):
    for folder in sorted(os.listdir(temp)):
        if folder.startswith("_runner_file_commands_"):
            with open(f"{temp}/{folder}/github_env", "a") as file:
                file.writelines(f"{name}={value}\\n" for name, value in plan["exports"].items())
for path, text in plan.get("writes", {}).items():
    with open(path, "w") as file:
        file.write(text)
with open(os.environ["GITHUB_OUTPUT"], "a") as file:
    for name, value in plan.get("outputs", {}).items():
        file.write(f"{name}<<END\\n{value}\\nEND\\n")
print(plan.get("says", ""))
sys.exit(plan.get("code", 0))
"""
TOKENS = {
    "GITHUB_TOKEN": "a-token-of-the-workflow",
    "GH_TOKEN": "another-token",
    "GH_ENTERPRISE_TOKEN": "a-third-one",
    "GITHUB_ENTERPRISE_TOKEN": "a-fourth-one",
    "ACTIONS_RUNTIME_TOKEN": "of-the-runner",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "of-the-identity",
}
HOSTILE = "a'; touch pwned; $(touch pwned) `touch pwned` \"${IFS}\" \\ && touch pwned\n::error::forged"


class Steps(Case):
    def setUp(self):
        super().setUp()
        self.binary = self.write("tools/kubectl-chaos", STAND_IN, 0o755)

    def run_action(self, plan=None, job=None, watch=None, **inputs):
        job = job or self.job()
        with open(os.path.join(job.temp, "plan.json"), "w", encoding="utf-8") as file:
            json.dump(plan or {"ci": {"outputs": {"journals": "one"}}}, file)
        inputs = {name.replace("_", "-"): value for name, value in inputs.items()}
        result = job.run(self.action(), {"binary": self.binary, "experiment": "x.json", **inputs}, watch)
        self.calls = []
        if os.path.exists(os.path.join(job.temp, "calls")):
            with open(os.path.join(job.temp, "calls"), encoding="utf-8") as file:
                self.calls = [json.loads(line) for line in file]
        return result

    def outcomes(self, result):
        return {name: step.outcome for name, step in result.steps.items()}

    def call(self, what):
        found = [call for call in self.calls if call["arguments"][0] == what]
        self.assertEqual(len(found), 1, self.calls)
        return found[0]

    def test_only_the_publishing_step_has_a_token(self):
        result = self.run_action(job=self.job(token="the-token", **TOKENS))
        self.assertEqual(result.conclusion, "success", result.log())
        self.assertEqual([call["arguments"][0] for call in self.calls], ["ci", "recover", "publish"])
        for what in ("ci", "recover"):
            values = set(self.call(what)["environment"].values())
            self.assertEqual(values & {"the-token", *TOKENS.values()}, set(), what)
        self.assertEqual(self.call("publish")["environment"]["GITHUB_TOKEN"], "the-token")
        for step in result.steps.values():
            self.assertNotIn("the-token", step.log)

    def test_what_an_experiment_starts_is_not_told_the_files_of_the_runner(self):
        self.run_action()
        for what in ("ci", "recover"):
            for name in ("GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_STEP_SUMMARY"):
                self.assertNotIn(name, self.call(what)["environment"])
        self.assertTrue(self.call("ci")["environment"]["GITHUB_OUTPUT"])

    def test_every_input_is_a_variable_and_stays_text(self):
        inputs = {
            name: HOSTILE
            for name in [
                "experiment", "before", "after", "common", "repeat", "max-repeat", "parallel", "baseline", "embedded", "apply", "in-place", "sample",
                "var", "var-file", "timeout", "ready-timeout", "effect-timeout", "margin", "primary", "seed", "rollback-strategy", "fail-on", "kubeconfig", "context", "namespace",
                "allow-context", "allow-outside", "base-experiment", "output-dir",
            ]
        }
        more = {name: HOSTILE for name in ["comment", "comment-id", "comment-author", "pull-request", "junit", "markdown", "html"]}
        job = self.job()
        result = self.run_action(job=job, **inputs, **more)
        self.assertEqual(result.conclusion, "success", result.log())
        self.assertEqual(self.call("ci")["arguments"], ["ci"])
        self.assertEqual(self.call("publish")["arguments"], ["publish"])
        self.assertEqual(self.call("recover")["arguments"], ["recover", "--yes"])
        for what, names in [
            ("ci", list(inputs)),
            ("recover", ["kubeconfig", "context", "namespace", "allow-context", "output-dir"]),
            ("publish", ["experiment", "base-experiment", "output-dir", "margin", "primary", "seed", *more]),
        ]:
            given = {name: value for name, value in self.call(what)["environment"].items() if name.startswith("KUBECTL_CHAOS_INPUT_")}
            expected = {f"KUBECTL_CHAOS_INPUT_{name.upper().replace('-', '_')}": HOSTILE for name in names}
            if what == "publish":
                expected["KUBECTL_CHAOS_INPUT_WORKFLOW_RUN"] = "false"
            self.assertEqual(given, expected)
        for folder in (job.workspace, job.temp, self.folder):
            self.assertNotIn("pwned", os.listdir(folder))
        self.assertEqual(result.said("error"), [])

    def test_defaults(self):
        result = self.run_action()
        environment = self.call("ci")["environment"]
        given = {name: value for name, value in environment.items() if name.startswith("KUBECTL_CHAOS_INPUT_") and value}
        self.assertEqual(given, {"KUBECTL_CHAOS_INPUT_EXPERIMENT": "x.json", "KUBECTL_CHAOS_INPUT_OUTPUT_DIR": "chaos-results"})
        self.assertEqual(self.call("publish")["environment"]["KUBECTL_CHAOS_INPUT_COMMENT"], "auto")
        self.assertEqual(self.call("publish")["environment"]["GITHUB_TOKEN"], "the-token-of-the-job")
        self.assertEqual(self.call("recover")["arguments"], ["recover", "--yes"])
        # an empty value is the default, never none: without one, everything on the cluster would be a target
        self.run_action(job=self.job(), output_dir="")
        self.assertEqual(self.calls[-2]["environment"]["KUBECTL_CHAOS_INPUT_OUTPUT_DIR"], "chaos-results")
        self.assertEqual(result.warnings, [])

    def test_outputs(self):
        ran = {"verdict": "fixed", "after": "holds", "exit-code": "1", "journals": "a\nb", "junit": "j", "markdown": "m", "html": "h"}
        plan = {"ci": {"outputs": ran, "code": 1}, "publish": {"outputs": {"verdict": "other", "html": "again", "comment-url": "https://x"}}}
        result = self.run_action(plan)
        self.assertEqual(result.conclusion, "failure", "the experiment decides")
        self.assertEqual(self.outcomes(result), {"Install": "success", "Run": "failure", "Recover": "success", "Publish": "success"})
        self.assertEqual(result.outputs, {**ran, "html": "again", "comment-url": "https://x"})

    def test_nothing_is_published_of_a_run_that_was_refused(self):
        result = self.run_action({"ci": {"code": 4}})
        self.assertEqual(self.outcomes(result), {"Install": "success", "Run": "failure", "Recover": "success", "Publish": "skipped"})

    def test_publishing_alone(self):
        published = {"verdict": "fixed", "after": "holds", "journals": "a", "comment-url": "https://x"}
        result = self.run_action({"publish": {"outputs": published}}, mode="publish")
        self.assertEqual(self.outcomes(result), {"Install": "success", "Run": "skipped", "Recover": "skipped", "Publish": "success"})
        self.assertEqual({name: value for name, value in result.outputs.items() if value}, published)

    def test_a_binary_that_was_exchanged_meanwhile_is_not_started_again(self):
        plan = {"ci": {"outputs": {"journals": "one"}, "writes": {self.binary: "#!/bin/sh\necho stolen $GITHUB_TOKEN\n"}}}
        result = self.run_action(plan)
        self.fails(result, "Publish", "changed after it was verified")
        self.fails(result, "Recover", "changed after it was verified")
        self.assertNotIn("stolen", result.log())

    def test_a_script_of_the_action_that_was_exchanged_is_not_read_again(self):
        action = self.action()
        files = [os.path.join(folder, name) for folder, _, names in os.walk(action) for name in names]
        self.assertGreater(len(files), 2)
        plan = {"ci": {"outputs": {"journals": "one"}, "writes": {path: "echo stolen $GITHUB_TOKEN >&2\n" for path in files}}}
        result = self.run_action(plan)
        self.assertEqual(result.conclusion, "success", result.log())
        self.assertNotIn("stolen", result.log())

    def test_neither_the_workspace_nor_the_path_is_looked_through_for_a_binary(self):
        job = self.job()
        other = "#!/bin/sh\necho stolen\n"
        for folder in (job.workspace, job.home):
            path = os.path.join(folder, "kubectl-chaos")
            with open(path, "w", encoding="utf-8") as file:
                file.write(other)
            os.chmod(path, 0o755)
        job.path.append(job.workspace)
        result = self.run_action(job=job)
        self.assertEqual(result.conclusion, "success", result.log())
        self.assertNotIn("stolen", result.log())

    def test_no_file_is_read_before_a_script(self):
        job = self.job(BASH_ENV=self.write("evil.sh", "echo stolen $GITHUB_TOKEN\n"))
        result = self.run_action(job=job)
        self.assertEqual(result.conclusion, "success", result.log())
        self.assertNotIn("stolen", result.log())

    def test_no_function_of_the_environment_takes_the_place_of_a_command(self):
        function = "() { echo stolen $GITHUB_TOKEN; }"
        functions = {f"BASH_FUNC_{name}%%": function for name in ("exec", "echo", "sha256sum", "unset", "[", "builtin")}
        result = self.run_action(job=self.job(**functions, SHELLOPTS="xtrace", PS4="stolen $GITHUB_TOKEN "))
        self.assertEqual(result.conclusion, "success", result.log())
        self.assertEqual(self.outcomes(result)["Publish"], "success")
        self.assertNotIn("stolen", result.log())

    def test_what_loads_code_or_trusts_others_does_not_reach_the_step_with_the_token(self):
        names = ["LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES", "DYLD_LIBRARY_PATH", "REQUESTS_CA_BUNDLE",
                 "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"]
        self.run_action({"ci": {"outputs": {"journals": "one"}, "exports": dict.fromkeys(names, "/evil")}})
        environment = self.call("publish")["environment"]
        self.assertEqual({name: environment[name] for name in names if environment.get(name)}, {})
        self.assertNotIn("SSL_CERT_FILE", environment, "an empty one would be a store without certificates")

    def test_what_mode_publish_reads_is_a_strangers(self):
        for mode, expected in [("run", "false"), ("publish", "true")]:
            self.run_action(job=self.job(), mode=mode)
            self.assertEqual(self.calls[-1]["environment"]["KUBECTL_CHAOS_INPUT_WORKFLOW_RUN"], expected)

    def test_cancelling_reaches_the_binary_itself(self):
        job = self.job(patience=LONG_PATIENCE)
        seen = []

        def watch(step, process):
            if step.name == "Run" and os.path.exists(os.path.join(job.temp, "ready")):
                seen.append(process.pid)
                job.cancel()

        result = self.run_action({"ci": {"waits": True, "outputs": {"journals": "half of one"}}}, job, watch)
        self.assertEqual(self.call("ci")["process"], seen[0], "the binary is the process that the runner started")
        self.assertEqual(result.steps["Run"].signals, ["SIGINT"])
        self.assertEqual(result.steps["Run"].code, 130)
        self.assertEqual(self.outcomes(result), {"Install": "success", "Run": "cancelled", "Recover": "success", "Publish": "skipped"})
        self.assertEqual(job.processes(), [])


if __name__ == "__main__":
    unittest.main()
