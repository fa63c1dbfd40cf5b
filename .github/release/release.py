#!/usr/bin/env python3
"""The steps of a release besides the build, with Python's standard library only: release.py COMMAND --help.

    check TAG                       check that the repository is ready for the release TAG
    notes TAG                       print the section of TAG in the changelog
    archive BINARY PLATFORM DIR     create the archive of one platform, reproducibly
    sums DIR                        write DIR/SHA256SUMS with the checksums of all archives
    krew DIR                        write DIR/chaos.yaml: krew-manifest.yaml with the version and the checksums
    table DIR MAIN                  add the checksums, and those of MAIN (the table of the main branch), to the table that the action
                                    accepts; refuse a version that is not the newest
"""
import argparse
import gzip
import hashlib
import io
import os
import re
import sys
import tarfile
import time
import zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# krew's names; a test compares them with the matrix of release.yml and with krew-manifest.yaml
PLATFORMS = ["darwin-amd64", "darwin-arm64", "linux-amd64", "linux-arm64", "windows-amd64"]
ZEROS = "0" * 64
SHIM = '#!/bin/sh\nexec kubectl chaos __complete "$@"\n'
SHIM_WINDOWS = "@kubectl chaos __complete %*\r\n"


class Refused(Exception):
    """The reason why a release is refused."""


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def version():
    found = re.search(r'(?m)^version = "([^"]+)"', read("Cargo.toml"))
    if not found:
        raise Refused("no version in Cargo.toml")
    return found.group(1)


def section(of):
    """The section of a version in the changelog, or None."""
    found = re.search(rf"(?ms)^## \[?v?{re.escape(of)}\]?(?:[, \t][^\n]*)?\n(.*?)(?=^## |\Z)", read("CHANGELOG.md"))
    return found and found.group(1).strip()


def check(arguments):
    if arguments.tag != "v" + version():
        raise Refused(f"invalid tag '{arguments.tag}': expected v{version()}, the version in Cargo.toml")
    if not re.search(rf'(?m)^name = "kubectl-chaos"\nversion = "{re.escape(version())}"', read("Cargo.lock")):
        raise Refused(f"Cargo.lock does not have version {version()}: run cargo check")
    if not section(version()):
        raise Refused(f"CHANGELOG.md has no section '## [{version()}]', or an empty one")
    if not re.search(rf"(?m)^## \[{re.escape(version())}\] - \d{{4}}-\d\d-\d\d$", read("CHANGELOG.md")):
        raise Refused(f"CHANGELOG.md has no release date: expected '## [{version()}] - YYYY-MM-DD'")
    print(f"{arguments.tag} can be released")


def notes(arguments):
    text = section(arguments.tag.removeprefix("v"))
    if not text:
        raise Refused(f"CHANGELOG.md has no section for {arguments.tag}")
    print(text)


def archive_name(platform):
    return f"kubectl-chaos-v{version()}-{platform}." + ("zip" if platform.startswith("windows") else "tar.gz")


def content(binary, platform):
    """The files of an archive, without directories: name, mode, bytes. krew accepts regular files only."""
    with open(binary, "rb") as file:
        program = file.read()
    if platform.startswith("windows"):
        files = [("kubectl-chaos.exe", 0o755, program), ("kubectl_complete-chaos.cmd", 0o755, SHIM_WINDOWS.encode())]
    else:
        files = [("kubectl-chaos", 0o755, program), ("kubectl_complete-chaos", 0o755, SHIM.encode())]
    return sorted(files + [(name, 0o644, read(name).encode()) for name in ("LICENSE", "README.md")])


