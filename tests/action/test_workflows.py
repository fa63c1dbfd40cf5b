"""The scripts of the release that push, executed with local repositories and a fake gh."""
import os
import shutil
import subprocess
import sys
import unittest

import yaml

from case import ROOT, Case
from runner import SHELL

PLATFORMS = ["darwin-amd64", "darwin-arm64", "linux-amd64", "linux-arm64", "windows-amd64"]
GH = '#!/bin/sh\nprintf "%s\\n" "$*" >>"$CALLS"\ncase $1 in pr) exit "${REFUSES:-0}" ;; esac\n'


class Release(Case):
    def setUp(self):
        super().setUp()
        with open(os.path.join(ROOT, ".github", "workflows", "release.yml"), encoding="utf-8") as file:
            self.jobs = yaml.safe_load(file)["jobs"]
        with open(os.path.join(ROOT, "Cargo.toml"), encoding="utf-8") as file:
            self.version = next(line.split('"')[1] for line in file if line.startswith("version = "))
        self.tag = f"v{self.version}"
        self.write("bin/gh", GH, 0o755)
        self.environment = {
            "CALLS": self.path("calls"), "GH_TOKEN": "t", "GIT_CONFIG_GLOBAL": self.path("gitconfig"), "GIT_CONFIG_NOSYSTEM": "1",
            "GITHUB_OUTPUT": self.path("output"), "GITHUB_REF_NAME": self.tag, "GITHUB_REPOSITORY": "kubectl-chaos/kubectl-chaos",
            "HOME": self.folder, "PATH": f"{self.path('bin')}:{os.path.dirname(sys.executable)}:/usr/bin:/bin", "RUNNER_TEMP": self.path("temp"),
        }
        os.makedirs(self.path("temp"))
        self.write("gitconfig", "[user]\n\tname = test\n\temail = test@example.com\n[init]\n\tdefaultBranch = main\n")

    def git(self, folder, *arguments):
        command = ["git", "-C", self.path(folder), *arguments]
        return subprocess.run(command, env=self.environment, check=True, capture_output=True, text=True).stdout.strip()

    def step(self, job, name, folder, **environment):
        """Runs a script like the runner does."""
        [step] = [step for step in self.jobs[job]["steps"] if step.get("name") == name]
        known = {name: value for name, value in (step.get("env") or {}).items() if "${{" not in value}
        script = self.write("script.sh", step["run"])
        done = subprocess.run(
            [*SHELL, script], cwd=self.path(folder), env={**self.environment, **known, **environment}, capture_output=True, text=True, check=False
        )
        return done

    def repository(self):
        """A repository with the tag, pushed to its origin, and a checkout of the tag like in a job."""
        for name in ["Cargo.toml", "Cargo.lock", "LICENSE", "README.md", "krew-manifest.yaml"]:
            os.makedirs(self.path("source"), exist_ok=True)
            shutil.copy(os.path.join(ROOT, name), self.path("source"))
        for name in ["release", "action"]:
            shutil.copytree(os.path.join(ROOT, ".github", name), self.path("source/.github", name))
        self.write("source/CHANGELOG.md", f"# Changelog\n\n## {self.version}\n\n- all\n")
        self.git("source", "init", "--quiet")
        self.git("source", "add", "--all")
        self.git("source", "commit", "--quiet", "--message", "all")
        self.git("source", "tag", self.tag)
        self.git("source", "tag", "v1")
        self.git(".", "clone", "--quiet", "--bare", self.path("source"), self.path("origin"))
        # main has a later commit
        self.write("source/later", "")
        self.git("source", "add", "--all")
        self.git("source", "commit", "--quiet", "--message", "later")
        self.git("source", "push", "--quiet", self.path("origin"), "HEAD:main")
        self.git(".", "clone", "--quiet", "--branch", self.tag, "--depth", "1", f"file://{self.path('origin')}", self.path("checkout"))
        release = os.path.join(ROOT, ".github", "release", "release.py")
        stand_in = self.write("stand-in", "program")
        for platform in PLATFORMS:
            command = [sys.executable, release, "archive", stand_in, platform, self.path("checkout/release")]
            subprocess.run(command, check=True, capture_output=True, env={**os.environ, "SOURCE_DATE_EPOCH": "1760000000"})
        for command in ("sums", "krew"):
            subprocess.run([sys.executable, release, command, self.path("checkout/release")], check=True, capture_output=True)

    def calls(self):
        with open(self.path("calls"), encoding="utf-8") as file:
            return file.read().splitlines()

    def test_the_second_commit_stands_on_the_tag_and_v1_points_at_it(self):
        self.repository()
        done = self.step("action", "commit the table on top of the tag and move v1", "checkout")
        self.assertEqual(done.returncode, 0, done.stderr)
        tagged, moved = (self.git("origin", "rev-parse", f"{name}^{{commit}}") for name in (self.tag, "v1"))
        self.assertNotEqual(tagged, moved)
        self.assertEqual(self.git("origin", "rev-parse", "v1^"), tagged)
        self.assertEqual(self.git("origin", "rev-parse", f"checksums-{self.tag}"), moved)
        self.assertEqual(self.git("origin", "diff", "--name-only", tagged, moved), ".github/action/checksums.txt")
        table = self.git("origin", "show", "v1:.github/action/checksums.txt")
        with open(self.path("checkout/release/SHA256SUMS"), encoding="utf-8") as file:
            for line in file:
                self.assertIn(line.strip(), table)
        self.assertNotIn("0" * 64, table)
        self.assertTrue(any(call.startswith("pr create --base main") for call in self.calls()), self.calls())

    def test_the_job_may_run_again(self):
        self.repository()
        name = "commit the table on top of the tag and move v1"
        first = self.step("action", name, "checkout")
        self.assertEqual(first.returncode, 0, first.stderr)
        # the next attempt starts with a new checkout
        self.git(".", "clone", "--quiet", "--branch", self.tag, "--depth", "1", f"file://{self.path('origin')}", self.path("again"))
        shutil.copytree(self.path("checkout/release"), self.path("again/release"))
        later = {"GIT_COMMITTER_DATE": "2030-01-01T00:00:00Z"}
        again = self.step("action", name, "again", REFUSES="1", **later)
        self.assertEqual(again.returncode, 0, again.stderr)
        moved = self.git("origin", "rev-parse", "v1")
        self.assertEqual(moved, self.git("again", "rev-parse", "HEAD"))
        self.assertEqual(moved, self.git("origin", "rev-parse", f"checksums-{self.tag}"))

    def test_v1_does_not_go_back(self):
        self.repository()
        before = self.git("origin", "rev-parse", "v1")
        self.git(".", "clone", "--quiet", "--branch", "main", f"file://{self.path('origin')}", self.path("main"))
        self.write("main/.github/action/checksums.txt", f"{'a' * 64}  kubectl-chaos-v99.0.0-linux-amd64.tar.gz\n")
        self.git("main", "commit", "--quiet", "--all", "--message", "a later release")
        self.git("main", "push", "--quiet", "origin", "main")
        done = self.step("action", "commit the table on top of the tag and move v1", "checkout")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("from 99.0.0 to", done.stderr)
        self.assertEqual(self.git("origin", "rev-parse", "v1"), before)
        self.assertNotIn("checksums-", self.git("origin", "branch", "--list"))

    def test_it_is_said_when_the_pull_request_cannot_be_opened(self):
        self.repository()
        done = self.step("action", "commit the table on top of the tag and move v1", "checkout", REFUSES="1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("::warning::open a pull request", done.stdout)

    def test_the_release_has_everything_and_says_what_is_new(self):
        self.repository()
        os.makedirs(self.path("temp"), exist_ok=True)
        for tag, kind in [(self.tag, ""), (f"v{self.version}-rc.1", "--prerelease")]:
            notes = self.path("checkout/CHANGELOG.md")
            with open(notes, "a", encoding="utf-8") as file:
                file.write(f"\n## {self.version}-rc.1\n\n- some\n")
            done = self.step("release", "create the release", "checkout", GITHUB_REF_NAME=tag)
            self.assertEqual(done.returncode, 0, done.stderr)
            call = self.calls()[-1]
            self.assertTrue(call.startswith(f"release create {tag} --verify-tag"), call)
            self.assertEqual("--prerelease" in call, bool(kind), call)
            for platform in PLATFORMS:
                self.assertIn(f"-{platform}.", call)
            for name in ("SHA256SUMS", "chaos.yaml"):
                self.assertIn(f"release/{name}", call)

    def test_the_index_is_filled_with_a_key_and_left_alone_without(self):
        without = self.step("index", "check for the deploy key", ".", KEY="")
        self.assertEqual((without.returncode, os.path.exists(self.path("output"))), (0, False))
        self.assertIn("::notice::", without.stdout)
        self.step("index", "check for the deploy key", ".", KEY="k")
        with open(self.path("output"), encoding="utf-8") as file:
            self.assertEqual(file.read(), "there=true\n")
        self.repository()
        self.git(".", "clone", "--quiet", "--bare", self.path("source"), self.path("index.git"))
        self.git(".", "config", "--file", self.path("gitconfig"), f"url.{self.path('index.git')}.insteadOf", "git@github.com:kubectl-chaos/krew-index.git")
        for _ in range(2):
            done = self.step("index", "plugins/chaos.yaml", "checkout", KEY="k")
            self.assertEqual(done.returncode, 0, done.stderr)
            shutil.rmtree(self.path("checkout/index"))
            with open(self.path("checkout/release/chaos.yaml"), encoding="utf-8") as file:
                self.assertEqual(self.git("index.git", "show", "HEAD:plugins/chaos.yaml"), file.read().strip())
        self.assertFalse(os.path.exists(self.path("temp/key")), "the key is gone")

    def test_what_pushes_waits_for_what_it_pushes(self):
        for job, needed in [("build", "check"), ("package", "build"), ("release", "package"), ("image", "package"), ("crate", "release"),
                            ("action", "release"), ("index", "release")]:
            self.assertEqual(self.jobs[job]["needs"], needed)
        for job in ("release", "image", "crate", "action", "index"):
            self.assertIn("github.event_name == 'push'", self.jobs[job]["if"])
            self.assertTrue(self.jobs[job]["environment"], job)


if __name__ == "__main__":
    unittest.main()
