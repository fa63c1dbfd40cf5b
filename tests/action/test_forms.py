"""Issue forms satisfy GitHub's rules, for which no schema is published."""
import glob
import os
import unittest

import yaml

from case import ROOT

KINDS = {"markdown": {"value"}, "textarea": {"label"}, "input": {"label"}, "dropdown": {"label", "options"}, "checkboxes": {"label", "options"}}


class Forms(unittest.TestCase):
    def test_every_form(self):
        paths = glob.glob(os.path.join(ROOT, ".github", "ISSUE_TEMPLATE", "*.yml"))
        forms = [path for path in paths if not path.endswith("config.yml")]
        self.assertGreater(len(forms), 1)
        for path in forms:
            with open(path, encoding="utf-8") as file:
                form = yaml.safe_load(file)
            self.assertLessEqual(set(form), {"name", "description", "title", "labels", "assignees", "projects", "type", "body"}, path)
            self.assertTrue(form["name"] and form["description"], path)
            ids = [field["id"] for field in form["body"] if field["type"] != "markdown"]
            self.assertEqual(len(ids), len(set(ids)), path)
            labels = [field["attributes"].get("label") for field in form["body"]]
            self.assertEqual(len(labels), len(set(labels)), path)
            self.assertTrue(any(field["type"] != "markdown" for field in form["body"]), path)
            for field in form["body"]:
                self.assertLessEqual(set(field), {"type", "id", "attributes", "validations"}, path)
                self.assertGreaterEqual(set(field["attributes"]), KINDS[field["type"]], path)

    def test_the_address_for_what_is_secret(self):
        with open(os.path.join(ROOT, ".github", "ISSUE_TEMPLATE", "config.yml"), encoding="utf-8") as file:
            config = yaml.safe_load(file)
        self.assertFalse(config["blank_issues_enabled"])
        for link in config["contact_links"]:
            self.assertEqual(set(link), {"name", "url", "about"})


if __name__ == "__main__":
    unittest.main()
