"""Reads the reports below the first argument with other tools. The second argument is Jenkins's schema of JUnit reports."""

import glob
import os
import re
import sys
import tempfile
import xml.etree.ElementTree as tree

import cmarkgfm
from cmarkgfm.cmark import Options
from junit2htmlreport import parser as junit2html
from junitparser import JUnitXml
from lxml import etree, html

folder, schema = sys.argv[1:]
schema = etree.XMLSchema(etree.parse(schema))
# the only elements that the Markdown may render to
ELEMENTS = {"h3", "p", "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "b", "strong", "em", "code", "pre",
    "ul", "li", "blockquote"}
wrong = []
suites = cases = pages = 0


def check(what, fine, why=""):
    if not fine:
        wrong.append(f"{what}: {why}")


for path in sorted(glob.glob(os.path.join(folder, "*", "junit.xml"))):
    with open(path, "rb") as file:
        text = file.read()
    report = etree.fromstring(text)
    check(path, schema.validate(report), schema.error_log)
    count = {name: len(report.findall(f".//{name}")) for name in ("testsuite", "testcase", "failure", "error", "skipped")}
    first = JUnitXml.fromstring(text)
    check(path, sum(1 for suite in first for _ in suite) == count["testcase"], "junitparser reads a different number of cases")
    results = [type(result).__name__.lower() for suite in first for case in suite for result in case.result]
    for name in ("failure", "error", "skipped"):
        check(path, results.count(name) == count[name], f"junitparser reads {results.count(name)} of {count[name]} {name}")
    with tempfile.TemporaryDirectory() as place:
        copy = os.path.join(place, "junit.xml")
        with open(copy, "wb") as file:
            file.write(text)
        second = junit2html.Junit(copy)
    check(path, sum(len(suite.all()) for suite in second.suites) == count["testcase"], "junit2html reads a different number of cases")
    for suite in tree.fromstring(text).iter("testsuite"):
        names = [(case.get("classname"), case.get("name")) for case in suite.iter("testcase")]
        check(path, len(names) == len(set(names)), "two cases have the same name")
        check(path, "forged" not in {case.get("name") for case in suite.iter("testcase")}, "a case is forged")
        check(path, int(suite.get("tests")) == len(names), "a suite has a wrong count")
    suites, cases = suites + count["testsuite"], cases + count["testcase"]

for path in sorted(glob.glob(os.path.join(folder, "*", "report.md"))):
    with open(path) as file:
        text = file.read()
    # GitHub's extensions: tables, strikethrough, autolinks
    page = cmarkgfm.github_flavored_markdown_to_html(text, Options.CMARK_OPT_UNSAFE)
    root = html.fromstring(f"<div>{page}</div>")
    seen = {element.tag for element in root.iter() if isinstance(element.tag, str)} - {"div"}
    check(path, seen <= ELEMENTS, f"unexpected elements: {seen - ELEMENTS}")
    check(path, not any(isinstance(element, html.HtmlComment) for element in root.iter()), "contains a comment")
    # GitHub makes no links in code, and notifies no user
    for code in root.iter("code"):
        for element in code:
            element.text = element.tail = None
        code.text = None
    shown = root.text_content()
    check(path, not re.search(r"@\w|(^|\s)#\d|\bGH-\d", shown), "contains a mention or a reference")
    for row in root.iter("tr"):
        check(path, len(row) == len(row.getparent().getparent().find("thead").find("tr")), "a row and its head have different numbers of cells")
    details = root.findall(".//details")
    check(path, len(details) == text.count("\n<details>"), "a details element is not closed correctly")
    pages += 1

for line in wrong[:20]:
    print(line)
print(f"{suites} suites with {cases} cases, and {pages} pages of Markdown: {len(wrong)} faults")
sys.exit(bool(wrong) or pages < 12)
