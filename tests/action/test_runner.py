"""The runner of the other tests behaves like GitHub's."""
import os
import signal
import unittest

import yaml

from case import Case
from expressions import Expression, Wrong, condition, filled
from runner import LONG_PATIENCE, PATIENCE, Refused, commands, shell, variables


def bash(text, **more):
    return {"run": text, "shell": "bash", **more}


class Expressions(unittest.TestCase):
    CONTEXTS = {"inputs": {"mode": "run", "empty": "", "Fail-On": "broken"}, "steps": {"a": {"outputs": {"x": "1"}}}}

    def check(self, source, expected):
        self.assertEqual(Expression(source).value(self.CONTEXTS, {"always": lambda: True}), expected, source)

    def test_values(self):
        for source, expected in [
            ("inputs.mode == 'RUN'", True),
            ("inputs.fail-on", "broken"),
            ("inputs['mode']", "run"),
            ("inputs.none", None),
            ("steps.none.outputs.x || 'else'", "else"),
            ("steps.a.outputs.x == 1", True),
            ("inputs.empty && 'yes' || 'no'", "no"),
            ("!inputs.empty", True),
            ("(1 == 1) != false", True),
            ("'it''s'", "it's"),
            ("contains('Hello', 'hell')", True),
            ("startsWith('v1', 'v') && endsWith('v1', '1')", True),
            ("format('{1}{0}', 'a', 'b')", "ba"),
            ("2 > 1", True),
            ("null == ''", True),
        ]:
            self.check(source, expected)

    def test_what_github_refuses(self):
        for source in ["secrets.x", "inputs.mode ==", "nothing()", "inputs.mode 'x'", "(true"]:
            with self.assertRaises(Wrong, msg=source):
                self.check(source, None)

    def test_text_and_conditions(self):
        self.assertEqual(filled("a${{ inputs.mode }}b${{ true }}", self.CONTEXTS, {}), "arunbtrue")
        status = {"success": lambda: False, "always": lambda: True, "cancelled": lambda: False}
        self.assertFalse(condition("inputs.mode == 'run'", self.CONTEXTS, status), "success() is meant")
        self.assertTrue(condition("always() && inputs.mode == 'run'", self.CONTEXTS, status))
        self.assertTrue(condition("${{ !cancelled() }}", self.CONTEXTS, status))


class Shells(unittest.TestCase):
    def test_how_a_script_is_started(self):
        self.assertEqual(shell("bash", "s.sh"), ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "s.sh"])
        self.assertEqual(shell("bash -p -e {0}", "a b.sh"), ["bash", "-p", "-e", "a b.sh"])
        for wrong in ["pwsh", "bash -e", "python {0}"]:
            with self.assertRaises(Refused, msg=wrong):
                shell(wrong, "s.sh")


class Files(unittest.TestCase):
    def test_variables(self):
        self.assertEqual(variables(b"a=1=2\nb<<END\nx\n=y\nEND\n\nc=\n"), {"a": "1=2", "b": "x\n=y", "c": ""})
        for wrong in [b"nothing\n", b"a<<END\nx\n", b"=1\n", b"<<END\nEND\n"]:
            with self.assertRaises(Refused):
                variables(wrong)

    def test_commands(self):
        log = " ::error file=a.py,line=1::x%0Ay\nno ::error::z\nsee ##[warning]w\n::stop-commands::t\n::error::hidden\n::t::\n::notice::n\n"
        self.assertEqual(
            commands(log), [("error", {"file": "a.py", "line": "1"}, "x\ny"), ("warning", {}, "w"), ("notice", {}, "n")]
        )


