"""The plan language, paragraph by paragraph of docs/reference/experiment-file.md: a file, and the jobs that it means."""
import json
import shlex
import unittest

import xpmtest

TASK = """\
id: p
configs:
  m: {params: {k: {type: int, default: 0}}}
  deep: {extends: m, params: {layers: int}}
tasks:
  t:
    params:
      a: {type: int, default: 0}
      b: {type: str, default: x}
      f: {type: float, default: 0.0}
      c: {type: m?}
    command: echo
  u:
    params: {of: t, n: {type: int, default: 0}}
    command: echo
  l:
    params: {of: "list[t]", second: {type: "list[t]", default: []}}
    command: echo
  pair:
    params: {one: u, two: u}
    command: echo
plan:
"""


class Language(xpmtest.Case):
    def plan(self, text, *words, head=TASK):
        self.write("e.yaml", head + text)
        return self.dry(*words, "e.yaml")

    def tags(self, text, step=None, **more):
        return [job["tags"] for job in self.plan(text, **more) if step in (None, job["step"])]

    def values(self, params, text, *words):
        """The params of the only job of a task with the declared PARAMS."""
        head = f"id: p\ntasks: {{t: {{params: {params}, command: echo}}}}\nplan: {{s: {{task: t, params: {{{text}}}}}}}\n"
        (job,) = self.plan("", *words, head=head)
        return {name: value for name, value in job["params"].items() if name != "type"}

    def rendered(self, params, values, command):
        """What COMMAND is, for a task with PARAMS and their VALUES."""
        head = f"id: p\ntasks:\n  t:\n    params: {params}\n    command: |\n      {command}\nplan: {{s: {{task: t, params: {values}}}}}\n"
        (job,) = self.plan("", head=head)
        return job["command"].rstrip("\n")


class Declarations(Language):
    def test_one_file_that_two_parameters_generate_is_warned_of(self):
        self.write("e.yaml", "id: p\ntasks: {t: {params: {a: {generated: x}, b: {generated: x}}, command: echo}}\nplan: {s: {task: t}}\n")
        result = self.command(xpmtest.XPM, "run-experiment", "--run-mode", "dry-run", "--workdir", self.workspace, "e.yaml")
        self.assertEqual(result.status, 0, result)
        self.assertIn("e.yaml:2:41: 'a' and 'b' are both generated as 'x', so that one is written over the other", result.err)


class Scalars(Language):
    def test_text_is_taken_as_written(self):
        for text in ("no", "010", "2026-01-01", "1e-3", "yes", "null", "~", "1:30", "true"):
            self.assertEqual(self.values("{x: str}", f"x: {text}"), {"x": text})

    def test_what_is_no_number_without_a_type_runs(self):
        head = "id: p\ntasks: {t: {params: {f: float, s: str}, command: 'echo {{f}} {{s}}'}}\n"
        self.write("e.yaml", head + "plan: {s: {task: t, params: {f: 12345678901234567890, s: 12e4567}}}\n")
        self.run_experiment("e.yaml")
        (job,) = self.job_directories("t")
        self.assertEqual((job / "t.out").read_text(), "1.2345678901234567e+19 12e4567\n")
        shown = json.loads(self.xpm("run-experiment", "--show", "e.yaml").out)
        self.assertEqual(shown["plan"]["s"]["params"], {"f": "12345678901234567890", "s": "12e4567"})

    def test_ints(self):
        for text, value in (("010", 10), ("0x10", 16), ("0o17", 15), ("-3", -3), ("+4", 4), ("9223372036854775807", 2**63 - 1)):
            self.assertEqual(self.values("{x: int}", f"x: {text}"), {"x": value})

    def test_floats(self):
        for text, value in (("1e-3", 0.001), (".5", 0.5), ("5.", 5.0), ("-1E+2", -100.0), (".inf", "inf"), ("-.inf", "-inf"), ("3", 3.0)):
            found = self.values("{x: float}", f"x: {text}")["x"]
            self.assertEqual((found, type(found)), (value, type(value)))

    def test_nulls(self):
        self.assertEqual(self.values("{x: int?, y: str?, z: int?}", "x: null, y: ~"), {"x": None, "y": None, "z": None})

    def test_quoted_text_and_json(self):
        self.assertEqual(self.values("{x: str, l: 'list[str]'}", 'x: "1", "l": ["\\ud83d\\ude00", "a\\tb"]'), {"x": "1", "l": ["😀", "a\tb"]})

    def test_merge_keys_stand_first_and_lose(self):
        head = "id: p\nbase: &base {a: 1, b: 2}\ntasks: {t: {params: {a: int, b: int}, command: echo}}\nplan: {s: {task: t, params: {<<: *base, b: 3}}}\n"
        (job,) = self.plan("", head=head)
        self.assertEqual((job["params"]["a"], job["params"]["b"]), (1, 3))


