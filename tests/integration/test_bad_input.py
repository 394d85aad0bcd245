"""What is wrong in an experiment file gets one message with file, line, column and the remedy; exit 2; nothing is written."""
import unittest

import xpmtest

HEAD = "id: a\n"
ECHO = """\
tasks:
  t:
    params: {n: int, s: {type: str, default: x}}
    command: echo {{n}} {{s}}
"""
# Five lines: a file that begins with them goes on in line 6.
START = HEAD + ECHO

# name: (text, line:column, words that the message has)
WRONG = {
    "invalid YAML": ("id: [a, b\nplan: {}\n", "2:5", ["list"]),
    "a tab": ("id: a\nplan:\n\tx: 1\n", "3:1", ["tab", "space"]),
    "a duplicate key": ("id: a\ntitle: x\nid: b\n", "3:1", ["duplicate", "'id'"]),
    "a duplicate key in a flow mapping": (START + "plan: {s: {task: t, params: {n: 1, n: 2}}}\n", "6:36", ["'n'"]),
    "a slip in a top-level key": (HEAD + "taks: {}\n", "2:1", ["'taks'", "did you mean 'tasks'"]),
    "a slip in a top-level key that the steps need": (
        START.replace("tasks:", "taks:") + "plan: {s: {task: t, params: {n: 1}}}\n",
        "2:1",
        ["'taks'", "did you mean 'tasks'"],
    ),
    "a slip in a key of a step": (START + "plan:\n  s:\n    taks: t\n", "8:5", ["'taks'", "did you mean 'task'"]),
    "a slip in a key of a task": (HEAD + "tasks:\n  t:\n    comand: echo\n", "4:5", ["did you mean 'command'"]),
    "a slip in a key of a parameter": (
        HEAD + "configs:\n  c:\n    params:\n      x: {type: int, defualt: 1}\n",
        "5:22",
        ["did you mean 'default'"],
    ),
    "a slip in a key of a reference": (
        START + "plan:\n  s: {task: t, params: {n: {eahc: s}}}\n",
        "7:28",
        ["did you mean 'each'"],
    ),
    "a slip in a key of a reference to a job": (
        START + "  u: {params: {o: t}, command: 'echo'}\nplan:\n  s: {task: t, params: {n: 1}}\n  z: {task: u, params: {o: {ech: s}}}\n",
        "9:29",
        ["'ech'", "did you mean 'each'"],
    ),
    "a slip in a range": (START + "plan: {s: {task: t, sweep: {n: {rnage: [0, 3]}}}}\n", "6:32", ["did you mean 'range'"]),
    "an unknown type": (HEAD + "configs:\n  c:\n    params:\n      x: strr\n", "5:10", ["'strr'", "did you mean 'str'"]),
    "an unknown type in a list": (
        HEAD + "configs:\n  Model: {params: {x: int}}\n  c:\n    params:\n      x: list[Modle]\n",
        "6:10",
        ["'Modle'", "did you mean 'Model'"],
    ),
    "an unknown task": (START + "plan:\n  s: {task: tt, params: {n: 1}}\n", "7:13", ["'tt'", "did you mean 't'"]),
    "an unknown step": (
        START + "plan:\n  first: {task: t, params: {n: 1}}\n  s: {task: t, params: {n: {each: frist}}}\n",
        "8:35",
        ["'frist'", "did you mean 'first'"],
    ),
    "an unknown step in after": (
        START + "plan:\n  first: {task: t, params: {n: 1}}\n  s: {task: t, params: {n: 2}, after: [furst]}\n",
        "8:40",
        ["'furst'", "did you mean 'first'"],
    ),
    "an unknown parameter": (
        HEAD + "tasks: {t: {params: {rate: float}, command: 'echo'}}\nplan: {s: {task: t, params: {rato: 1.0}}}\n",
        "3:30",
        ["'rato'", "did you mean 'rate'"],
    ),
    "an unknown swept parameter": (
        START + "plan: {s: {task: t, params: {n: 1}, sweep: {m: [1]}}}\n",
        "6:45",
        ["'m'"],
    ),
    "a missing parameter": (START + "plan:\n  s:\n    task: t\n", "7:3", ["'n'"]),
    "a superfluous parameter": (START + "plan: {s: {task: t, params: {n: 1, other: 2}}}\n", "6:36", ["'other'"]),
    "text for an int": (START + "plan: {s: {task: t, params: {n: one}}}\n", "6:33", ["'one'", "int"]),
    "a float for an int": (START + "plan: {s: {task: t, params: {n: 1.5}}}\n", "6:33", ["1.5", "int"]),
    "an exponent for an int": (START + "plan: {s: {task: t, params: {n: 1e6}}}\n", "6:33", ["1e6", "1000000"]),
    "a quoted int": (START + 'plan: {s: {task: t, params: {n: "1"}}}\n', "6:33", ["quotes"]),
    "a word for a bool": (
        HEAD + "tasks: {t: {params: {b: bool}, command: 'echo'}}\nplan: {s: {task: t, params: {b: yes}}}\n",
        "3:33",
        ["yes", "true"],
    ),
    "a list for a scalar": (START + "plan: {s: {task: t, params: {n: [1]}}}\n", "6:33", ["int"]),
    "a scalar for a list": (
        HEAD + "tasks: {t: {params: {l: 'list[int]'}, command: 'echo'}}\nplan: {s: {task: t, params: {l: 1}}}\n",
        "3:33",
        ["list[int]"],
    ),
    "nothing for a str": (
        HEAD + "tasks: {t: {params: {l: str}, command: 'echo'}}\nplan:\n  s:\n    task: t\n    params:\n      l:\n",
        "7:",
        ["'l'"],
    ),
    "a value out of range": (
        HEAD + "tasks: {t: {params: {n: {type: int, min: 1, max: 5}}, command: 'echo'}}\nplan: {s: {task: t, params: {n: 7}}}\n",
        "3:33",
        ["7", "5"],
    ),
    "a value that is not among the choices": (
        HEAD + "tasks: {t: {params: {s: {type: str, choices: [red, blue]}}, command: 'echo'}}\nplan: {s: {task: t, params: {s: rde}}}\n",
        "3:33",
        ["rde", "red", "blue"],
    ),
    "a value that does not match the pattern": (
        HEAD + "tasks: {t: {params: {s: {type: str, pattern: '[a-z]+'}}, command: 'echo'}}\nplan: {s: {task: t, params: {s: A1}}}\n",
        "3:33",
        ["A1", "[a-z]+"],
    ),
    "a value that is not of the enum": (
        HEAD + "enums: {E: [SGD, ADAM]}\ntasks: {t: {params: {e: E}, command: 'echo'}}\nplan: {s: {task: t, params: {e: ADMA}}}\n",
        "4:33",
        ["'ADMA'", "ADAM"],
    ),
    "a NaN": (
        HEAD + "tasks: {t: {params: {f: float}, command: 'echo'}}\nplan: {s: {task: t, params: {f: .nan}}}\n",
        "3:33",
        [".nan"],
    ),
    "a float that overflows": (
        HEAD + "tasks: {t: {params: {f: float}, command: 'echo'}}\nplan: {s: {task: t, params: {f: 1e999}}}\n",
        "3:33",
        ["1e999"],
    ),
    "an int beyond 64 bits": (
        START + "plan: {s: {task: t, params: {n: 9223372036854775808}}}\n",
        "6:33",
        ["9223372036854775808", "64"],
    ),
    "a path in the identifier": (
        HEAD + "tasks:\n  t:\n    params:\n      p: path\n    command: cat {{p}}\n",
        "5:10",
        ["'p'", "meta", "file"],
    ),
    "a circle of steps": (
        HEAD
        + "tasks:\n  t: {params: {o: t?}, command: 'echo'}\nplan:\n  a: {task: t, params: {o: {each: b}}}\n  b: {task: t, params: {o: {each: a}}}\n",
        "5:",
        ["a", "b"],
    ),
    "a step that refers to itself": (
        HEAD + "tasks:\n  t: {params: {o: t?}, command: 'echo'}\nplan:\n  a: {task: t, params: {o: {each: a}}}\n",
        "5:",
        ["a -> a"],
    ),
    "a circle by after": (
        START + "plan:\n  a: {task: t, params: {n: 1}, after: [b]}\n  b: {task: t, params: {n: 2}, after: [a]}\n",
        "7:",
        ["a", "b"],
    ),
    "a circle of interpolations": (HEAD + "x: ${y}\ny: ${z}\nz: ${x}\n", "4:4", ["x → y → z → x"]),
    "an interpolation of what does not exist": (HEAD + "x: ${missing.key}\n", "2:4", ["missing"]),
    "a variable of the environment that is not set": (HEAD + "x: ${oc.env:XPM_SURELY_UNSET}\n", "2:4", ["XPM_SURELY_UNSET"]),
    "a job of two steps that would wait for itself": (
        START + "  u: {params: {o: t}, command: 'echo'}\nplan:\n  a: {task: t, params: {n: 1}}\n  b: {task: u, params: {o: {each: a}}}\n  c: {task: t, params: {n: 1}, after: [b]}\n",
        "10:3",
        ["'a'", "'c'", "wait for itself"],
    ),
    "an ambiguous tag": (
        HEAD
        + """\
configs: {m: {params: {lr: float}}}
tasks:
  t: {params: {a: m, b: m}, command: 'echo'}
  u: {params: {runs: 'list[t]'}, command: 'echo'}
plan:
  s: {task: t, sweep: {a.lr: [1.0, 2.0], b.lr: [1.0, 2.0]}}
  z: {task: u, params: {runs: {all: s, by: [lr]}}}
""",
        "8:31",
        ["'lr'", "a.lr", "b.lr"],
    ),
    "a template name that does not exist": (
        HEAD + "tasks:\n  t:\n    params: {rate: float}\n    command: echo {{rato}}\n",
        "5:",
        ["'rato'", "did you mean 'rate'"],
    ),
    "a template name of nothing in a section": (
        HEAD + "tasks:\n  t:\n    params: {rate: float}\n    command: echo {{#nothing}}x{{/nothing}}\n",
        "5:",
        ["'nothing'"],
    ),
    "a template that does not end": (
        HEAD + "tasks:\n  t:\n    params: {n: int}\n    command: echo {{n\n",
        "5:",
        ["{{"],
    ),
    "a template in double quotes": (
        HEAD + 'tasks:\n  t:\n    params: {s: str}\n    command: |\n      echo "a {{s}}"\n',
        "6:",
        ["quotes", "{{{s}}}"],
    ),
    "a template in single quotes": (
        HEAD + "tasks:\n  t:\n    params: {s: str}\n    command: |\n      echo 'a {{s}}'\n",
        "6:",
        ["quotes", "{{{s}}}"],
    ),
    "a template in backticks": (
        HEAD + "tasks:\n  t:\n    params: {s: str}\n    command: |\n      echo `ls {{s}}`\n",
        "6:",
        ["{{{s}}}"],
    ),
    "a template in a here-document": (
        HEAD + "tasks:\n  t:\n    params: {s: str}\n    command: |\n      cat <<END\n      {{s}}\n      END\n",
        "7:",
        ["{{{s}}}"],
    ),
    "a command that starts with a relative path": (
        HEAD + "tasks:\n  t:\n    params: {n: int}\n    command: ./train {{n}}\n",
        "5:14",
        ["./train", "{{experiment.dir}}/train"],
    ),
    "a quoted command that starts with a relative path": (
        HEAD + "tasks:\n  t:\n    params: {n: int}\n    command: |\n      './my train' {{n}}\n",
        "5:14",
        ["write \"{{experiment.dir}}/'my train' {{n}}\""],
    ),
    "a list command that starts with a relative path": (
        HEAD + "tasks:\n  t:\n    params: {n: int}\n    command: [bin/train, '{{n}}']\n",
        "5:15",
        ["bin/train", "{{experiment.dir}}/bin/train"],
    ),
    "an unquoted template as a value": (
        HEAD + "tasks:\n  t:\n    cwd: {{job.path}}\n    command: echo\n",
        "4:",
        ['write "{{job.path}}"'],
    ),
    "an unquoted template in a list": (
        HEAD + "tasks:\n  t:\n    params: {x: int}\n    command: [echo, {{x}}]\n",
        "5:",
        ['write "{{x}}"'],
    ),
    "an unquoted template at the start of a command": (
        HEAD + "tasks:\n  t:\n    command: {{experiment.dir}}/train\n",
        "4:",
        ['write "{{experiment.dir}}/train"'],
    ),
    "an unquoted variable in a flow mapping": (
        HEAD + "env: {PATH: ${HOME}/bin}\n",
        "2:",
        ['write "${HOME}/bin"'],
    ),
    "an unquoted type with brackets in a flow mapping": (
        HEAD + "tasks:\n  t:\n    params:\n      l: {type: list[int]}\n    command: echo\n",
        "5:",
        ['write "list[int]"'],
    ),
    "an unquoted template inside a word of a list": (
        HEAD + "tasks:\n  t:\n    params: {lr: float}\n    command: [train, --lr={{lr}}]\n",
        "5:",
        ['write "--lr={{lr}}"'],
    ),
    "an unquoted interpolation in a range": (
        HEAD + ECHO + "k: 3\nplan: {s: {task: t, sweep: {n: {range: [0, ${k}]}}}}\n",
        "7:",
        ['write "${k}"'],
    ),
    "requirements that are cut at the comma": (
        HEAD + "tasks:\n  t: {requirements: cpu(cores=2, mem=2G), command: 'echo'}\n",
        "3:",
        ['write "cpu(cores=2, mem=2G)"'],
    ),
    "a swept meta parameter": (
        HEAD + "tasks: {t: {params: {n: {type: int, meta: true}}, command: 'echo'}}\nplan: {s: {task: t, sweep: {n: [1, 2]}}}\n",
        "3:",
        ["'n'", "meta"],
    ),
    "an empty sweep": (START + "plan: {s: {task: t, sweep: {n: []}}}\n", "6:32", ["'n'", "empty"]),
    "an empty range": (START + "plan: {s: {task: t, sweep: {n: {range: [5, 5]}}}}\n", "6:32", ["empty"]),
    "a zip of unequal lengths": (
        START + "plan:\n  s:\n    task: t\n    sweep: {n: [1, 2, 3], s: [a, b]}\n    zip: [[n, s]]\n",
        "10:",
        ["'n'", "3", "'s'", "2"],
    ),
    "an id that is a list": ("id: [a]\n" + ECHO, "1:5", ["'id'"]),
    "a parent that is no file": (HEAD + "parent: /dev/null\n", "2:9", ["/dev/null"]),
    "an id with a slash": ("id: a/b\n" + ECHO + "plan: {s: {task: t, params: {n: 1}}}\n", "1:5", ["'a/b'"]),
    "an id with a leading dot": ("id: .a\n" + ECHO + "plan: {s: {task: t, params: {n: 1}}}\n", "1:5", ["'.a'"]),
    "two types that differ in case": (
        HEAD + "configs:\n  Model: {params: {x: int}}\n  model: {params: {x: int}}\n",
        "4:3",
        ["'model'", "'Model'", "case"],
    ),
    "nesting ten thousand deep": (HEAD + "x: " + "[" * 10000 + "]" * 10000 + "\n", "2:", ["deep"]),
    "an output outside the job's directory": (
        HEAD + "tasks:\n  t:\n    command: echo\n    outputs: [../x]\n",
        "5:",
        ["'../x'", "director"],
    ),
    "an absolute output": (HEAD + "tasks:\n  t:\n    command: echo\n    outputs: [/etc/x]\n", "5:", ["'/etc/x'"]),
    "a generated file outside the job's directory": (
        HEAD + "tasks:\n  t:\n    params: {o: {generated: ../x}}\n    command: echo\n",
        "4:",
        ["'../x'", "director"],
    ),
    "an input file inside an input file": (
        HEAD + "tasks:\n  t:\n    files: {a: {content: x}, a/b: {content: y}}\n    command: echo\n",
        "4:30",
        ["'a/b'", "'a'"],
    ),
    "a generated file that is one of the job's own": (
        HEAD + "tasks:\n  t:\n    params: {o: {generated: params.json}}\n    command: echo\n",
        "4:",
        ["'params.json'"],
    ),
    "a sweep of 10^12 combinations": (
        HEAD
        + "tasks: {t: {params: {a: int, b: int, c: int}, command: 'echo'}}\nplan:\n  s:\n    task: t\n    sweep:\n"
        + "".join(f"      {name}: {{range: [0, 10000]}}\n" for name in "abc"),
        "",
        ["'s'", "1000000000000"],
    ),
    "a parameter called type": (HEAD + "configs: {c: {params: {type: int}}}\n", "2:24", ["'type'"]),
    "a memory size without a unit": (
        HEAD + "tasks:\n  t:\n    requirements: cpu(mem=2)\n    command: echo\n",
        "4:",
        ["2", "G"],
    ),
    "a requirement that is none": (
        HEAD + "tasks:\n  t:\n    requirements: gpus(mem=2G)\n    command: echo\n",
        "4:",
        ["gpus", "gpu"],
    ),
    "a reference to nothing": (
        START
        + "  u: {params: {runs: 'list[t]'}, command: 'echo'}\nplan:\n  s: {task: t, sweep: {n: [1, 2]}}\n"
        + "  z: {task: u, params: {runs: {all: s, where: {n: 7}}}}\n",
        "9:",
        ["allow_empty"],
    ),
    "an id that is missing": (ECHO + "plan: {s: {task: t, params: {n: 1}}}\n", "1:1", ["id"]),
    "a shell variable that is a value of the configuration": (
        HEAD + "rate: 3\ntasks:\n  t:\n    command: echo ${rate}\n",
        "5:",
        ["{{config.rate}}"],
    ),
    "parent and imports together": (HEAD + "parent: x.yaml\nimports: [y.yaml]\n", "3:", ["parent"]),
    "a launcher that does not exist": (HEAD + "launcher: loca\n" + ECHO + "plan: {s: {task: t, params: {n: 1}}}\n", "2:11", ["'loca'", "did you mean 'local'"]),
    "a launcher of a step that does not exist": (START + "plan: {s: {task: t, params: {n: 1}, launcher: loca}}\n", "6:47", ["'loca'"]),
    "a tag that runs into a bracket": (START + "plan: {s: {task: t, params: {n: !remove}}}\n", "6:", ["{key: !remove }"]),
    "a block scalar that begins in the line of its sign": (HEAD + "tasks:\n  t:\n    command: | echo\n", "4:16", ["next line"]),
    "an enum with an empty name": (HEAD + "enums: {E: [A, '']}\n", "2:16", ["'E'"]),
    "a foreign tag of YAML": (HEAD + "x: !python/object a\n", "2:4", ["!python/object"]),
}


