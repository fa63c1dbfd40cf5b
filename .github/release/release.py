#!/usr/bin/env python3
"""What a release does beside building, in the standard library of Python: release.py COMMAND --help.

    check TAG                       whether the repository is ready to be released as TAG
    notes TAG                       what the CHANGELOG says of it
    archive BINARY PLATFORM DIR     the archive of one platform, the same bytes every time
    sums DIR                        DIR/SHA256SUMS, of the archives of every platform
    krew DIR                        DIR/chaos.yaml: krew-manifest.yaml with the version and the sums
    table DIR MAIN                  adds the sums to the table that the action believes, and those of MAIN, the table of the main
                                    branch; refuses a version that is not the greatest of all
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
# as krew calls them; the matrix of release.yml and krew-manifest.yaml have the same ones, which a test holds
PLATFORMS = ["darwin-amd64", "darwin-arm64", "linux-amd64", "linux-arm64", "windows-amd64"]
ZEROS = "0" * 64
SHIM = '#!/bin/sh\nexec kubectl chaos __complete "$@"\n'
SHIM_WINDOWS = "@kubectl chaos __complete %*\r\n"


class Refused(Exception):
    """Why there is no release."""


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def version():
    found = re.search(r'(?m)^version = "([^"]+)"', read("Cargo.toml"))
    if not found:
        raise Refused("Cargo.toml has no version")
    return found.group(1)


def section(of):
    """What the CHANGELOG says under the heading of a version."""
    found = re.search(rf"(?ms)^## \[?v?{re.escape(of)}\]?(?:[, \t][^\n]*)?\n(.*?)(?=^## |\Z)", read("CHANGELOG.md"))
    return found and found.group(1).strip()


def check(arguments):
    if arguments.tag != "v" + version():
        raise Refused(f"the tag {arguments.tag} is not v{version()}, the version of Cargo.toml")
    if not re.search(rf'(?m)^name = "kubectl-chaos"\nversion = "{re.escape(version())}"', read("Cargo.lock")):
        raise Refused(f"Cargo.lock is not of version {version()}: cargo check brings it up to date")
    if not section(version()):
        raise Refused(f"CHANGELOG.md has no heading '## {version()}' with something below it")
    print(f"{arguments.tag} may be released")


def notes(arguments):
    text = section(arguments.tag.removeprefix("v"))
    if not text:
        raise Refused(f"CHANGELOG.md has nothing about {arguments.tag}")
    print(text)


def archive_name(platform):
    return f"kubectl-chaos-v{version()}-{platform}." + ("zip" if platform.startswith("windows") else "tar.gz")


def content(binary, platform):
    """The files of an archive, flat: their names, modes and bytes. krew takes regular files only."""
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
        raise Refused("SOURCE_DATE_EPOCH is not set: git log -1 --format=%ct says it")
    files = content(arguments.binary, arguments.platform)
    name = os.path.join(arguments.dir, archive_name(arguments.platform))
    os.makedirs(arguments.dir, exist_ok=True)
    if name.endswith(".zip"):
        # the format knows nothing before 1980
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
            raise Refused(f"{path} is missing: every platform is released, or none")
        with open(path, "rb") as file:
            lines.append(f"{hashlib.sha256(file.read()).hexdigest()}  {archive_name(platform)}\n")
    with open(os.path.join(arguments.dir, "SHA256SUMS"), "w", encoding="utf-8", newline="\n") as file:
        file.writelines(lines)
    print("".join(lines), end="")


def summed(folder):
    """SHA256SUMS again: a sum for the archive of every platform, and none of them zeros."""
    with open(os.path.join(folder, "SHA256SUMS"), encoding="utf-8") as file:
        known = {name: found for found, name in (line.split() for line in file)}
    if sorted(known) != sorted(map(archive_name, PLATFORMS)):
        raise Refused(f"SHA256SUMS is of {', '.join(known)}, and not of the archives of v{version()}")
    for name, found in known.items():
        if not re.fullmatch("[0-9a-f]{64}", found) or found == ZEROS:
            raise Refused(f"SHA256SUMS has no sum for {name}, but {found}")
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
        raise Refused(f"krew-manifest.yaml is of {', '.join(found)}, and not of {', '.join(known)}")
    order = iter(found)
    text = re.sub(r'(?m)^( +sha256: )"[0-9a-f]{64}"$', lambda match: f'{match.group(1)}"{known[next(order)]}"', text)
    if ZEROS in text or next(order, None) is not None:
        raise Refused("krew-manifest.yaml still has zeros where a sum belongs")
    path = os.path.join(arguments.dir, "chaos.yaml")
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
    print(path)


def rows(text):
    """The sums of a table, by the names of the archives. What was only foreseen gives way to what is."""
    lines = [line.split() for line in text.splitlines() if not line.startswith("#")]
    return {name: found for found, name in lines if found != ZEROS}


def number(name):
    """The version of an archive, as something that can be compared."""
    found = re.match(r"kubectl-chaos-v(\d+)\.(\d+)\.(\d+)-", name)
    if not found:
        raise Refused(f"{name} is no archive of a release")
    return tuple(map(int, found.groups()))


def table(arguments):
    known = summed(arguments.dir)
    path = os.path.join(ROOT, ".github", "action", "checksums.txt")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(arguments.main, encoding="utf-8") as file:
        there = rows(file.read())
    # what was released stays what it was, wherever it is known
    kept = rows(text)
    other = sorted(name for name in set(kept) & set(there) if kept[name] != there[name])
    if other:
        raise Refused(f"checksums.txt of the main branch has another sum for {other[0]}")
    kept |= there
    again = sorted(set(known) & set(kept))
    if again:
        raise Refused(f"checksums.txt has {again[0]} already, and a release is made once")
    ours = number(archive_name(PLATFORMS[0]))
    greatest = max(map(number, kept), default=ours)
    if greatest > ours:
        shown = ".".join(map(str, greatest))
        raise Refused(
            f"the tag v1 would go back from {shown} to {version()}: bring the sums of v{version()} to the main branch by hand, "
            "below those of later versions"
        )
    head = [line for line in text.splitlines() if line.startswith("#")]
    new = [f"{known[name]}  {name}" for name in sorted(known)]
    # the newest first, and those of a version in the order of their names
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
