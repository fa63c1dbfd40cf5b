"""What the action writes on pull requests, with a stateful mock of GitHub."""
import json
import os
import re
import shutil
import tempfile
import unittest

import yaml

from case import ROOT
from expressions import filled
from shop import HOSTILE, TOKEN, Shop, event, event_of_a_run, experiment, pull_request


def without_code(markdown):
    """Markdown without its code, in which GitHub makes no links and notifies no user."""
    # a code span ends at as many backticks as it begins with
    return re.sub(r"(?<!`)(`+)(?!`)[^\n]*?(?<!`)\1(?!`)", "", markdown.replace("\\`", ""))


class Comments(Shop):
    def published(self, github, pull=None, **arguments):
        """The action on a pull request: a single run and its comment."""
        inputs = {name: arguments.pop(name) for name in list(arguments) if name.islower()}
        job = self.job_of(pull or pull_request(), GITHUB_API_URL=github.address, **arguments)
        if "content" in inputs:
            self.put(job, inputs.get("experiment", "chaos/experiment.json"), inputs.pop("content"))
        if "base" in inputs:
            self.put(job, "base/experiment.json", inputs.pop("base"))
            inputs["base_experiment"] = "base/experiment.json"
        result = self.single(job, inputs.pop("arm", "before"), **inputs)
        self.nothing_was_touched(job.workspace, job.temp, job.home, self.folder)
        return result

    def test_the_first_run_creates_it_and_the_second_updates_it(self):
        github = self.github(comments=[{"id": 3, "pull_request": 7, "login": "another-user", "body": "Looks good"}])
        first = self.published(github)
        self.assertEqual(first.steps["Publish"].outcome, "success", first.log())
        [other, comment] = github.comments()
        self.assertEqual((other["body"], comment["pull_request"]), ("Looks good", 7))
        self.assertIn("deviated", comment["body"])
        self.assertTrue(first.outputs["comment-url"].endswith(str(comment["id"])), first.outputs)

        second = self.published(github, arm="after", GITHUB_RUN_ID="1002")
        [_, updated] = github.comments()
        self.assertEqual(updated["id"], comment["id"])
        self.assertIn("held", updated["body"])
        self.assertNotIn("deviated", updated["body"])
        self.assertEqual(second.outputs["comment-url"], first.outputs["comment-url"])
        self.assertEqual(len(github.asked("POST")), 1)
        self.assertEqual(len(github.asked("PATCH")), 1)

    def test_a_second_experiment_has_its_own(self):
        github = self.github()
        self.published(github)
        self.published(github, experiment="chaos/other.json", content=experiment("The other one"))
        self.published(github, comment_id="linux", GITHUB_RUN_ID="1002")
        bodies = [comment["body"] for comment in github.comments()]
        self.assertEqual(len(bodies), 3)
        self.assertEqual(["The other one" in body for body in bodies], [False, True, False])

    def test_a_planted_comment_is_left_alone(self):
        github = self.github()
        self.published(github)
        [ours] = github.comments()
        github.put(comments=[{**ours, "id": 5, "login": "eve"}])
        result = self.published(github)
        [planted, new] = github.comments()
        self.assertEqual((planted["login"], planted["body"]), ("eve", ours["body"]))
        self.assertEqual(result.steps["Publish"].outcome, "success", result.log())
        self.assertEqual(new["login"], "github-actions[bot]")

    def test_a_forks_token_is_refused_politely(self):
        github = self.github(may_write=False)
        result = self.published(github, pull_request(repository="eve/shop"), arm="after")
        self.assertEqual(result.conclusion, "success", "it is not what decides: " + result.log())
        self.assertEqual(github.comments(), [])
        self.assertIn("The shop answers without its provider", result.summary, "it is told in the summary")
        self.assertTrue(any("comment" in text for text in result.said("warning") + result.said("notice")), result.log())
        self.assertNotIn(TOKEN, result.log())

    def test_hostile_texts_stay_texts(self):
        github = self.github()
        hostile = experiment(HOSTILE)
        hostile["steady-state-hypothesis"]["probes"][0]["name"] = HOSTILE
        hostile["method"][0]["name"] = HOSTILE + " too"
        pull = pull_request(branch=HOSTILE, title=HOSTILE)
        result = self.published(github, pull, content=hostile)
        self.assertEqual(result.steps["Publish"].outcome, "success", result.log())
        [comment] = github.comments()
        for body in (comment["body"], result.summary):
            self.assertIn("touch pwned", body, "it is shown")
            self.assertNotRegex(without_code(body), r"<img|@all\b|\*\*b\*\*")
        marks = [line for line in comment["body"].splitlines() if line.strip().startswith("<!--")]
        self.assertTrue(marks and not any("-->|a|" in line for line in marks), marks)
        self.assertFalse([text for text in result.said("error") if text == "forged"], result.log())
        # an experiment whose name contains the marker of comments
        again = self.published(github, pull, content=hostile, GITHUB_RUN_ID="1002")
        self.assertEqual(len(github.comments()), 1, again.log())

    def test_it_says_when_the_pull_request_changed_the_experiment(self):
        github = self.github()
        self.published(github, base=experiment())
        [comment] = github.comments()
        self.assertNotIn("base branch", comment["body"])
        weaker = experiment()
        weaker["steady-state-hypothesis"]["probes"][0]["tolerance"] = [200, 500]
        result = self.published(github, base=experiment(), content=weaker, GITHUB_RUN_ID="1002")
        [comment] = github.comments()
        self.assertIn("changes its activities or probes", comment["body"], result.log())

    def test_results_that_the_pull_request_committed_are_not_published(self):
        trial = {"before": "deploy/before", "after": "deploy/after", "common": "deploy/services", "repeat": "1", "apply": ""}
        held = {
            "experiment": experiment(), "status": "completed", "start": "2026-01-01T00:00:00",
            "kubectl-chaos": {"schema": 1, "run_id": "a", "finished": True, "verdict": "held", "reason": "forged"},
        }
        forged = [(f"{arm}/journal-{number}.json", {**held, "start": f"2026-01-01T00:00:0{number}"}) for arm in ("before", "after")
                  for number in (1, 2, 3)]
        said = ("comparison.json", {"verdict": "fixed", "after": "holds"})
        for files, inputs in [
            ([*forged, said], trial),
            (forged, {}),
            ([("journal-1.json", held)], {}),
        ]:
            with self.subTest(files[0][0], inputs=inputs):
                github = self.github()
                job = self.job_of(pull_request(), GITHUB_API_URL=github.address)
                for name, content in files:
                    self.put(job, os.path.join("chaos-results", name), content)
                result = self.single(job, **inputs)
                self.assertEqual(result.steps["Run"].code, 2, result.log())
                self.assertEqual(result.steps["Publish"].outcome, "skipped", result.log())
                self.assertEqual((result.outputs["verdict"], result.outputs["journals"], result.outputs["exit-code"]), ("", "", "2"))
                self.assertEqual(github.asked(), [])
                self.assertEqual(result.summary, "")

    def test_when_nothing_is_to_be_said(self):
        github = self.github()
        self.published(github, comment="never")
        self.published(github, arm="after", comment="on-failure")
        self.published(github, github_token="")
        self.assertEqual(github.comments(), [])
        self.assertEqual(github.asked("POST"), [])