class Layers(Language):
    def show(self, *words):
        return json.loads(self.run_experiment("--show", *words).out)

    def test_parents_imports_and_their_order(self):
        self.write("sub/a.yaml", "x: a\ny: a\nz: {deep: 1, list: [1]}\n")
        self.write("sub/b.yaml", "parent: a.yaml\ny: b\n")
        self.write("e.yaml", "id: e\nimports: [sub/b.yaml]\nz: {more: 2, list: [2]}\nw: 1\n")
        shown = self.show("e.yaml")
        self.assertEqual((shown["x"], shown["y"], shown["z"]), ("a", "b", {"deep": 1, "list": [2], "more": 2}))

    def test_types_references_ranges_and_tags_replace(self):
        self.write("a.yaml", "m: {type: A, x: 1}\nr: {range: [0, 3]}\nk: {a: 1}\ngone: 1\nsame: {type: A, x: 1}\nref: {each: s}\n")
        self.write(
            "e.yaml", "id: e\nparent: a.yaml\nm: {type: B, y: 2}\nr: {linspace: [0, 1, 2]}\nk: !replace {b: 2}\ngone: !remove\nsame: {y: 2}\nref: {all: t}\n"
        )
        shown = self.show("e.yaml")
        self.assertEqual(shown["m"], {"type": "B", "y": 2})
        self.assertEqual(shown["r"], {"linspace": [0, 1, 2]})
        self.assertEqual(shown["k"], {"b": 2})
        self.assertNotIn("gone", shown)
        self.assertEqual(shown["same"], {"type": "A", "x": 1, "y": 2})
        self.assertEqual(shown["ref"], {"all": "t"})

    def test_settings_of_the_command_line(self):
        self.write("e.yaml", "id: e\nl: [{x: 1}, {x: 2}]\na.b: {c: 1}\n")
        shown = self.show("-c", "l.1.x=5", "-c", "a.b.c=[1, two]", "-c", "new.deep=x=y", "e.yaml")
        self.assertEqual((shown["l"], shown["a.b"], shown["new"]), ([{"x": 1}, {"x": 5}], {"c": [1, "two"]}, {"deep": "x=y"}))

    def test_params_over_a_sweep_of_a_lower_layer(self):
        self.write("a.yaml", TASK + "  s: {task: t, sweep: {a: [1, 2]}}\n")
        self.write("e.yaml", "id: e\nparent: a.yaml\nplan: {s: {params: {a: 5}}}\n")
        result = self.run_experiment("e.yaml", status=2)
        self.expect_match(r"e\.yaml:3:\d+: .*sweep", result.err)

    def test_an_id_of_the_parent_only_gets_a_warning(self):
        self.write("a.yaml", TASK + "  s: {task: t}\n")
        self.write("e.yaml", "parent: a.yaml\n")
        self.assertIn("warning", self.run_experiment("--run-mode", "dry-run", "e.yaml").err)

    def test_a_key_that_nothing_reads_gets_a_warning(self):
        self.write("e.yaml", TASK + "  s: {task: t}\nunread: 1\n")
        self.expect_match("warning.*'unread'", self.run_experiment("--run-mode", "dry-run", "e.yaml").err)

    def test_what_an_alias_reads_is_read(self):
        self.write("e.yaml", "base: &base {a: 1}\nunread: {<<: *base}\nlist: [&one 1]\n" + TASK + "  s: {task: t, params: {<<: *base, f: *one}}\n")
        err = self.run_experiment("--run-mode", "dry-run", "e.yaml").err
        self.assertIn("'unread'", err)
        self.assertNotIn("'base'", err)
        self.assertNotIn("'list'", err)