class BadInput(xpmtest.Case):
    def expect(self, words, place, has):
        before = self.snapshot()
        result = self.run_experiment(*words, status=2)
        self.assertEqual(result.out, "")
        lines = result.err.splitlines()
        self.assertEqual(sum(line.startswith("xpm: ") and "warning" not in line for line in lines), 1, result.err)
        self.expect_match(place, result.err)
        for word in has:
            self.assertIn(word, result.err)
        self.assertEqual(self.snapshot(), before, "something was written")

    def test_every_wrong_file_gets_one_message_with_place_and_remedy(self):
        for name, (text, place, has) in WRONG.items():
            with self.subTest(name):
                self.write("e.yaml", text)
                pattern = r"e\.yaml:" + (place + (":" if not place.endswith(":") else "") if place else r"\d+:\d+:")
                self.expect(["e.yaml"], pattern, has)

    def test_a_circle_of_imports_prints_the_chain(self):
        self.write("a.yaml", "id: a\nparent: b.yaml\n")
        self.write("b.yaml", "imports: [c.yaml]\n")
        self.write("c.yaml", "parent: a.yaml\n")
        self.expect(["a.yaml"], r"\.yaml:\d+:\d+: ", ["a.yaml", "b.yaml", "c.yaml"])

    def test_a_plan_in_code_that_fails_is_named_where_it_is_named(self):
        self.write("plan.sh", "#!/bin/sh\necho unlucky >&2\nexit 3\n", 0o755)
        self.write("e.yaml", "id: a\nfile: plan.sh\n")
        self.expect(["e.yaml"], r"e\.yaml:2:7: ", ["plan.sh", "status 3", "unlucky"])

    def test_words_after_a_file_without_a_program(self):
        self.write("e.yaml", START + "plan: {s: {task: t, params: {n: 1}}}\n")
        self.expect(["e.yaml", "--run-mode", "dry-run"], r"--run-mode", ["options stand before the file"])

    def test_a_missing_parent_is_named_where_it_is_named(self):
        self.write("a.yaml", "id: a\nparent: b.yaml\n")
        self.expect(["a.yaml"], r"a\.yaml:2:9: ", ["b.yaml"])

    def test_a_file_that_is_not_utf8(self):
        self.write("e.yaml", b"id: a\ntitle: caf\xe9\n")
        self.expect(["e.yaml"], r"e\.yaml:2:11: ", ["UTF-8"])

    def test_a_file_of_100_megabytes(self):
        with open(self.here / "e.yaml", "wb") as file:
            file.truncate(100 << 20)
        self.expect(["e.yaml"], r"e\.yaml", ["MiB"])

    def test_an_alias_bomb(self):
        text = "id: a\na: &a [x, x, x, x, x, x, x, x, x, x]\n"
        for previous, name in zip("abcdefgh", "bcdefghi"):
            text += f"{name}: &{name} [" + ", ".join([f"*{previous}"] * 10) + "]\n"
        self.write("e.yaml", text)
        self.expect(["e.yaml"], r"e\.yaml:\d+:\d+: ", ["alias"])

    def test_a_file_that_does_not_exist(self):
        result = self.run_experiment("nothing.yaml", status=2)
        self.assertIn("nothing.yaml", result.err)

    def test_a_wrong_setting_of_the_command_line_is_named(self):
        self.write("e.yaml", START + "plan: {s: {task: t, params: {n: 1}}}\n")
        self.expect(["-c", "plan.s.params.n=one", "e.yaml"], r"-c", ["'one'", "int"])


