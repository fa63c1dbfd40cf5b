#!/usr/bin/env python3
"""krew's rules, as in its validator and installer; krew itself is not always available.

    krew.py manifest FILE...                 prints the faults of manifests; files are named after their plugin
    krew.py archive MANIFEST ARCHIVE...      installs the archives of a manifest as krew does, each for its platform
"""
import fnmatch
import hashlib
import io
import os
import posixpath
import re
import shutil
import stat
import sys
import tarfile
import tempfile
import zipfile

import yaml

API = "krew.googlecontainertools.github.com/v1alpha2"
PAIRS = [
    ("darwin", "386"), ("darwin", "amd64"), ("darwin", "arm64"),
    ("linux", "386"), ("linux", "amd64"), ("linux", "arm"), ("linux", "arm64"), ("linux", "ppc64le"),
    ("windows", "386"), ("windows", "amd64"), ("windows", "arm64"),
]
DEVICES = {"CON", "PRN", "AUX", "NUL"} | {f"{name}{number}" for name in ("COM", "LPT") for number in range(1, 10)}
NUMBER = "(0|[1-9][0-9]*)"
PART = "[0-9A-Za-z-]+"
PRE = f"({NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
VERSION = re.compile(rf"v{NUMBER}\.{NUMBER}\.{NUMBER}(-{PRE}(\.{PRE})*)?(\+{PART}(\.{PART})*)?")
LICENSES = re.compile(r"(licenses?(\.txt|\.md)?|copying(\.txt)?)", re.I)