class Artifacts(Shop):
    """`mode: publish` on `workflow_run`: the artifact is untrusted."""

    @classmethod
    def setUpClass(cls):
        """A trial in a job without a token: its results are the artifact."""
        cls.kept = tempfile.TemporaryDirectory()
        made = cls("run_trial")
        made.setUp()
        try:
            made.run_trial()
        finally:
            made.doCleanups()

    @classmethod
    def tearDownClass(cls):
        cls.kept.cleanup()

    def run_trial(self):
        job = self.job_of(pull_request(repository="eve/shop"))
        result = self.trial(job, comment="never", github_token="")
        self.assertEqual(result.steps["Run"].code, 0, result.log())
        shutil.copytree(os.path.join(job.workspace, "chaos-results"), os.path.join(self.kept.name, "artifact"))

    def setUp(self):
        super().setUp()
        self.fork = pull_request(number=23, repository="eve/shop", sha="c" * 40)

    def artifact(self):
        """A copy of the artifact, and a path in it."""
        folder = self.path(f"artifact-{len(os.listdir(self.folder))}")
        shutil.copytree(os.path.join(self.kept.name, "artifact"), folder)
        return folder

    def published(self, github, artifact, told=None, kind="workflow_run", **inputs):
        told = told or event_of_a_run(self.fork)
        job = self.job_of(None, kind, told, GITHUB_API_URL=github.address, GITHUB_RUN_ID="2001")
        inputs = {"output_dir": artifact, "experiment": "chaos/experiment.json", "base_experiment": "chaos/experiment.json", **inputs}
        result = self.execute(job, mode="publish", **inputs)
        self.assertEqual([result.steps[name].outcome for name in ("Run", "Recover")], ["skipped", "skipped"])
        self.nothing_was_touched(job.workspace, job.temp, job.home, self.folder, artifact)
        return result

    def github_with(self, *pulls):
        return self.github(pulls=list(pulls or [pull_request(), self.fork]))

    def edit(self, folder, name, change):
        path = os.path.join(folder, name)
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        change(document)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(document, file)

    def test_the_comment_goes_to_the_pull_request_that_github_names(self):
        github = self.github_with()
        artifact = self.artifact()
        # regardless of the artifact
        for name in ("event.json", "pull_request.json", "pr-number.txt"):
            with open(os.path.join(artifact, name), "w", encoding="utf-8") as file:
                file.write('{"number": 7, "pull_request": {"number": 7}}')
        result = self.published(github, artifact)
        self.assertEqual(result.conclusion, "success", result.log())
        [comment] = github.comments()
        self.assertEqual(comment["pull_request"], 23)
        self.assertIn("artifact", comment["body"], "it says what it was made of")
        self.assertTrue(result.outputs["verdict"])
        again = self.published(github, self.artifact(), event_of_a_run(self.fork, run=1002))
        self.assertEqual(len(github.comments()), 1, again.log())

    def test_there_is_no_comment_where_it_is_not_known_whose(self):
        twin = {**self.fork, "number": 24}
        moved = pull_request(number=23, repository="eve/shop", sha="d" * 40)
        for pulls in [[pull_request()], [self.fork, twin], [moved]]:
            github = self.github_with(*pulls)
            result = self.published(github, self.artifact())
            self.assertEqual(result.conclusion, "success", result.log())
            self.assertEqual(github.comments(), [])
            self.assertTrue(result.said("warning"), result.log())
        github = self.github_with()
        self.published(github, self.artifact(), event_of_a_run(self.fork, kind="push"))
        self.assertEqual(github.comments(), [])

    def test_the_number_cannot_be_given(self):
        github = self.github_with()
        result = self.published(github, self.artifact(), pull_request="7")
        self.assertEqual(result.steps["Publish"].code, 2, result.log())
        self.assertEqual(github.asked(), [])

    def test_what_the_artifact_says_of_its_verdict_counts_for_nothing(self):
        github = self.github_with()
        honest = self.published(github, self.artifact()).outputs["verdict"]
        artifact = self.artifact()
        shutil.rmtree(os.path.join(artifact, "after"))
        shutil.copytree(os.path.join(artifact, "before"), os.path.join(artifact, "after"))
        for name in ("comparison.json", "summary.md", "junit.xml"):
            with open(os.path.join(artifact, name), "w", encoding="utf-8") as file:
                file.write(json.dumps({"verdict": "forged", "after": "holds"}))
        result = self.published(github, artifact, event_of_a_run(self.fork, run=1002))
        self.assertNotIn(result.outputs["verdict"], ("forged", honest), result.log())
        [comment] = github.comments()
        self.assertNotIn("forged", comment["body"] + result.summary)
        self.assertNotIn("forged", json.dumps(result.outputs))

    def test_forged_artifacts_are_refused(self):
        journal = "before/journal-1.json"

        def written(text):
            def write(folder):
                with open(os.path.join(folder, journal), "w", encoding="utf-8") as file:
                    file.write(text)
            return write

        def linked(to):
            def link(folder):
                os.remove(os.path.join(folder, journal))
                os.symlink(to, os.path.join(folder, journal))
            return link

        def piped(folder):
            os.remove(os.path.join(folder, journal))
            os.mkfifo(os.path.join(folder, journal))

        def linked_folder(folder):
            shutil.rmtree(os.path.join(folder, "after"))
            os.symlink(os.path.join(self.kept.name, "artifact", "after"), os.path.join(folder, "after"))

        def huge(folder):
            with open(os.path.join(folder, journal), "w", encoding="utf-8") as file:
                file.truncate(1 << 31)

        def many(folder):
            for number in range(2, 400):
                shutil.copy(os.path.join(folder, journal), os.path.join(folder, f"before/journal-{number}.json"))

        def newer(folder):
            self.edit(folder, journal, lambda document: document["kubectl-chaos"].update(schema=999))

        def of_another_kind(folder):
            self.edit(folder, journal, lambda document: document.update(run="everything was fine"))

        def bare(folder):
            self.edit(folder, journal, lambda document: document.pop("kubectl-chaos"))

        def of_a_status(status):
            return lambda folder: self.edit(folder, journal, lambda document: document.update(status=status))

        for name, forge in {
            "no journal": written("[]"),
            "no JSON": written('{"title": '),
            "nothing": written(""),
            "nested": written("[" * 100_000 + "]" * 100_000),
            "a newer schema": newer,
            "another kind": of_another_kind,
            "not of this program": bare,
            "a status of its own": of_a_status("held"),
            "a status of several lines": of_a_status("held\nafter=x\n::error::pwn"),
            "a link to a secret": linked("/etc/passwd"),
            "a link to itself": linked("journal-1.json"),
            "a pipe": piped,
            "a link to a folder": linked_folder,
            "huge": huge,
            "many": many,
        }.items():
            with self.subTest(name):
                github = self.github_with()
                artifact = self.artifact()
                forge(artifact)
                result = self.published(github, artifact)
                self.assertEqual(result.steps["Publish"].code, 3, result.log())
                self.assertTrue(result.said("error"), result.log())
                self.assertEqual(github.comments(), [])
                self.assertNotIn("root:", result.log() + result.summary)

    def test_hostile_texts_of_an_artifact_stay_texts(self):
        github = self.github_with()
        artifact = self.artifact()
        hostile = "<img src=x onerror=y> @all [a](https://evil.example) ::error::forged\n::warning::forged\n\x1b]0;x\x07 <!-- kubectl-chaos:x -->"

        def change(value):
            """Replaces every text except enumerated values."""
            if isinstance(value, dict):
                for key, one in value.items():
                    if key in ("title", "name", "description", "detail") and isinstance(one, str):
                        value[key] = hostile
                    else:
                        change(one)
            elif isinstance(value, list):
                for one in value:
                    change(one)

        for name in ("before/journal-1.json", "after/journal-1.json"):
            self.edit(artifact, name, change)
        result = self.published(github, artifact)
        [comment] = github.comments()
        for text in (comment["body"], result.summary):
            self.assertIn("onerror", text, "it is shown")
            self.assertNotRegex(without_code(text), r"<img|@all\b|\]\(https://evil|\x1b")
            marks = re.findall(r"(?m)^<!-- kubectl-chaos.*$", text)
            self.assertLessEqual(len([mark for mark in marks if mark.startswith("<!-- kubectl-chaos:x")]), 0, marks)
        forged = [text for kind in ("error", "warning") for text in result.said(kind) if text == "forged"]
        self.assertEqual(forged, [], result.log())

    def test_it_says_that_there_is_no_artifact(self):
        github = self.github_with()
        result = self.published_without(github)
        self.assertEqual(result.conclusion, "success", result.log())
        self.assertIn("no journals found", "\n".join(result.said("warning")), result.log())
        self.assertEqual(github.asked(), [])

    def published_without(self, github):
        job = self.job_of(None, "workflow_run", event_of_a_run(self.fork), GITHUB_API_URL=github.address, GITHUB_RUN_ID="2001")
        return self.execute(job, mode="publish", output_dir=self.path("none"), experiment="chaos/experiment.json")

    def test_what_mode_publish_reads_is_a_strangers_for_every_event(self):
        for kind, told in [("pull_request", event(pull_request())), ("workflow_dispatch", {"inputs": {}})]:
            with self.subTest(kind):
                github = self.github_with()
                artifact = self.artifact()
                self.edit(artifact, "after/journal-1.json", lambda document: document.pop("kubectl-chaos"))
                result = self.published(github, artifact, told, kind)
                self.assertEqual(result.steps["Publish"].code, 3, result.log())
                self.assertEqual(github.comments(), [])
        github = self.github_with()
        result = self.published(github, self.artifact(), event(pull_request()), "pull_request")
        [comment] = github.comments()
        self.assertEqual(comment["pull_request"], 7, result.log())
        self.assertIn("artifact", comment["body"])

    def test_an_older_run_does_not_undo_a_newer_one(self):
        github = self.github_with()
        self.published(github, self.artifact(), event_of_a_run(self.fork, run=1005))
        [before] = github.comments()
        self.published(github, self.artifact(), event_of_a_run(self.fork, run=1001))
        self.assertEqual(github.comments(), [before])


