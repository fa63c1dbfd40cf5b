"""The first step of the action: which binaries it accepts, and that it starts none before verification."""
import io
import os
import tarfile
import unittest
import zipfile

from case import Case, sha256

ZEROS = "0" * 64
# the program of an archive records its start
PROGRAM = '#!/bin/sh\necho "$0 $*" >>"$TMPDIR/started"\n'
# like Git's bash on Windows: D:\\a\\b is the directory a/b of the job
CYGPATH = """#!/bin/sh
printf '%s\\n' "$2" | sed -e "s#^[Dd]:#$TMPDIR/..#" -e 's#\\\\#/#g'
"""


class Install(Case):
    def setUp(self):
        super().setUp()
        self.address, self.asked = self.serve(self.path("mirror"))

    def release(self, platform="linux-amd64", version="1.2.3", files=None):
        """Adds an archive to the mirror; returns its line of the table."""
        files = files or {"kubectl-chaos": PROGRAM, "LICENSE": "free", "kubectl_complete-chaos": PROGRAM}
        data = io.BytesIO()
        if platform.startswith("windows"):
            end = "zip"
            with zipfile.ZipFile(data, "w") as archive:
                for name, content in files.items():
                    archive.writestr(name, content)
        else:
            end = "tar.gz"
            with tarfile.open(fileobj=data, mode="w:gz") as archive:
                for name, content in files.items():
                    entry = tarfile.TarInfo(name)
                    entry.mode, entry.size = 0o755, len(content)
                    archive.addfile(entry, io.BytesIO(content.encode()))
        name = f"kubectl-chaos-v{version}-{platform}.{end}"
        path = self.write(f"mirror/v{version}/{name}", data.getvalue())
        return f"{sha256(path)}  {name}\n"

    def install(self, table=None, job=None, **inputs):
        job = job or self.job()
        inputs = {name.replace("_", "-"): value for name, value in inputs.items()}
        if "binary" not in inputs:
            inputs.setdefault("download-url", self.address)
        result = job.run(self.action(table), {"experiment": "x.json", **inputs})
        result.job = job
        started = os.path.join(job.temp, "started")
        result.started = ""
        if os.path.exists(started):
            with open(started, encoding="utf-8") as file:
                result.started = file.read()
        return result

    def refused(self, result, *said):
        self.fails(result, "Install", *said)
        self.assertEqual(result.started, "", "nothing was started")
        self.assertEqual({step.outcome for name, step in result.steps.items() if name != "Install"}, {"skipped"})

    def test_what_was_released_is_started_by_every_step(self):
        line = self.release()
        result = self.install("# a table\n" + line + f"{ZEROS}  kubectl-chaos-v1.2.3-linux-arm64.tar.gz\n")
        self.assertEqual(result.conclusion, "success", result.log())
        self.assertEqual(self.asked, ["/v1.2.3/kubectl-chaos-v1.2.3-linux-amd64.tar.gz"])
        self.assertIn("/kubectl-chaos ci\n", result.started)
        unpacked = os.path.dirname(result.started.split()[0])
        self.assertEqual(os.listdir(unpacked), ["kubectl-chaos"], "nothing else of the archive was written")
        self.assertTrue(unpacked.startswith(result.job.temp))

    def test_the_newest_of_the_table_or_the_one_asked_for(self):
        table = self.release(version="1.3.0") + self.release(version="1.2.3")
        for version, chosen in [("", "v1.3.0"), ("1.2.3", "v1.2.3"), ("v1.2.3", "v1.2.3")]:
            self.asked.clear()
            self.assertEqual(self.install(table, version=version).conclusion, "success")
            self.assertEqual(self.asked, [f"/{chosen}/kubectl-chaos-{chosen}-linux-amd64.tar.gz"])

    def test_every_platform_of_the_release(self):
        for system, processor, platform, program in [
            ("Linux", "ARM64", "linux-arm64", "kubectl-chaos"),
            ("macOS", "X64", "darwin-amd64", "kubectl-chaos"),
            ("macOS", "ARM64", "darwin-arm64", "kubectl-chaos"),
            ("Windows", "X64", "windows-amd64", "kubectl-chaos.exe"),
        ]:
            with self.subTest(platform):
                line = self.release(platform, files={"LICENSE": "free", program: PROGRAM})
                job = self.job(RUNNER_OS=system, RUNNER_ARCH=processor)
                result = self.install(line, job)
                self.assertEqual(result.conclusion, "success", result.log())
                self.assertIn(f"/{program} ci\n", result.started)

    def test_paths_as_windows_has_them(self):
        line = self.release("windows-amd64", files={"LICENSE": "free", "kubectl-chaos.exe": PROGRAM})
        windows = {"RUNNER_OS": "Windows", "RUNNER_TEMP": "D:\\temp", "GITHUB_WORKSPACE": "D:\\work space"}
        tools = os.path.dirname(self.write("windows/cygpath", CYGPATH, 0o755))

        def job():
            made = self.job(**windows)
            made.path.append(tools)
            return made

        result = self.install(line, job())
        self.assertEqual(result.conclusion, "success", result.log())
        self.assertIn("/kubectl-chaos.exe ci\n", result.started)
        given = self.write("job/tools/kubectl-chaos.exe", PROGRAM, 0o755)
        result = self.install(job=job(), binary="D:\\tools\\kubectl-chaos.exe")
        self.assertEqual(result.conclusion, "success", result.log())
        self.assertIn(f"{os.path.realpath(given)} ci\n", result.started)
        self.write("job/work space/bin/kubectl-chaos.exe", PROGRAM, 0o755)
        os.remove(self.path("job/temp/started"))
        for inside in ("D:\\work space\\bin\\kubectl-chaos.exe", "d:\\tools\\..\\work space\\bin\\kubectl-chaos.exe"):
            self.refused(self.install(job=job(), binary=inside), "is in the workspace")

    def test_another_archive_than_was_released(self):
        line = self.release()
        self.release(files={"kubectl-chaos": PROGRAM + "# and more\n"})
        result = self.install(line)
        self.refused(result, "is not the released archive", line.split()[0])
        left = [name for _, _, files in os.walk(result.job.temp) for name in files if name.startswith("kubectl-chaos")]
        self.assertEqual(left, [], "it is not kept")

    def test_tables_that_know_nothing(self):
        line = self.release()
        name = line.split()[1]
        for table, inputs, said in [
            (f"{ZEROS}  {name}\n", {}, ["not released yet", "binary:"]),
            ("# nothing\n", {}, ["no archive for linux-amd64", "binary:"]),
            (line, {"version": "9.9.9"}, ["no checksum for kubectl-chaos-v9.9.9-linux-amd64.tar.gz"]),
            (line.replace(line[:8], "XXXXXXXX"), {}, ["invalid line for"]),
            (line + line, {}, ["invalid line for"]),
        ]:
            with self.subTest(table=table, inputs=inputs):
                self.asked.clear()
                self.refused(self.install(table, **inputs), *said)
                self.assertEqual(self.asked, [], "nothing was downloaded")

    def test_versions_that_are_none(self):
        for version in ["latest", "1", "1.2", "../1.2.3", "1.2.3/..", "1.2.3 x", "$(id)", "01.2.3", "1.2.3\n1.2.4"]:
            with self.subTest(version):
                self.refused(self.install(self.release(), version=version), "invalid version")

    def test_platforms_without_a_release(self):
        for system, processor in [("Linux", "X86"), ("Linux", "ARM"), ("Windows", "ARM64"), ("Plan9", "X64")]:
            with self.subTest(system=system, processor=processor):
                result = self.install(self.release(), self.job(RUNNER_OS=system, RUNNER_ARCH=processor))
                self.refused(result, "no release for", "binary:")

    def test_addresses(self):
        table = self.release()
        for address in [
            "http://example.com/releases",
            "http://127.0.0.1.example.com/x",
            "http://127.0.0.1:80@example.com/x",
            "file:///etc",
            "ftp://127.0.0.1/x",
            "https://",
            "-o/tmp/x",
            "https://user@example.com/x y",
        ]:
            with self.subTest(address):
                self.refused(self.install(table, download_url=address), "invalid address")
        self.refused(self.install(table, download_url=f"{self.address}/nowhere"), "failed to download", "binary:")

    def test_a_mirror_on_this_machine_sends_nowhere_else(self):
        line = self.release()
        # the server redirects from a directory's name without a slash
        os.rename(self.path("mirror/v1.2.3"), self.path("mirror/elsewhere"))
        os.makedirs(self.path("mirror/v1.2.3", line.split()[1]))
        self.refused(self.install(line), "is not the released archive")
        self.assertEqual(len(self.asked), 1)

    def test_an_archive_without_the_program(self):
        self.refused(self.install(self.release(files={"LICENSE": "free"})), "failed to unpack")

    def test_a_binary_that_is_there(self):
        path = self.write("tools/kubectl-chaos", PROGRAM, 0o755)
        result = self.install(binary=path)
        self.assertEqual(result.conclusion, "success", result.log())
        self.assertIn(f"{path} ci\n", result.started)
        self.assertEqual(self.asked, [])
        os.symlink(path, self.path("tools/link"))
        self.assertEqual(self.install(binary=self.path("tools/link")).conclusion, "success")

    def test_binaries_that_a_pull_request_could_have_put_there(self):
        job = self.job()
        inside = self.write(os.path.relpath(os.path.join(job.workspace, "bin", "kubectl-chaos"), self.folder), PROGRAM, 0o755)
        outside = self.write("tools/kubectl-chaos", PROGRAM, 0o755)
        self.write("tools/plain", PROGRAM)
        os.symlink(inside, self.path("tools/link"))
        os.symlink("link", self.path("tools/link-to-link"))
        os.symlink(os.path.dirname(inside), self.path("tools/folder"))
        os.symlink("loop", self.path("tools/loop"))
        os.symlink(job.workspace, self.path("other-name"))
        for given, said in [
            (inside, "is in the workspace"),
            (self.path("tools/link"), "is in the workspace"),
            (self.path("tools/link-to-link"), "is in the workspace"),
            (self.path("tools/folder/kubectl-chaos"), "is in the workspace"),
            (self.path("other-name/bin/kubectl-chaos"), "is in the workspace"),
            (f"{job.workspace}/../work space/bin/kubectl-chaos", "is in the workspace"),
            ("bin/kubectl-chaos", "is not an absolute path"),
            ("../../tools/kubectl-chaos", "is not an absolute path"),
            (self.path("tools/loop"), "is not a file"),
            (self.path("tools/none"), "is not a file"),
            (self.path("tools"), "is not a file"),
            (self.path("tools/plain"), "is not executable"),
            (outside + "\nsha256=0", "control character"),
        ]:
            with self.subTest(given):
                self.refused(self.install(job=job, binary=given), "binary: ", said)
        result = self.install(job=job, binary=outside, version="1.2.3")
        self.refused(result, "cannot be combined")

    def test_modes(self):
        for mode in ["", "Run", "publish; id", "test"]:
            self.refused(self.install(self.release(), mode=mode), "invalid mode")

    def test_errors_stay_one_annotation(self):
        result = self.install(self.release(), version="1\n::warning::forged\r\n%0A::notice::x")
        self.refused(result, "::warning::forged")
        self.assertEqual([note[0] for note in result.notes], ["error"], result.log())


if __name__ == "__main__":
    unittest.main()