def matches(selector, system, processor):
    """Whether a label selector matches a platform."""
    labels = {"os": system, "arch": processor}
    if any(labels.get(key) != str(value) for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for one in selector.get("matchExpressions") or []:
        value, values = labels.get(one.get("key")), [str(value) for value in one.get("values") or []]
        taken = {
            "In": value in values,
            "NotIn": value not in values,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }
        if not taken.get(one.get("operator"), False):
            return False
    return True


def selector_faults(selector):
    if not selector or not (selector.get("matchLabels") or selector.get("matchExpressions")):
        yield "its selector is empty"
        return
    for kind in ("matchLabels", "matchExpressions"):
        if kind in selector and not selector[kind]:
            yield f"its {kind} is given and empty"
    keys = [*(selector.get("matchLabels") or {}), *(one.get("key") for one in selector.get("matchExpressions") or [])]
    for key in keys:
        if key not in ("os", "arch"):
            yield f"its selector has the key {key}"
    if all(key in ("os", "arch") for key in keys) and not any(matches(selector, *pair) for pair in PAIRS):
        yield "it matches no platform that krew knows"


def platform_faults(platform):
    for key in ("uri", "sha256", "bin"):
        if not platform.get(key):
            yield f"its {key} is missing"
    if platform.get("sha256") and not re.fullmatch("[a-f0-9]{64}", str(platform["sha256"])):
        yield "its sha256 is not 64 lower-case hexadecimal digits"
    if "files" in platform:
        if not platform["files"]:
            yield "its files is given and empty"
        for operation in platform["files"] or []:
            if not operation.get("from") or not operation.get("to"):
                yield "one of its files lacks from or to"
            elif posixpath.normpath(operation["to"]) != operation["to"]:
                yield f"the target {operation['to']} is not a clean path"
    yield from selector_faults(platform.get("selector"))


def faults(text, file_name):
    """The faults for which krew rejects a manifest of this name."""
    stem, end = os.path.splitext(file_name)
    if end != ".yaml":
        return [f"the file ends with {end or 'nothing'}, and not with .yaml"]
    try:
        manifest = yaml.safe_load(text)
    except yaml.YAMLError as error:
        return [f"it is no YAML: {str(error).splitlines()[0]}"]
    if not isinstance(manifest, dict):
        return ["it is no YAML: there is nothing in it"]
    found = []
    if manifest.get("apiVersion") != API:
        found.append(f"its apiVersion is not {API}")
    if manifest.get("kind") != "Plugin":
        found.append("its kind is not Plugin")
    name = (manifest.get("metadata") or {}).get("name")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", stem) or stem.upper() in DEVICES:
        found.append(f"{stem} is no safe name for a plugin")
    if name != stem:
        found.append(f"its name {name} is not the one of its file")
    spec = manifest.get("spec") or {}
    short = spec.get("shortDescription") or ""
    if not short:
        found.append("its shortDescription is missing")
    if re.search(r"[\r\n]", short):
        found.append("its shortDescription has a line break")
    version = spec.get("version") or ""
    if not VERSION.fullmatch(str(version)):
        found.append(f"its version {version!r} is not v and a semantic version")
    platforms = spec.get("platforms") or []
    if not platforms:
        found.append("it has no platforms")
    for number, platform in enumerate(platforms):
        found += [f"platform {number}: {fault}" for fault in platform_faults(platform)]
    for system, processor in PAIRS:
        taken = [number for number, one in enumerate(platforms) if one.get("selector") and matches(one["selector"], system, processor)]
        if len(taken) > 1:
            found.append(f"platforms {taken[0]} and {taken[1]} both match {system}/{processor}")
    return found


class Refused(Exception):
    """An archive that krew does not install."""


def entries(data):
    """The files of an archive: path, mode, bytes. The content determines the format."""
    if data[:2] == b"\x1f\x8b":
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
            for entry in archive:
                if entry.isdir():
                    yield entry.name + "/", entry.mode, b""
                elif entry.isreg():
                    yield entry.name, entry.mode, archive.extractfile(entry).read()
                else:
                    raise Refused(f"{entry.name}: krew takes only folders and regular files")
    elif data[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                mode = entry.external_attr >> 16
                if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                    raise Refused(f"{entry.filename}: krew takes only folders and regular files")
                yield entry.filename, mode & 0o7777, archive.read(entry)
    else:
        raise Refused("krew takes only tar.gz and zip")


def unpack(data, folder):
    for path, mode, content in entries(data):
        if ".." in path or path.startswith(("/", "\\")):
            raise Refused(f"{path}: krew takes no path that could lead elsewhere")
        target = os.path.join(folder, path)
        if path.endswith("/"):
            os.makedirs(target, exist_ok=True)
            continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as file:
            file.write(content)
        os.chmod(target, mode)


def install(manifest, platform, archive, root):
    """Installs the archive of a platform into krew's directory; returns the link that kubectl finds."""
    with open(archive, "rb") as file:
        data = file.read()
    if hashlib.sha256(data).hexdigest() != platform["sha256"]:
        raise Refused(f"{archive}: its SHA-256 is not the one of the manifest")
    name, version = manifest["metadata"]["name"], manifest["spec"]["version"]
    store = os.path.join(root, "store", name, version)
    os.makedirs(store)
    with tempfile.TemporaryDirectory() as folder:
        unpack(data, folder)
        for operation in platform.get("files") or [{"from": "*", "to": "."}]:
            moved = [one for one in os.listdir(folder) if fnmatch.fnmatchcase(one, operation["from"])]
            if not moved:
                raise Refused(f"nothing in {archive} is called {operation['from']}")
            for one in moved:
                target = os.path.normpath(os.path.join(store, operation["to"]))
                shutil.move(os.path.join(folder, one), os.path.join(target, one) if os.path.isdir(target) else target)
    program = os.path.normpath(os.path.join(store, platform["bin"]))
    if not program.startswith(store + os.sep):
        raise Refused(f"{platform['bin']} is outside of the folder of the plugin")
    windows = matches(platform["selector"], "windows", "amd64")
    if windows and not program.endswith(".exe"):
        raise Refused(f"{platform['bin']} is for Windows, and does not end with .exe")
    if not os.path.isfile(program) or os.path.islink(program):
        raise Refused(f"{archive} has no file {platform['bin']}")
    if not windows and os.stat(program).st_mode & 0o777 != 0o755:
        raise Refused(f"{platform['bin']} has not the mode 0755")
    if not any(LICENSES.fullmatch(one) for _, _, files in os.walk(store) for one in files):
        raise Refused(f"{archive} has no license")
    link = os.path.join(root, "bin", "kubectl-" + name.replace("-", "_") + (".exe" if windows else ""))
    os.makedirs(os.path.dirname(link), exist_ok=True)
    os.symlink(program, link)
    return link


def check(paths):
    bad = 0
    for path in paths:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        try:
            name = yaml.safe_load(text)["metadata"]["name"]
        except (yaml.YAMLError, KeyError, TypeError):
            name = "unknown"
        for fault in faults(text, f"{name}.yaml"):
            bad += 1
            print(f"{path}: {fault}")
    print(f"krew: {len(paths)} manifests, {bad} faults")
    return bool(bad)


def check_archives(path, archives):
    with open(path, encoding="utf-8") as file:
        manifest = yaml.safe_load(file)
    given = {os.path.basename(archive): archive for archive in archives}
    named = {posixpath.basename(platform["uri"]): platform for platform in manifest["spec"]["platforms"]}
    if set(given) != set(named):
        raise Refused(f"the manifest names {', '.join(sorted(named))}, and there are {', '.join(sorted(given))}")
    for name, platform in named.items():
        with tempfile.TemporaryDirectory() as root:
            print(f"{name}: {os.path.basename(install(manifest, platform, given[name], root))}")


def main(arguments):
    if len(arguments) > 1 and arguments[0] == "manifest":
        return check(arguments[1:])
    if len(arguments) > 2 and arguments[0] == "archive":
        try:
            check_archives(arguments[1], arguments[2:])
        except Refused as why:
            return f"krew: {why}"
        return 0
    return __doc__


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
