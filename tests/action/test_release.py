"""The release script: its checks, and reproducible archives."""
import os
import shutil
import subprocess
import sys
import tarfile
import unittest

import yaml

from case import ROOT, Case, sha256
from krew import faults, install

PLATFORMS = ["darwin-amd64", "darwin-arm64", "linux-amd64", "linux-arm64", "windows-amd64"]


class Release(Case):
    def setUp(self):
        super().setUp()
        for name in ["Cargo.toml", "Cargo.lock", "LICENSE", "README.md", "krew-manifest.yaml"]:
            shutil.copy(os.path.join(ROOT, name), self.folder)
        for name in ["release", "action"]:
            shutil.copytree(os.path.join(ROOT, ".github", name), self.path(".github", name))
        self.binary = self.write("built/program", b"\x7fELF" + bytes(range(256)) * 1000)
        with open(os.path.join(ROOT, "Cargo.toml"), encoding="utf-8") as file:
            self.version = next(line.split('"')[1] for line in file if line.startswith("version = "))
        self.write("CHANGELOG.md", f"# Changelog\n\n## [{self.version}] - 2026-11-25\n\n- all\n\n## [0.0.1] - 2026-11-24\n\n- less\n")

    def edit(self, name, old, new):
        with open(self.path(name), encoding="utf-8") as file:
            text = file.read()
        self.assertIn(old, text)
        self.write(name, text.replace(old, new))

    def release(self, *arguments, epoch="1760000000"):
        environment = {**os.environ, "SOURCE_DATE_EPOCH": epoch}
        command = [sys.executable, self.path(".github/release/release.py"), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def fine(self, *arguments, **more):
        done = self.release(*arguments, **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def refused(self, said, *arguments, **more):
        done = self.release(*arguments, **more)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn(said, done.stderr)
        self.assertNotIn("Traceback", done.stderr)

    def archives(self, folder="release"):
        for platform in PLATFORMS:
            self.fine("archive", self.binary, platform, self.path(folder))
        self.fine("sums", self.path(folder))

    def name(self, platform):
        return f"kubectl-chaos-v{self.version}-{platform}." + ("zip" if platform.startswith("windows") else "tar.gz")

    def test_a_release_that_may_be_made(self):
        self.fine("check", f"v{self.version}")
        self.assertEqual(self.fine("notes", f"v{self.version}"), "- all\n")

    def test_releases_that_may_not(self):
        for tag in ["v9.9.9", self.version, f"v{self.version}-rc.1", "main"]:
            self.refused("invalid tag", "check", tag)
        self.edit("Cargo.lock", f'name = "kubectl-chaos"\nversion = "{self.version}"', 'name = "kubectl-chaos"\nversion = "0.0.1"')
        self.refused("Cargo.lock", "check", f"v{self.version}")
        shutil.copy(os.path.join(ROOT, "Cargo.lock"), self.folder)
        self.write("CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n\n- all\n")
        self.refused("no section", "check", f"v{self.version}")
        self.write("CHANGELOG.md", f"# Changelog\n\n## [{self.version}] - 2026-11-25\n\n## [0.0.1] - 2026-11-24\n\n- all\n")
        self.refused("no section", "check", f"v{self.version}")
        self.refused("no section for", "notes", f"v{self.version}")
        self.write("CHANGELOG.md", f"# Changelog\n\n## [{self.version}] - Unreleased\n\n- all\n")
        self.refused("no release date", "check", f"v{self.version}")

    def test_archives_are_the_same_bytes_every_time(self):
        self.archives("one")
        os.utime(self.binary, (1, 1))
        os.chmod(self.binary, 0o600)
        self.archives("two")
        for platform in PLATFORMS:
            self.assertEqual(sha256(self.path("one", self.name(platform))), sha256(self.path("two", self.name(platform))), platform)
        self.fine("archive", self.binary, "linux-amd64", self.path("later"), epoch="1760000001")
        self.assertNotEqual(
            sha256(self.path("one", self.name("linux-amd64"))), sha256(self.path("later", self.name("linux-amd64")))
        )
        self.refused("SOURCE_DATE_EPOCH", "archive", self.binary, "linux-amd64", self.path("later"), epoch="")

    def test_krew_takes_what_is_rendered_and_installs_every_archive(self):
        self.archives()
        self.fine("krew", self.path("release"))
        with open(self.path("release", "chaos.yaml"), encoding="utf-8") as file:
            text = file.read()
        self.assertEqual(faults(text, "chaos.yaml"), [])
        manifest = yaml.safe_load(text)
        self.assertEqual(manifest["spec"]["version"], f"v{self.version}")
        self.assertEqual(len(manifest["spec"]["platforms"]), len(PLATFORMS))
        for platform in manifest["spec"]["platforms"]:
            labels = platform["selector"]["matchLabels"]
            name = self.name(f"{labels['os']}-{labels['arch']}")
            self.assertTrue(platform["uri"].endswith(f"/releases/download/v{self.version}/{name}"), platform["uri"])
            link = install(manifest, platform, self.path("release", name), self.path("krew", name))
            self.assertEqual(sha256(link), sha256(self.binary))
            files = sorted(os.listdir(os.path.dirname(os.path.realpath(link))))
            end = (".exe", ".cmd") if labels["os"] == "windows" else ("", "")
            self.assertEqual(files, ["LICENSE", "README.md", "kubectl-chaos" + end[0], "kubectl_complete-chaos" + end[1]])

    def test_the_completion_of_an_archive_asks_the_plugin(self):
        self.archives()
        with tarfile.open(self.path("release", self.name("linux-amd64"))) as archive:
            self.write("bin/kubectl_complete-chaos", archive.extractfile("kubectl_complete-chaos").read(), 0o755)
        self.write("bin/kubectl", '#!/bin/sh\nprintf "<%s>" "$@"\nexit 7\n', 0o755)
        environment = {"PATH": self.path("bin")}
        done = subprocess.run(
            [self.path("bin/kubectl_complete-chaos"), "run", "a b", ""], env=environment, capture_output=True, text=True, check=False
        )
        self.assertEqual((done.stdout, done.returncode), ("<chaos><__complete><run><a b><>", 7))

    def test_another_version_is_rendered_everywhere(self):
        self.edit("Cargo.toml", f'version = "{self.version}"', 'version = "3.2.1"')
        self.version = "3.2.1"
        self.archives()
        self.fine("krew", self.path("release"))
        with open(self.path("release", "chaos.yaml"), encoding="utf-8") as file:
            text = file.read()
        self.assertEqual(text.count("v3.2.1"), 1 + 2 * len(PLATFORMS))
        self.assertNotIn("v0.1.0", text)

    def test_nothing_ships_without_sums(self):
        self.refused("No such file", "krew", self.path("release"))
        self.archives()
        with open(self.path("release", "SHA256SUMS"), encoding="utf-8") as file:
            sums = file.read()
        first = sums.split()[0]
        for wrong, said in [
            (sums.replace(first, "0" * 64), "invalid checksum of"),
            (sums.replace(first, first.upper()), "invalid checksum of"),
            ("".join(sums.splitlines(keepends=True)[1:]), "expected the archives of"),
            (sums.replace(self.version, "9.9.9"), "expected the archives of"),
        ]:
            self.write("release/SHA256SUMS", wrong)
            for command, more in [("krew", []), ("table", [self.path(".github/action/checksums.txt")])]:
                self.refused(said, command, self.path("release"), *more)
        self.assertFalse(os.path.exists(self.path("release", "chaos.yaml")))
        self.write("release/SHA256SUMS", sums)
        for old, new, said in [
            ("linux-arm64.tar.gz", "linux-riscv64.tar.gz", "krew-manifest.yaml lists"),
            ('sha256: "000', 'sha256: "00', "zeros"),
        ]:
            shutil.copy(os.path.join(ROOT, "krew-manifest.yaml"), self.folder)
            self.edit("krew-manifest.yaml", old, new)
            self.refused(said, "krew", self.path("release"))
        os.remove(self.path("release", self.name("linux-arm64")))
        self.refused("a release has all platforms", "sums", self.path("release"))

    def to_version(self, version):
        self.edit("Cargo.toml", f'version = "{self.version}"', f'version = "{version}"')
        self.version = version

    def table(self):
        with open(self.path(".github/action/checksums.txt"), encoding="utf-8") as file:
            return file.read()

    def test_the_table_grows_at_its_top_and_forgets_nothing(self):
        main = self.write("main.txt", self.table())
        self.archives()
        self.fine("table", self.path("release"), main)
        self.refused("cannot be repeated", "table", self.path("release"), main)
        old = self.version
        self.to_version("3.2.1")
        self.archives("newer")
        self.fine("table", self.path("newer"), main)
        lines = self.table().splitlines()
        rows = [line.split("  ") for line in lines if not line.startswith("#")]
        self.assertGreater(len(lines), len(rows), "the heading is kept")
        names = [self.name(platform) for platform in PLATFORMS]
        self.assertEqual([name for _, name in rows], names + [name.replace("3.2.1", old) for name in names])
        for sum_, name in rows:
            folder = "newer" if "3.2.1" in name else "release"
            self.assertEqual(sum_, sha256(self.path(folder, name)))

    def test_the_table_of_the_main_branch_is_taken_along_and_never_outrun(self):
        name = "kubectl-chaos-v{}-linux-amd64.tar.gz"
        sums = {"0.0.9": "a" * 64, "0.0.10": "b" * 64}
        rows = {version: f"{sum_}  {name.format(version)}\n" for version, sum_ in sums.items()}
        self.archives()
        before = self.table()
        main = self.write("main.txt", "# heading\n" + rows["0.0.10"] + rows["0.0.9"])
        self.fine("table", self.path("release"), main)
        self.assertTrue(self.table().endswith(rows["0.0.10"] + rows["0.0.9"]), self.table())
        for later in ("99.0.0", self.version.rpartition(".")[0] + ".10"):
            self.write(".github/action/checksums.txt", before)
            main = self.write("main.txt", f"{'c' * 64}  {name.format(later)}\n")
            self.refused(f"back from {later} to {self.version}", "table", self.path("release"), main)
            self.assertEqual(self.table(), before)
        self.write(".github/action/checksums.txt", before + rows["0.0.9"])
        main = self.write("main.txt", rows["0.0.9"].replace("a", "d", 1))
        self.refused("has a different checksum for", "table", self.path("release"), main)


if __name__ == "__main__":
    unittest.main()
