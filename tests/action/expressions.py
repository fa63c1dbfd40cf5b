"""The subset of GitHub's expressions that actions use: `${{ inputs.a == 'b' && !cancelled() }}`."""
import json
import re

TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)|(?P<sign>==|!=|<=|>=|&&|\|\||[!()\[\],.<>])|(?P<name>[A-Za-z_][\w-]*))"
)


class Wrong(Exception):
    """An expression that GitHub rejects."""


def truth(value):
    return value not in (None, False, 0, "")


def text(value):
    """Converts a value to a string."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return json.dumps(value, indent=2)
    return str(value)


def number(value):
    if value is None or value == "":
        return 0.0
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def same(left, right):
    """== : compares strings without case, and different types as numbers."""
    if isinstance(left, str) and isinstance(right, str):
        return left.lower() == right.lower()
    if type(left) is type(right):
        return left == right
    return number(left) == number(right)


def look_up(value, key):
    """A property, found without case; None if it is missing."""
    if isinstance(value, dict):
        for name in value:
            if str(name).lower() == str(key).lower():
                return value[name]
    return None


class Expression:
    """An expression, parsed from left to right."""

    def __init__(self, source):
        self.source = source
        self.tokens = []
        at = 0
        while source[at:].strip():
            found = TOKEN.match(source, at)
            if not found:
                raise Wrong(f"unexpected {source[at:].strip()[:20]!r} in {source!r}")
            self.tokens.append((found.lastgroup, found.group(found.lastgroup)))
            at = found.end()
        self.at = 0

    def value(self, contexts, functions):
        """Evaluates it."""
        self.at, self.contexts, self.functions = 0, contexts, functions
        value = self.any()
        if self.at != len(self.tokens):
            raise Wrong(f"{self.tokens[self.at][1]!r} is too much in {self.source!r}")
        return value

    def sign(self, *signs):
        if self.at < len(self.tokens) and self.tokens[self.at] in [("sign", one) for one in signs]:
            self.at += 1
            return self.tokens[self.at - 1][1]
        return None

    def need(self, sign):
        if not self.sign(sign):
            raise Wrong(f"{sign!r} is missing in {self.source!r}")

    def any(self):
        value = self.all()
        while self.sign("||"):
            other = self.all()
            value = value if truth(value) else other
        return value

    def all(self):
        value = self.compared()
        while self.sign("&&"):
            other = self.compared()
            value = other if truth(value) else value
        return value

    def compared(self):
        value = self.single()
        while sign := self.sign("==", "!=", "<", ">", "<=", ">="):
            other = self.single()
            if sign in ("==", "!="):
                value = same(value, other) == (sign == "==")
            else:
                left, right = number(value), number(other)
                value = {"<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right}[sign]
        return value

    def single(self):
        if self.sign("!"):
            return not truth(self.single())
        if self.sign("("):
            value = self.any()
            self.need(")")
            return value
        if self.at == len(self.tokens):
            raise Wrong(f"something is missing at the end of {self.source!r}")
        kind, token = self.tokens[self.at]
        self.at += 1
        if kind == "text":
            return token[1:-1].replace("''", "'")
        if kind == "number":
            return float(token)
        if kind != "name":
            raise Wrong(f"unexpected {token!r} in {self.source!r}")
        if self.sign("("):
            return self.call(token.lower())
        if token in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[token]
        if token.lower() not in self.contexts:
            raise Wrong(f"{token!r} is no context that an action has, in {self.source!r}")
        value = self.contexts[token.lower()]
        while sign := self.sign(".", "["):
            if sign == "[":
                value = look_up(value, self.any())
                self.need("]")
            else:
                value = look_up(value, self.tokens[self.at][1])
                self.at += 1
        return value

    def call(self, name):
        arguments = []
        while not self.sign(")"):
            arguments.append(self.any())
            if not self.sign(","):
                self.need(")")
                break
        if name in self.functions:
            return self.functions[name]()
        if name == "contains":
            where, what = arguments
            return any(same(one, what) for one in where) if isinstance(where, list) else text(what).lower() in text(where).lower()
        if name == "startswith":
            return text(arguments[0]).lower().startswith(text(arguments[1]).lower())
        if name == "endswith":
            return text(arguments[0]).lower().endswith(text(arguments[1]).lower())
        if name == "format":
            return re.sub(r"\{(\d+)\}", lambda found: text(arguments[1 + int(found.group(1))]), arguments[0])
        if name == "tojson":
            return json.dumps(arguments[0], indent=2)
        if name == "fromjson":
            return json.loads(arguments[0])
        raise Wrong(f"there is no function {name!r}, in {self.source!r}")


def filled(template, contexts, functions):
    """Substitutes the `${{ }}` of a string."""
    return re.sub(
        r"\$\{\{(.*?)\}\}", lambda found: text(Expression(found.group(1)).value(contexts, functions)), text(template), flags=re.S
    )


def condition(source, contexts, functions):
    """Whether a step runs: `success()` is implied without another status function."""
    source = text(source).strip()
    whole = re.fullmatch(r"\$\{\{(.*)\}\}", source, re.S)
    source = whole.group(1) if whole else source
    if not re.search(r"\b(always|failure|cancelled|success)\s*\(", source):
        source = f"success() && ({source})"
    return truth(Expression(source).value(contexts, functions))