class BadWorkspace(xpmtest.Case):
    FILE = START + "plan: {s: {task: t, params: {n: 1}}}\n"

    def expect(self, workspace, word):
        self.write("e.yaml", self.FILE)
        result = self.xpm("run-experiment", "--workdir", workspace, "e.yaml", status=3)
        self.assertIn(str(word), result.err)

    def test_a_workspace_that_is_a_file(self):
        self.expect(self.write("file", ""), self.here / "file")

    def test_a_workspace_where_nothing_can_be_made(self):
        self.expect("/proc/xpm", "/proc/xpm")

    def in_small_filesystem(self, script):
        """Run SCRIPT where `mnt` is a small tmpfs of its own."""
        (self.here / "mnt").mkdir()
        probe = self.command("unshare", "-Urm", "mount", "-t", "tmpfs", "-o", "size=64k", "none", "mnt")
        if probe.status != 0:
            self.skipTest("no namespaces here")
        mount = "mount -t tmpfs -o size=64k,nr_inodes=8 none mnt"
        return self.command("unshare", "-Urm", "sh", "-c", f"{mount} && {script}")

    def test_a_workspace_that_is_full(self):
        self.write("e.yaml", self.FILE)
        result = self.in_small_filesystem(f"exec {xpmtest.XPM} run-experiment --workdir mnt e.yaml")
        self.assertEqual(result.status, 3, result)
        self.assertIn(f"{self.here}/mnt", result.err)
        self.assertIn("no space left", result.err)

    def test_a_workspace_that_is_read_only(self):
        self.write("e.yaml", self.FILE)
        result = self.in_small_filesystem(
            f"mount -o remount,ro mnt && exec {xpmtest.XPM} run-experiment --workdir mnt e.yaml"
        )
        self.assertEqual(result.status, 3, result)
        self.assertIn(f"{self.here}/mnt", result.err)
        self.assertIn("read-only", result.err)