class Interpolation(Language):
    def test_types_text_environment_and_escapes(self):
        self.write(
            "e.yaml",
            'id: e\na: {n: 5, l: [1, 2], d: {k: v}}\nwhole: ${a.n}\nquoted: "${a.l}"\ntree: ${a.d}\ninside: x-${a.n}-y\n'
            "home: ${oc.env:HOME}\nnone: ${oc.env:XPM_SURELY_UNSET,7}\nplain: a\\${b}\n",
        )
        shown = json.loads(self.run_experiment("--show", "e.yaml").out)
        self.assertEqual((shown["whole"], shown["quoted"], shown["tree"], shown["inside"]), (5, [1, 2], {"k": "v"}, "x-5-y"))
        self.assertEqual((shown["home"], shown["none"], shown["plain"]), (str(self.home), 7, "a${b}"))

    def test_none_inside_commands_and_environments(self):
        head = "id: p\nn: 4\nenv: {A: '${HOME}'}\ntasks: {t: {params: {n: int}, env: {B: '${A}'}, command: 'echo ${HOME}'}}\nplan: {s: {task: t, params: {n: '${n}'}}}\n"
        (job,) = self.plan("", head=head)
        self.assertEqual((job["command"], job["params"]["n"]), ("echo ${HOME}", 4))


class Types(Language):
    def test_defaults_and_subtypes(self):
        (job,) = self.plan("  s: {task: t, params: {c: {type: deep, layers: 3}}}\n")
        self.assertEqual(job["params"]["c"], {"type": "deep", "k": 0, "layers": 3})
        (job,) = self.plan("  s: {task: t, params: {c: {k: 2}}}\n")
        self.assertEqual(job["params"]["c"], {"type": "m", "k": 2})

    def test_members_of_an_enum_have_the_names_of_what_they_stand_for(self):
        head = "id: p\nenums: {E: [l-bfgs, 8bit, É x]}\ntasks: {t: {params: {e: E}, command: 'echo {{e}}'}}\nplan: {s: {task: t, sweep: {e: [É x, 8bit, l-bfgs]}}}\n"
        jobs = self.plan("", head=head)
        self.assertEqual([job["params"]["e"] for job in jobs], ["É x", "8bit", "l-bfgs"])
        self.assertEqual([job["command"] for job in jobs], ["echo 'É x'", "echo 8bit", "echo l-bfgs"])

    def test_collections(self):
        found = self.values(
            "{l: 'list[float]', s: 'set[int]', d: 'dict[int, str]', n: 'list[int?]'}", "l: [1, 2.5], s: [2, 1, 2], d: {\"1\": a, 2: b}, n: [1, null]"
        )
        self.assertEqual((found["l"], sorted(found["s"]), found["d"], found["n"]), ([1.0, 2.5], [1, 2], {"1": "a", "2": "b"}, [1, None]))

    def test_paths_are_relative_to_where_they_are_written(self):
        self.write("sub/a.yaml", "tasks: {t: {params: {p: {type: path, meta: true}, q: {type: path, meta: true}}, command: echo}}\nplan: {s: {task: t, params: {p: x/../y}}}\n")
        self.write("e.yaml", "id: e\nparent: sub/a.yaml\n")
        (self.here / "elsewhere").mkdir()
        (job,) = self.xpm(
            "run-experiment", "--workdir", "ws", "--run-mode", "dry-run", "--json", "-c", "plan.s.params.q=z", "../e.yaml", cwd=self.here / "elsewhere"
        ).objects()
        self.assertEqual(job["params"]["p"], str(self.here / "sub/y"))
        self.assertEqual(job["params"]["q"], str(self.here / "elsewhere/z"))

    def identifier(self, params, values):
        head = f"id: p\ntasks: {{t: {{params: {{{params}}}, command: echo}}}}\nplan: {{s: {{task: t, params: {{{values}}}}}}}\n"
        (job,) = self.plan("", head=head)
        return job["job_id"]

    def test_what_is_part_of_the_identifier(self):
        base = self.identifier("a: int", "a: 1")
        self.assertEqual(self.identifier("a: int, b: {type: int, default: 2, ignore_default: true}", "a: 1"), base)
        self.assertNotEqual(self.identifier("a: int, b: {type: int, default: 2, ignore_default: true}", "a: 1, b: 3"), base)
        self.assertNotEqual(self.identifier("a: int, b: {type: int, default: 2}", "a: 1"), base)
        self.assertEqual(self.identifier("a: int, b: {type: int, meta: true}", "a: 1, b: 7"), base)
        self.assertEqual(self.identifier("a: int, g: {generated: out}", "a: 1"), base)
        self.assertEqual(self.identifier("a: int, o: int?", "a: 1"), base)
        self.assertNotEqual(self.identifier("a: int, v: {constant: 1}", "a: 1"), base)
        self.assertNotEqual(self.identifier("a: int, v: {constant: 1}", "a: 1"), self.identifier("a: int, v: {constant: 2}", "a: 1"))


