"""The pages for operators say commands that there are, and lead to places that there are."""

import functools
import os
import re
import shlex
import tempfile
import unittest

import tools

DOCS = os.path.join(tools.ROOT, "docs")
PAGES = ("handbook.md", "metrics.md", "scaling.md", "deploy.md", "operations.md")

# What is no word of a command and has a form of its own.
STANDS_FOR = {"ID": "01M8M6QX9MM203MMDE0A080KN8", "SERVICE": "api-service", "NAME": "services"}


@functools.cache
def text(page):
    with open(os.path.join(DOCS, page), encoding="utf-8") as file:
        return file.read()


def anchors(page):
    heads = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text(page), flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def commands(page):
    """Every command of tfx in a page: in backticks, and at the begin of a line of a block."""
    inline = re.findall(r"`(tfx [^`]+)`", text(page))
    blocks = re.findall(r"^(?:\$ )?(tfx [a-z][^#\n]*)", "\n".join(re.findall(r"^```.*?^```", text(page), re.MULTILINE | re.DOTALL)), re.MULTILINE)
    for said in [*inline, *blocks]:
        # One of several words; what the shell does with it; and that there is more.
        said = re.sub(r"\b(\w+)(?:\\?\|\w+)+", r"\1", said.strip())
        said = re.split(r" (?:\||&&|>) |; ", said)[0]
        words = shlex.split(re.sub(r"(?<!\S)(?<!url )…$", "", said))
        if words[1] != "…":
            yield tuple(STANDS_FOR.get(word, word) for word in words)


class Pages(unittest.TestCase):
    def test_every_command_is_one(self):
        seen = {words for page in PAGES for words in commands(page)}
        self.assertGreater(len(seen), 80)
        with tempfile.TemporaryDirectory(prefix="tfx-deploy-check-") as folder:
            for words in sorted(seen):
                done = tools.tfx(*words[1:], "--help", cwd=folder)
                self.assertEqual(done.returncode, 0, f"{shlex.join(words)}: {done.stderr}")

    def test_links_lead_somewhere(self):
        for page in PAGES:
            for link in re.findall(r"\]\(([^)\s]+)\)", text(page)):
                path, _, anchor = link.partition("#")
                if ":" in path:
                    continue
                self.assertTrue(os.path.exists(os.path.join(DOCS, path or page)), f"{page}: {link}")
                if anchor:
                    self.assertIn(anchor, anchors(path or page), f"{page}: {link}")


if __name__ == "__main__":
    unittest.main()
