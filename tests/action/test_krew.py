"""The manifest satisfies krew's rules, faulty manifests do not, and archives are installed like krew does."""
import io
import os
import re
import stat
import tarfile
import unittest
import zipfile

import yaml

from case import ROOT, Case, sha256
from krew import Refused, entries, faults, install

BROKEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "broken")


class Manifests(unittest.TestCase):
    def test_ours_is_right_as_a_file_named_after_its_plugin(self):
        with open(os.path.join(ROOT, "krew-manifest.yaml"), encoding="utf-8") as file:
            text = file.read()
        self.assertEqual(faults(text, "chaos.yaml"), [])
        self.assertEqual(len(yaml.safe_load(text)["spec"]["platforms"]), 5)

    def test_each_broken_one_is_refused_for_its_own_reason_and_no_other(self):
        names = sorted(os.listdir(BROKEN))
        self.assertGreater(len(names), 30)
        for name in names:
            with self.subTest(name), open(os.path.join(BROKEN, name), encoding="utf-8") as file:
                text = file.read()
                why = re.match(r"# refused: (.+)\n", text).group(1)
                named = re.search(r"(?m)^# as: (.+)$", text)
                found = faults(text, named.group(1) if named else "sample.yaml")
                self.assertEqual(len(found), 1, found)
                self.assertIn(why, found[0])

    def test_what_krew_takes(self):
        with open(os.path.join(BROKEN, "another-name.yaml"), encoding="utf-8") as file:
            good = file.read()
        for change in [
            ("v1.2.3", "v0.0.0"),
            ("v1.2.3", "v1.2.3-rc.1+build.01"),
            ("amd64", "'386'"),
            ("      bin: sample", "      bin: sample\n      files: [{from: '*', to: .}]"),
        ]:
            self.assertEqual(faults(good.replace(*change), "sample.yaml"), [], change)


def tar(*files):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, mode, content, kind in files:
            entry = tarfile.TarInfo(name)
            entry.mode, entry.type, entry.size = mode, kind, len(content)
            entry.linkname = "sample"
            archive.addfile(entry, io.BytesIO(content))
    return data.getvalue()


FILE = tarfile.REGTYPE
LICENSE = ("LICENSE", 0o644, b"free", FILE)


class Archives(Case):
    def install(self, data, root="krew", **platform):
        archive = self.write("sample.tar.gz", data)
        platform = {"selector": {"matchLabels": {"os": "linux", "arch": "amd64"}}, "sha256": sha256(archive), "bin": "sample", **platform}
        manifest = {"metadata": {"name": "a-sample"}, "spec": {"version": "v1.2.3"}}
        return install(manifest, platform, archive, self.path(root))

    def test_installed(self):
        link = self.install(tar(("sample", 0o755, b"#!/bin/sh\n", FILE), LICENSE))
        self.assertEqual(os.path.basename(link), "kubectl-a_sample")
        self.assertTrue(os.path.islink(link))
        self.assertEqual(stat.S_IMODE(os.stat(link).st_mode), 0o755)

    def test_refused(self):
        program = ("sample", 0o755, b"", FILE)
        for number, (why, data, platform) in enumerate(
            [
                ("only folders and regular files", tar(program, LICENSE, ("link", 0o777, b"", tarfile.SYMTYPE)), {}),
                ("only folders and regular files", tar(program, LICENSE, ("link", 0o777, b"", tarfile.LNKTYPE)), {}),
                ("lead elsewhere", tar(program, LICENSE, ("a/../b", 0o644, b"", FILE)), {}),
                ("lead elsewhere", tar(program, LICENSE, ("/b", 0o644, b"", FILE)), {}),
                ("no license", tar(program), {}),
                ("mode 0755", tar(("sample", 0o644, b"", FILE), LICENSE), {}),
                ("no file sample", tar(("folder/sample", 0o755, b"", FILE), LICENSE), {}),
                ("not the one of the manifest", tar(program, LICENSE), {"sha256": "0" * 64}),
                ("does not end with .exe", tar(program, LICENSE), {"selector": {"matchLabels": {"os": "windows", "arch": "amd64"}}}),
                ("only tar.gz and zip", b"\xfd7zXZ", {}),
                ("outside", tar(program, LICENSE), {"bin": "../sample"}),
            ]
        ):
            with self.subTest(why):
                with self.assertRaises(Refused) as caught:
                    self.install(data, f"krew-{number}", **platform)
                self.assertIn(why, str(caught.exception))

    def test_a_zip_keeps_modes(self):
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as archive:
            entry = zipfile.ZipInfo("sample")
            entry.external_attr = 0o100755 << 16
            archive.writestr(entry, b"x")
        self.assertEqual(list(entries(data.getvalue())), [("sample", 0o755, b"x")])


if __name__ == "__main__":
    unittest.main()