class Templates(Language):
    def test_values_in_a_shell_command(self):
        for kind, value, text in (
            ("str", '"a b"', "'a b'"),
            ("str", "plain-1.0", "plain-1.0"),
            ("str", '""', "''"),
            ("float", "1e-5", "1e-05"),
            ("float", "1", "1.0"),
            ("float", "0.0001", "0.0001"),
            ("bool", "true", "true"),
            ("'list[str]'", "[a, b c]", "a 'b c'"),
        ):
            self.assertEqual(self.rendered(f"{{x: {kind}}}", f"{{x: {value}}}", "echo {{x}}"), f"echo {text}")
        self.assertEqual(self.rendered("{x: str}", '{x: "a b"}', "echo {{{x}}} {{&x}}"), "echo a b a b")

    def test_sections(self):
        command = "echo {{#b}}yes{{/b}}{{^b}}no{{/b}} {{#l}}:{{.}}:{{/l}}{{! a comment }} {{#n}}n={{.}}{{/n}}"
        self.assertEqual(self.rendered("{b: bool, l: 'list[int]', n: int}", "{b: true, l: [1, 2], n: 0}", command), "echo yes :1::2: n=0")
        self.assertEqual(self.rendered("{b: bool, l: 'list[int]', n: int?}", "{b: false, l: []}", command), "echo no  ")

    def test_names_of_the_job_and_around_it(self):
        self.env["GIVEN"] = "v"
        head = (
            "id: p\nvalue: 7\ntasks:\n  t:\n    params: {n: int}\n    requirements: cpu(cores=3, mem=1G)\n"
            "    command: [x, '{{job.path}}', '{{job.id}}', '{{job.task}}', '{{experiment.id}}', '{{experiment.dir}}', '{{workspace.path}}',"
            " '{{config.value}}', '{{env.GIVEN}}', '{{tags.n}}', '{{resources.cores}}', '{{xpm.env.GIVEN}}', '{{job.stdout}}']\n"
            "plan: {s: {task: t, sweep: {n: [5]}}}\n"
        )
        (job,) = self.plan("", head=head)
        self.assertEqual(
            shlex.split(job["command"]),
            ["x", job["path"], job["job_id"], "t", "p", str(self.here), str(self.workspace), "7", "v", "5", "3", "v", job["path"] + "/t.out"],
        )

    def test_list_commands_expand_and_drop_items(self):
        head = (
            "id: p\ntasks: {t: {params: {l: 'list[str]', b: bool}, command: [x, '{{l}}', '{{#b}}--b{{/b}}', '', 'a{{l}}']}}\n"
            "plan: {s: {task: t, params: {l: [p q, r], b: false}}}\n"
        )
        (job,) = self.plan("", head=head)
        self.assertEqual(shlex.split(job["command"]), ["x", "p q", "r", "", "ap q r"])

    def test_a_job_around_a_tag_comes_before_a_parameter_of_that_name(self):
        jobs = self.plan(
            "",
            head="id: p\ntasks:\n  make: {params: {n: int}, command: 'true'}\n"
            "  use: {params: {m: make, job: str}, command: [x, '{{job}}', '{{#m}}{{job.path}}{{/m}}', '{{xpm.job.id}}']}\n"
            "plan:\n  make: {task: make, params: {n: 1}}\n  use: {task: use, params: {m: {each: make}, job: mine}}\n",
        )
        self.assertEqual(shlex.split(jobs[1]["command"]), ["x", "mine", jobs[0]["path"], jobs[1]["job_id"]])

    def test_other_jobs(self):
        jobs = self.plan(
            "",
            head="id: p\ntasks:\n  make: {params: {n: int, o: {generated: out.txt}}, command: 'true'}\n"
            "  use: {params: {m: make, n: int}, command: [x, '{{m.n}}', '{{m.o}}', '{{m.job.path}}', '{{#m}}{{n}} {{self.n}}{{/m}}']}\n"
            "plan:\n  make: {task: make, params: {n: 1}}\n  use: {task: use, params: {m: {each: make}, n: 2}}\n",
        )
        path = jobs[0]["path"]
        self.assertEqual(shlex.split(jobs[1]["command"]), ["x", "1", f"{path}/out.txt", path, "1 2"])