class Examples(Shop):
    """The workflows that users copy: the inputs of the action, and the artifacts."""

    def steps(self, name):
        with open(os.path.join(ROOT, "examples", "github-actions", name), encoding="utf-8") as file:
            [job] = yaml.safe_load(file)["jobs"].values()
        return job["steps"]

    def given(self, name, job):
        """The inputs that an example passes to the action, evaluated like GitHub does."""
        [inputs] = [step["with"] for step in self.steps(name) if step.get("uses", "").startswith("kubectl-chaos/")]
        with open(os.path.join(ROOT, "action.yml"), encoding="utf-8") as file:
            known = yaml.safe_load(file)["inputs"]
        self.assertLessEqual(set(inputs), set(known), name)
        return {key: filled(value, {"runner": {"temp": job.temp}}, {}) for key, value in inputs.items()}

    def checked_out(self, pull, **environment):
        """Checks out the pull request in the workspace and the base branch below it."""
        job = self.job_of(pull, **environment)
        deploy = os.path.join(job.workspace, "deploy")
        shutil.copytree(os.path.join(job.workspace, "chaos"), os.path.join(job.workspace, "base", "chaos"))
        for arm, folder in [("before", "base/deploy"), ("after", "new")]:
            shutil.copytree(os.path.join(deploy, arm), os.path.join(job.workspace, folder))
            for service in os.listdir(os.path.join(deploy, "services")):
                shutil.copy(os.path.join(deploy, "services", service), os.path.join(job.workspace, folder))
        shutil.rmtree(deploy)
        os.rename(os.path.join(job.workspace, "new"), deploy)
        return job

    def on_the_embedded_cluster(self, name, job):
        """Runs it like the example, except for the cluster."""
        inputs = self.given(name, job)
        self.assertEqual(inputs.pop("context"), "kind-kind")
        return self.execute(job, **inputs, embedded="true", repeat="1")

    def test_the_plain_one(self):
        github = self.github()
        result = self.on_the_embedded_cluster("plain.yml", self.checked_out(pull_request(), GITHUB_API_URL=github.address))
        self.assertEqual(result.conclusion, "success", result.log())
        [comment] = github.comments()
        self.assertIn("fixed", comment["body"])
        self.assertNotIn("base branch", comment["body"], "the experiment is the same")

    def test_the_two_that_share_the_work(self):
        fork = pull_request(number=23, repository="eve/shop", sha="c" * 40)
        github = self.github(pulls=[pull_request(), fork])
        first = self.checked_out(fork, GITHUB_API_URL=github.address)
        result = self.on_the_embedded_cluster("fork-safe-run.yml", first)
        self.assertEqual(result.conclusion, "success", result.log())
        self.assertEqual(github.asked(), [], "the first one does not even ask")
        [kept] = [step["with"] for step in self.steps("fork-safe-run.yml") if "upload-artifact" in step.get("uses", "")]

        second = self.job_of(None, "workflow_run", event_of_a_run(fork), GITHUB_API_URL=github.address, GITHUB_RUN_ID="2001")
        [fetched] = [step["with"] for step in self.steps("fork-safe-publish.yml") if "download-artifact" in step.get("uses", "")]
        self.assertEqual(fetched["name"], kept["name"])
        target = filled(fetched["path"], {"runner": {"temp": second.temp}}, {})
        shutil.copytree(os.path.join(first.workspace, kept["path"]), target)
        result = self.execute(second, **self.given("fork-safe-publish.yml", second))
        self.assertEqual(result.conclusion, "success", result.log())
        [comment] = github.comments()
        self.assertEqual(comment["pull_request"], 23)
        self.assertIn("fixed", comment["body"])
        self.assertNotIn("the experiment is not", comment["body"], "the experiment is the same")
        self.assertEqual(result.outputs["verdict"], "fixed")


if __name__ == "__main__":
    unittest.main()