class BadCommand(xpmtest.Case):
    """A command that cannot be started fails its own job, with the words in its error log, and nothing else."""

    def expect(self, task, words):
        self.write("e.yaml", f"id: a\ntasks:\n  bad:\n{task}  good:\n    command: echo fine\nplan:\n  b: {{task: bad}}\n  g: {{task: good}}\n")
        self.run_experiment("e.yaml", status=1)
        (bad,) = self.job_directories("bad")
        (good,) = self.job_directories("good")
        self.assertTrue((good / "good.done").exists())
        self.assertTrue((bad / "bad.failed").exists())
        log = (bad / "bad.err").read_text()
        for word in words:
            self.assertIn(word, log)
        return bad

    def test_a_missing_command(self):
        self.expect("    command: [/no/such/program, x]\n", ["/no/such/program", "no such file"])

    def test_a_missing_command_on_the_path(self):
        self.expect("    command: [xpm-surely-missing]\n", ["xpm-surely-missing"])

    def test_a_command_that_is_not_executable(self):
        self.write("data.txt", "x", 0o644)
        self.expect('    command: ["{{experiment.dir}}/data.txt"]\n', ["data.txt", "permission denied"])

    def test_a_directory_that_is_gone(self):
        bad = self.expect('    command: [/bin/pwd]\n    cwd: "{{experiment.dir}}/gone"\n', ["gone", "no such file"])
        self.assertEqual((bad / "bad.out").read_text(), "")


if __name__ == "__main__":
    unittest.main()
