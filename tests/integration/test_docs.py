"""What the guide and the reference show is run.

On every page, in order, in one directory: a block with `title=NAME` is written to NAME; a `yaml` block that has an `id` is accepted without a
warning; each line of a `requirement` block is understood, up to its comment; in a `console` block the lines after `$ ` are run, and the others are what they print, where `…` stands for anything.
"""
import json
import re
import unittest

import xpmtest

DOCS = xpmtest.SOURCE / "docs"
FENCE = re.compile(r"^```(\w+)?(?: title=(\S+))?\n(.*?)^```$", re.M | re.S)
WRONG = {"quotes.yaml", "unquoted.yaml"}  # shown for their errors


def steps(text):
    """The commands of a console block, each with the lines that it prints."""
    found = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def pattern(lines):
    """A regular expression for LINES; `…` is anything within a line, and a line of it alone any number of lines."""
    parts = []
    for line in lines:
        if line == "…":
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            parts.append("[^\n]*".join(re.escape(part) for part in line.split("…")) + r"[ ]*\n")
    return "".join(parts)


class Docs(xpmtest.Case):
    def setUp(self):
        super().setUp()
        self.env["PATH"] = f"{xpmtest.XPM.parent}:{self.env['PATH']}"

    def page(self, path):
        for kind, title, text in FENCE.findall(path.read_text()):
            if title:
                self.write(title, text, 0o755 if text.startswith("#!") else None)
            if kind == "yaml" and title not in WRONG and re.search(r"^id: ", text, re.M):
                self.check(title or "snippet.yaml", text)
            if kind == "requirement":
                for line in text.splitlines():
                    result = self.command(xpmtest.XPM, "find-launchers", line.split(" #")[0].rstrip())
                    self.assertIn(result.status, (0, 1), f"{line}\n{result}")
            if kind == "console":
                for command, lines in steps(text):
                    self.console(command, lines)

    def check(self, name, text):
        self.write(name, text)
        if "\nfile: " in text:
            return  # its program stands in the next block
        result = self.command(xpmtest.XPM, "run-experiment", "--workdir", "ws", "--run-mode", "dry-run", name)
        self.assertEqual((result.status, result.err), (0, ""), f"{text}\n{result}")

    def console(self, command, lines):
        result = self.command("bash", "-c", f"{{ {command}\n}} 2>&1")
        if not re.fullmatch(pattern(lines), result.out):
            self.fail(f"$ {command}\n{result.out}--- instead of\n" + "\n".join(lines))


def add(path):
    name = "test_" + path.relative_to(DOCS).with_suffix("").as_posix().replace("/", "_").replace("-", "_")
    setattr(Docs, name, lambda self: self.page(path))


for found in sorted(DOCS.glob("guide/*.md")) + sorted(DOCS.glob("reference/*.md")):
    add(found)


class Reference(xpmtest.Case):
    def block(self, page, title):
        for _, found, text in FENCE.findall((DOCS / "reference" / page).read_text()):
            if found == title:
                return text
        self.fail(f"{page} has no {title}")

    def test_the_plan_that_a_program_writes(self):
        for title in ("generated.yaml", "plan.sh"):
            self.write(title, self.block("experiment-file.md", title), 0o755)
        self.assertEqual([job["params"]["n"] for job in self.dry("generated.yaml")], [1, 2])

    def test_the_settings_choose_a_workspace(self):
        self.write("conf/settings.yaml", self.block("workspace.md", "settings.yaml"))
        self.write("conf/launchers.yaml", self.block("launchers.md", "launchers.yaml"))
        for name, place in (("thesis-1", f"{self.home}/thesis/experiments"), ("other", f"{self.home}/thesis/experiments")):
            self.write("e.yaml", f"id: {name}\ntasks: {{t: {{command: 'true'}}}}\nplan: {{s: {{task: t}}}}\n")
            result = self.xpm("run-experiment", "--xpm-config-dir", "conf", "--run-mode", "dry-run", "--json", "e.yaml")
            self.assertTrue(json.loads(result.out)["path"].startswith(place + "/jobs/"), result.out)


if __name__ == "__main__":
    unittest.main()
