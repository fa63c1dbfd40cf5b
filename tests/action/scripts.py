#!/usr/bin/env python3
"""scripts.py DIRECTORY FILE...: writes each `run:` of workflows and actions to a file, for shellcheck."""
import os
import sys

import yaml


# the default of GitHub's runner
SHELL = "bash --noprofile --norc -e -o pipefail {0}"


def scripts(value):
    """Yields each script below a value, with its shell."""
    if isinstance(value, dict):
        if isinstance(value.get("run"), str):
            shell = value.get("shell", "bash")
            yield value["run"], SHELL if shell == "bash" else shell
        for one in value.values():
            yield from scripts(one)
    elif isinstance(value, list):
        for one in value:
            yield from scripts(one)


def main(folder, paths):
    count = 0
    for path in paths:
        with open(path, encoding="utf-8") as file:
            found = list(scripts(yaml.safe_load(file)))
        for number, (script, shell) in enumerate(found):
            name = f"{path.replace('/', '-').lstrip('.-')}-{number}.sh"
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(f"#!/usr/bin/env -S {shell.removesuffix(' {0}')}\n{script}")
        count += len(found)
    print(f"{count} scripts of {len(paths)} files")
    return not count


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