class Steps(Case):
    def run_steps(self, steps, outputs=None, inputs=None, given=None, watch=None, patience=PATIENCE):
        document = {"inputs": inputs or {}, "outputs": outputs or {}, "runs": {"using": "composite", "steps": steps}}
        self.write("action/action.yml", yaml.safe_dump(document, sort_keys=False))
        job = self.job(patience=patience)
        result = job.run(self.path("action"), given, watch and (lambda step, process: watch(job, step, process)))
        result.job = job
        return result

    def test_outputs_environment_path_and_summary(self):
        result = self.run_steps(
            [
                bash('echo "x=$IN" >>"$GITHUB_OUTPUT"; echo V=1 >>"$GITHUB_ENV"; echo here >>"$GITHUB_STEP_SUMMARY"',
                     id="one", env={"IN": "${{ inputs.in }}"}),
                bash('echo "$V $HOME_OF_TESTS"; mkdir -p "$RUNNER_TEMP/b"; echo "$RUNNER_TEMP/b" >>"$GITHUB_PATH"', name="two"),
                bash('echo "${PATH%%:*}"', name="three"),
            ],
            outputs={"x": {"value": "${{ steps.one.outputs.x }}"}},
            inputs={"in": {"default": "d"}},
            given={"in": "a; $(id)", "other": "1"},
        )
        self.assertEqual(result.outputs, {"x": "a; $(id)"})
        self.assertEqual((result.conclusion, result.summary), ("success", "here\n"))
        self.assertEqual(result.steps["two"].log, "1 \n")
        self.assertEqual(result.steps["three"].log, os.path.join(result.job.temp, "b") + "\n")
        self.assertEqual(result.warnings, ["Unexpected input(s) 'other'"])

    def test_a_failure_ends_it_but_for_those_that_always_run(self):
        result = self.run_steps(
            [bash("false | true", name="pipe"), bash("true", name="next"), bash("true", name="always", **{"if": "always()"}),
             bash("true", name="failure", **{"if": "failure()"})]
        )
        outcomes = {name: step.outcome for name, step in result.steps.items()}
        self.assertEqual(outcomes, {"pipe": "failure", "next": "skipped", "always": "success", "failure": "success"})
        self.assertEqual(result.conclusion, "failure")

    def test_what_github_would_not_run(self):
        for step in [{"run": "true"}, {**bash("true"), "timeout-minutes": 1}, {"uses": "a/b@c"}]:
            with self.assertRaises(Refused):
                self.run_steps([step])

    def cancel(self, script, patience=PATIENCE):
        started = []

        def watch(job, step, process):
            if step.name == "long" and os.path.exists(os.path.join(job.temp, "ready")):
                started.append(process.pid)
                job.cancel()

        return self.run_steps(
            [bash(script, name="long"), bash("true", name="next"), bash("echo cleaned", name="always", **{"if": "always()"}),
             bash("true", name="not", **{"if": "!cancelled()"})],
            watch=watch,
            patience=patience,
        )

    def test_cancelling_reaches_what_took_the_place_of_the_shell(self):
        program = "import signal,sys,os,time; signal.signal(signal.SIGINT, lambda *_: sys.exit(3)); " \
            "open(os.environ['RUNNER_TEMP'] + '/ready', 'w'); time.sleep(60)"
        result = self.cancel(f'exec python3 -c "{program}"', LONG_PATIENCE)
        self.assertEqual(result.steps["long"].signals, ["SIGINT"])
        self.assertEqual(result.steps["long"].code, 3)
        outcomes = {name: step.outcome for name, step in result.steps.items()}
        self.assertEqual(outcomes, {"long": "cancelled", "next": "skipped", "always": "success", "not": "skipped"})
        self.assertEqual(result.conclusion, "cancelled")

    def test_what_does_not_listen_is_killed_with_all_it_started(self):
        result = self.cancel('trap "" INT TERM; sleep 60 & touch "$RUNNER_TEMP/ready"; wait; sleep 60')
        self.assertEqual(result.steps["long"].signals, ["SIGINT", "SIGTERM", "SIGKILL"])
        self.assertEqual(result.steps["long"].code, -signal.SIGKILL)
        self.assertGreater(result.steps["long"].seconds, 10)
        self.assertEqual(result.job.processes(), [])


if __name__ == "__main__":
    unittest.main()