def archive(arguments):
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not epoch.isdigit():
        raise Refused("SOURCE_DATE_EPOCH is not set: use git log -1 --format=%ct")
    files = content(arguments.binary, arguments.platform)
    name = os.path.join(arguments.dir, archive_name(arguments.platform))
    os.makedirs(arguments.dir, exist_ok=True)
    if name.endswith(".zip"):
        # the format starts in 1980
        date = max(time.gmtime(int(epoch))[:6], (1980, 1, 1, 0, 0, 0))
        with zipfile.ZipFile(name, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
            for path, mode, data in files:
                entry = zipfile.ZipInfo(path, date)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.create_system = 3
                entry.external_attr = (0o100000 | mode) << 16
                packed.writestr(entry, data)
    else:
        bare = io.BytesIO()
        with tarfile.open(fileobj=bare, mode="w", format=tarfile.USTAR_FORMAT) as packed:
            for path, mode, data in files:
                entry = tarfile.TarInfo(path)
                entry.size, entry.mode, entry.mtime = len(data), mode, int(epoch)
                packed.addfile(entry, io.BytesIO(data))
        with open(name, "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
            packed.write(bare.getvalue())
    print(name)


def sums(arguments):
    lines = []
    for platform in PLATFORMS:
        path = os.path.join(arguments.dir, archive_name(platform))
        if not os.path.isfile(path):
            raise Refused(f"{path} is missing: a release has all platforms")
        with open(path, "rb") as file:
            lines.append(f"{hashlib.sha256(file.read()).hexdigest()}  {archive_name(platform)}\n")
    with open(os.path.join(arguments.dir, "SHA256SUMS"), "w", encoding="utf-8", newline="\n") as file:
        file.writelines(lines)
    print("".join(lines), end="")


def summed(folder):
    """The checksums of SHA256SUMS: one for the archive of every platform, none of them zeros."""
    with open(os.path.join(folder, "SHA256SUMS"), encoding="utf-8") as file:
        known = {name: found for found, name in (line.split() for line in file)}
    if sorted(known) != sorted(map(archive_name, PLATFORMS)):
        raise Refused(f"SHA256SUMS lists {', '.join(known)}: expected the archives of v{version()}")
    for name, found in known.items():
        if not re.fullmatch("[0-9a-f]{64}", found) or found == ZEROS:
            raise Refused(f"invalid checksum of {name} in SHA256SUMS: '{found}'")
    return known


def krew(arguments):
    known = summed(arguments.dir)
    text = re.sub(r"\A#[^\n]*\n", "", read("krew-manifest.yaml"))
    text = re.sub(r"(?m)^  version: v.*$", f"  version: v{version()}", text)
    uri = r"(?m)^( +uri: \S+/releases/download/)v[^/]+/kubectl-chaos-v\S+?-((?:darwin|linux|windows)-\w+)\.(?:tar\.gz|zip)$"
    found = []

    def fill(match):
        name = archive_name(match.group(2))
        found.append(name)
        return f"{match.group(1)}v{version()}/{name}"

    text = re.sub(uri, fill, text)
    if sorted(found) != sorted(known):
        raise Refused(f"krew-manifest.yaml lists {', '.join(found)}: expected {', '.join(known)}")
    order = iter(found)
    text = re.sub(r'(?m)^( +sha256: )"[0-9a-f]{64}"$', lambda match: f'{match.group(1)}"{known[next(order)]}"', text)
    if ZEROS in text or next(order, None) is not None:
        raise Refused("krew-manifest.yaml still has zeros in place of a checksum")
    path = os.path.join(arguments.dir, "chaos.yaml")
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
    print(path)


def rows(text):
    """The checksums of a table, by archive name, without placeholders."""
    lines = [line.split() for line in text.splitlines() if not line.startswith("#")]
    return {name: found for found, name in lines if found != ZEROS}


def number(name):
    """The version of an archive, as a comparable tuple."""
    found = re.match(r"kubectl-chaos-v(\d+)\.(\d+)\.(\d+)-", name)
    if not found:
        raise Refused(f"invalid archive name '{name}'")
    return tuple(map(int, found.groups()))


def table(arguments):
    known = summed(arguments.dir)
    path = os.path.join(ROOT, ".github", "action", "checksums.txt")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(arguments.main, encoding="utf-8") as file:
        there = rows(file.read())
    # a released checksum never changes, in either table
    kept = rows(text)
    other = sorted(name for name in set(kept) & set(there) if kept[name] != there[name])
    if other:
        raise Refused(f"checksums.txt of the main branch has a different checksum for {other[0]}")
    kept |= there
    again = sorted(set(known) & set(kept))
    if again:
        raise Refused(f"checksums.txt already lists {again[0]}: a release cannot be repeated")
    ours = number(archive_name(PLATFORMS[0]))
    greatest = max(map(number, kept), default=ours)
    if greatest > ours:
        shown = ".".join(map(str, greatest))
        raise Refused(
            f"cannot move the tag v1 back from {shown} to {version()}: add the checksums of v{version()} to the main branch "
            "by hand, below those of later versions"
        )
    head = [line for line in text.splitlines() if line.startswith("#")]
    new = [f"{known[name]}  {name}" for name in sorted(known)]
    # newest first, then by name
    old = sorted(sorted(kept), key=number, reverse=True)
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write("\n".join(head + new + [f"{kept[name]}  {name}" for name in old]) + "\n")
    print("\n".join(new))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for command, names in [
        (check, ["tag"]),
        (notes, ["tag"]),
        (archive, ["binary", "platform", "dir"]),
        (sums, ["dir"]),
        (krew, ["dir"]),
        (table, ["dir", "main"]),
    ]:
        added = commands.add_parser(command.__name__)
        added.set_defaults(command=command)
        for name in names:
            added.add_argument(name, choices=PLATFORMS if name == "platform" else None)
    arguments = parser.parse_args()
    try:
        arguments.command(arguments)
    except Refused as why:
        sys.exit(f"release: {why}")
    except OSError as why:
        sys.exit(f"release: {why.filename}: {why.strerror}")


if __name__ == "__main__":
    main()
