"""The archive of a release with this binary, unpacked like krew does and started by kubectl."""
import os
import shutil
import subprocess
import sys
import unittest

import yaml

from case import ROOT, Case, sha256
from krew import install

BINARY = os.environ.get("KUBECTL_CHAOS_BINARY", "")
RELEASE = os.path.join(ROOT, ".github", "release", "release.py")


@unittest.skipUnless(BINARY and shutil.which("kubectl"), "KUBECTL_CHAOS_BINARY and kubectl are needed")
class Kubectl(Case):
    def release(self, *arguments):
        environment = {**os.environ, "SOURCE_DATE_EPOCH": "1760000000"}
        subprocess.run([sys.executable, RELEASE, *arguments], env=environment, check=True, capture_output=True)

    def kubectl(self, *arguments, path=""):
        environment = {"HOME": self.folder, "PATH": self.path("krew", "bin") + path, "KUBECONFIG": self.path("none")}
        command = [shutil.which("kubectl"), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)

    def test_as_krew_would(self):
        platforms = ["darwin-amd64", "darwin-arm64", "linux-amd64", "linux-arm64", "windows-amd64"]
        stand_in = self.write("stand-in", "for the other platforms")
        for platform in platforms:
            self.release("archive", BINARY if platform == "linux-amd64" else stand_in, platform, self.path("release"))
        self.release("sums", self.path("release"))
        self.release("krew", self.path("release"))
        self.release("archive", BINARY, "linux-amd64", self.path("again"))
        with open(self.path("release", "chaos.yaml"), encoding="utf-8") as file:
            manifest = yaml.safe_load(file)
        platform = next(one for one in manifest["spec"]["platforms"] if "linux-amd64" in one["uri"])
        name = platform["uri"].rsplit("/", 1)[1]
        self.assertEqual(sha256(self.path("again", name)), platform["sha256"], "built twice, the same")
        link = install(manifest, platform, self.path("release", name), self.path("krew"))

        listed = self.kubectl("plugin", "list")
        self.assertEqual(listed.returncode, 0, listed.stderr)
        plugins = [line for line in listed.stdout.splitlines() if line.startswith("/")]
        self.assertEqual(plugins, [link])
        version = self.kubectl("chaos", "--version")
        self.assertEqual(version.returncode, 0, version.stderr)
        self.assertRegex(version.stdout, rf"^kubectl chaos {manifest['spec']['version'][1:]}\b")
        self.assertIn("Usage: kubectl chaos run", self.kubectl("chaos", "run", "--help").stdout)
        experiment = os.path.join(ROOT, "examples", "interrupted-save.json")
        validated = self.kubectl("chaos", "validate", experiment, path=":/usr/bin:/bin")
        self.assertEqual((validated.returncode, validated.stdout), (0, f"{experiment}: valid\n"))
        self.assertEqual(self.kubectl("chaos", "no-such-thing").returncode, 2, "kubectl hands exit codes on")


if __name__ == "__main__":
    unittest.main()