class Sweeps(Language):
    def test_product_with_the_last_fastest(self):
        self.assertEqual(
            self.tags("  s: {task: t, sweep: {a: [1, 2], b: [x, y]}}\n"),
            [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"}],
        )

    def test_ranges(self):
        for text, wanted in (
            ("{range: [0, 3]}", [0, 1, 2]),
            ("{range: [1, 8, 3]}", [1, 4, 7]),
            ("{range: [3, 0, -1]}", [3, 2, 1]),
            ("{range_mult: [1, 4, 2]}", [1, 2, 4, 8]),
            ("{linspace: [0, 10, 3]}", [0, 5, 10]),
            ("{logspace: [0, 2, 3]}", [1, 10, 100]),
            ("7", [7]),
        ):
            self.assertEqual([tag["a"] for tag in self.tags(f"  s: {{task: t, sweep: {{a: {text}}}}}\n")], wanted, text)
        for text, wanted in (
            ("{range: [0, 0.3, 0.1]}", [0.0, 0.1, 0.2]),
            ("{linspace: [0, 0.3, 4]}", [0.0, 0.3 / 3, 2 * (0.3 / 3), 0.3]),
            ("{linspace: [5, 6, 1]}", [5.0]),
            ("{logspace: [-2, 0, 3]}", [0.01, 0.1, 1.0]),
        ):
            self.assertEqual([tag["f"] for tag in self.tags(f"  s: {{task: t, sweep: {{f: {text}}}}}\n")], wanted, text)

    def test_zip_stands_where_its_first_member_stands(self):
        self.assertEqual(
            [(tag["a"], tag["b"], tag["f"]) for tag in self.tags("  s: {task: t, sweep: {a: [1, 2], f: [0.5, 1.5], b: [x, y]}, zip: [[a, b]]}\n")],
            [(1, "x", 0.5), (1, "x", 1.5), (2, "y", 0.5), (2, "y", 1.5)],
        )

    def test_one_of_has_the_name_as_tag(self):
        jobs = self.plan("  s: {task: t, sweep: {c: {one_of: {flat: {k: 1}, deep: {type: deep, layers: 2}}}}}\n")
        self.assertEqual([job["tags"] for job in jobs], [{"c": "flat"}, {"c": "deep"}])
        self.assertEqual(jobs[1]["params"]["c"], {"type": "deep", "k": 0, "layers": 2})

    def test_a_path_into_an_absent_config_starts_from_an_empty_one(self):
        jobs = self.plan("  s: {task: t, sweep: {c.k: [3, 4]}}\n")
        self.assertEqual([(job["tags"], job["params"]["c"]["k"]) for job in jobs], [({"c.k": 3}, 3), ({"c.k": 4}, 4)])

    def test_a_list_of_sweeps_is_their_union(self):
        self.assertEqual(
            [(job["params"]["a"], job["params"]["b"]) for job in self.plan("  s: {task: t, sweep: [{a: [1, 2]}, {a: [2, 3], b: [y]}]}\n")],
            [(1, "x"), (2, "x"), (2, "y"), (3, "y")],
        )

    def test_exclude(self):
        def left(exclude):
            text = f"  s: {{task: t, sweep: {{a: [1, 2], b: [x, y], c: [{{k: 1}}, {{type: deep, layers: 2}}]}}, exclude: {exclude}}}\n"
            return len(self.plan(text))

        self.assertEqual(left("[]"), 8)
        self.assertEqual(left("[{a: 1}]"), 4)
        self.assertEqual(left("[{a: 1.0, b: x}]"), 6)
        self.assertEqual(left("[{a: [1, 2], b: y}]"), 4)
        self.assertEqual(left("[{c: {layers: 2}}]"), 4)
        self.assertEqual(left("[{a: [1, 2]}]"), 0)

    def test_an_exclusion_that_matches_nothing_gets_a_warning(self):
        self.write("e.yaml", TASK + "  s: {task: t, sweep: {a: [1, 2]}, exclude: [{a: 7}]}\n")
        self.expect_match("warning.*exclude", self.run_experiment("--run-mode", "dry-run", "e.yaml").err)

    def test_include_follows_and_takes_the_rest_from_params(self):
        jobs = self.plan("  s: {task: t, params: {b: p}, sweep: {a: [1, 2]}, exclude: [{a: 2}], include: [{a: 2, b: q}, {a: 9}]}\n")
        self.assertEqual([(job["params"]["a"], job["params"]["b"]) for job in jobs], [(1, "p"), (2, "q"), (9, "p")])

    def test_equal_combinations_are_one_job(self):
        self.assertEqual(len(self.plan("  s: {task: t, sweep: {a: [1, 1, 2]}}\n  z: {task: t, params: {a: 2}}\n")), 2)

    def test_a_meta_parameter_that_differs_gets_a_warning(self):
        head = "id: p\ntasks: {t: {params: {n: int, v: {type: int, meta: true}}, command: 'echo {{v}}'}}\nplan:\n"
        self.write("e.yaml", head + "  s: {task: t, params: {n: 1, v: 1}}\n  z: {task: t, params: {n: 1, v: 2}}\n")
        self.expect_match("warning", self.run_experiment("--run-mode", "dry-run", "e.yaml").err)
        (job,) = self.dry("e.yaml")
        self.assertEqual(job["command"], "echo 1")


class References(Language):
    BASE = "  s: {task: t, sweep: {a: [1, 2], b: [x, y]}}\n"

    def test_each_is_slower_than_sweeps(self):
        jobs = self.plan("  s: {task: t, sweep: {a: [1, 2]}}\n  z: {task: u, params: {of: {each: s}}, sweep: {n: [5, 6]}}\n")
        found = [(job["params"]["of"]["a"], job["params"]["n"]) for job in jobs if job["step"] == "z"]
        self.assertEqual(found, [(1, 5), (1, 6), (2, 5), (2, 6)])

    def test_each_with_where(self):
        jobs = self.plan(self.BASE + "  z: {task: u, params: {of: {each: s, where: {a: 2, b: [x, w]}}}}\n")
        self.assertEqual([(job["params"]["of"]["a"], job["params"]["of"]["b"]) for job in jobs if job["step"] == "z"], [(2, "x")])

    def lists(self, text, name="of"):
        return [[(of["a"], of["b"]) for of in job["params"][name]] for job in self.plan(self.BASE + text) if job["task_id"] == "l"]

    def test_all_and_by(self):
        self.assertEqual(self.lists("  z: {task: l, params: {of: {all: s}}}\n"), [[(1, "x"), (1, "y"), (2, "x"), (2, "y")]])
        self.assertEqual(self.lists("  z: {task: l, params: {of: {all: s, by: [b]}}}\n"), [[(1, "x"), (2, "x")], [(1, "y"), (2, "y")]])
        self.assertEqual(self.lists("  z: {task: l, params: {of: {all: s, by: [a], where: {b: y}}}}\n"), [[(1, "y")], [(2, "y")]])
        self.assertEqual(self.lists("  z: {task: l, params: {of: {all: s, where: {a: 3}, allow_empty: true}}}\n"), [[]])

    def test_tags_of_a_list_are_those_on_which_all_agree(self):
        jobs = self.plan(self.BASE + "  z: {task: l, params: {of: {all: s, by: [b]}}}\n")
        self.assertEqual([job["tags"] for job in jobs if job["step"] == "z"], [{"of.b": "x"}, {"of.b": "y"}])

    def test_two_lists_are_matched_on_the_tags_that_both_name(self):
        text = "  z: {task: l, params: {of: {all: s, by: [b]}, second: {all: s, by: [b]}}}\n"
        self.assertEqual(self.lists(text), self.lists(text, "second"))
        self.assertEqual(len(self.lists(text)), 2)
        self.assertEqual(len(self.lists("  z: {task: l, params: {of: {all: s, by: [b]}, second: {all: s, by: [a]}}}\n")), 4)

    def test_several_steps(self):
        text = "  s2: {task: t, sweep: {a: [7]}}\n  z: {task: l, params: {of: {all: [s2, s]}}}\n"
        self.assertEqual([of[0] for of in self.lists(text)[0]], [7, 1, 1, 2, 2])

    PAIRS = "  s: {task: t, sweep: {a: [1, 2]}}\n  v: {task: u, params: {of: {each: s}}, sweep: {n: [5, 6]}}\n"

    def pairs(self, match):
        text = self.PAIRS + f"  z: {{task: pair, params: {{one: {{each: v}}, two: {{each: v}}}}{match}}}\n"
        return [(job["params"]["one"], job["params"]["two"]) for job in self.plan(text) if job["step"] == "z"]

    def test_several_each_multiply_or_match(self):
        self.assertEqual(len(self.pairs("")), 16)
        by_step = self.pairs(", match: [s]")
        self.assertEqual(len(by_step), 8)
        for one, two in by_step:
            self.assertEqual(one["of"]["a"], two["of"]["a"])
        by_tag = self.pairs(", match: [n]")
        self.assertEqual(len(by_tag), 8)
        for one, two in by_tag:
            self.assertEqual(one["n"], two["n"])

    def test_from_and_tag(self):
        jobs = self.plan(
            self.PAIRS + "  z: {task: u, params: {of: {each: s}, n: {tag: a}}}\n"
            "  y: {task: pair, params: {one: {each: v}, two: {from: one}}}\n"
        )
        self.assertEqual([job["params"]["n"] for job in jobs if job["step"] == "z"], [1, 2])
        for job in jobs:
            if job["step"] == "y":
                self.assertEqual(job["params"]["one"], job["params"]["two"])
                self.assertEqual(len(job["dependencies"]), 1)

    def test_dependencies_are_direct_and_after_counts(self):
        jobs = self.plan(self.PAIRS + "  w: {task: t, params: {a: 9}, after: [v]}\n")
        of = {f"{job['task_id']}/{job['job_id']}": job for job in jobs}
        for job in jobs:
            if job["step"] == "v":
                self.assertEqual([of[name]["step"] for name in job["dependencies"]], ["s"])
            if job["step"] == "w":
                self.assertEqual(len(job["dependencies"]), 4)

    def test_a_job_of_several_steps_waits_for_the_after_of_each(self):
        x, y = "  x: {task: t, params: {a: 7}}\n", "  y: {task: t, params: {a: 8}}\n"
        shared = ["  z: {task: t, sweep: {a: [1, 7]}}\n", "  v: {task: t, params: {a: 1}, after: [x]}\n", "  w: {task: t, params: {a: 1}, after: [y, z]}\n"]
        for steps in ([x, y, *shared], [*reversed(shared), y, x]):
            jobs = {f"t/{job['job_id']}": job for job in self.plan("".join(steps))}
            waits = {job["params"]["a"]: sorted(jobs[name]["params"]["a"] for name in job["dependencies"]) for job in jobs.values()}
            self.assertEqual(waits, {1: [7, 8], 7: [], 8: []})

    def test_after_is_not_part_of_the_identifier(self):
        first = self.plan("  s: {task: t, params: {a: 1}}\n  w: {task: t, params: {a: 9}, after: [s]}\n")
        second = self.plan("  s: {task: t, params: {a: 1}}\n  w: {task: t, params: {a: 9}}\n")
        self.assertEqual([job["job_id"] for job in first], [job["job_id"] for job in second])

    def test_steps_in_any_order(self):
        jobs = self.plan("  z: {task: u, params: {of: {each: s}}}\n  s: {task: t, sweep: {a: [1, 2]}}\n")
        self.assertEqual([job["step"] for job in jobs], ["z", "z", "s", "s"])

    def test_parameters_with_names_of_references(self):
        head = "id: p\ntasks: {t: {params: {n: int}, command: echo}, l: {params: {all: 'list[t]'}, command: echo}}\nplan:\n"
        jobs = self.plan("  s: {task: t, sweep: {n: [1, 2]}}\n  z: {task: l, params: {all: {all: s}}}\n", head=head)
        self.assertEqual([len(job["dependencies"]) for job in jobs], [0, 0, 2])

    def test_more_tags(self):
        jobs = self.plan("  s: {task: t, params: {b: q}, sweep: {a: [1]}, tags: [b]}\n  z: {task: t, params: {a: 5}, tags: {kind: extra}}\n")
        self.assertEqual([job["tags"] for job in jobs], [{"a": 1, "b": "q"}, {"kind": "extra"}])


class NestedGenerated(xpmtest.Case):
    FILE = """\
id: n
configs:
  c: {params: {g: {generated: NAME}}}
  b: {params: {x: "list[c]?"}}
tasks:
  u: {params: {b: b}, command: echo}
plan:
  s: {task: u, params: {b: {}}}
"""

    def test_a_config_s_generated_file_is_none_of_the_jobs_own(self):
        self.write("e.yaml", self.FILE.replace("NAME", "u.out"))
        self.assertIn("e.yaml:6:6: ", self.run_experiment("--run-mode", "dry-run", "e.yaml", status=2).err)
        self.write("e.yaml", self.FILE.replace("NAME", "w.out"))
        self.run_experiment("--run-mode", "dry-run", "e.yaml")

    def test_a_config_s_generated_file_is_no_input_file(self):
        text = self.FILE.replace("command: echo", "command: echo, files: {in.txt: {content: x}}")
        self.write("e.yaml", text.replace("NAME", "in.txt"))
        error = self.run_experiment("--run-mode", "dry-run", "e.yaml", status=2).err
        self.assertIn("e.yaml:6:6: a job of 'u' has a 'in.txt' already, and 'c'", error)
        self.write("e.yaml", text.replace("NAME", "out.txt"))
        self.run_experiment("--run-mode", "dry-run", "e.yaml")


if __name__ == "__main__":
    unittest.main()
