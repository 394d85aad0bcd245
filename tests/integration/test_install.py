"""The installed tree can be moved, and is all that xpm and programs in C need."""
import re
import shutil
import subprocess
import unittest

import xpmtest

PROGRAM = """\
#include <experimaestro/experiment.h>
#include <stdio.h>

int main(int argc, char **argv)
{
        xpm_error err = XPM_ERROR_NONE;
        xpm_experiment *experiment;
        xpm_experiment_options options = {.file = argv[1], .workdir = argv[2]};
        if (argc != 3 || xpm_experiment_open(&options, &experiment, &err) != 0) {
                fprintf(stderr, "%s\\n", err.message);
                return 1;
        }
        printf("%s %zu\\n", xpm_experiment_id(experiment), xpm_experiment_job_count(experiment));
        xpm_experiment_close(experiment);
        return 0;
}
"""

RUNNER = """\
#include <experimaestro/experiment.h>
#include <stdio.h>

int main(int argc, char **argv)
{
        xpm_error err = XPM_ERROR_NONE;
        xpm_experiment *experiment;
        xpm_counts counts = {0};
        enum xpm_verdict verdict;
        xpm_experiment_options options = {.file = argv[1], .workdir = argv[2]};
        int rc = xpm_experiment_open(&options, &experiment, &err);
        if (rc == 0)
                rc = xpm_experiment_run(experiment, NULL, &counts, &verdict, &err);
        if (rc != 0) {
                fprintf(stderr, "%s\\n", err.message);
                return 1;
        }
        printf("%zu done\\n", counts.done);
        xpm_experiment_close(experiment);
        return 0;
}
"""

EXPERIMENT = "id: moved\ntasks: {t: {params: {n: int}, command: 'echo {{n}} > out', outputs: [out]}}\nplan: {s: {task: t, sweep: {n: [1, 2]}}}\n"


class Install(xpmtest.Case):
    def install(self):
        """Install to one place, move to another."""
        first, second = self.top / "first", self.top / "second place"
        result = self.command("cmake", "--install", xpmtest.BUILD, "--prefix", first)
        self.assertEqual(result.status, 0, result)
        first.rename(second)
        return second

    def sanitized(self):
        return "XPM_SANITIZE:STRING=\n" not in (xpmtest.BUILD / "CMakeCache.txt").read_text()

    def test_the_moved_tree_has_everything_and_runs(self):
        prefix = self.install()
        for name in (
            "bin/xpm",
            "lib/libexperimaestro.so",
            "lib/experimaestro/launchers/local.so",
            "lib/pkgconfig/experimaestro.pc",
            "include/experimaestro/experiment.h",
            "include/experimaestro/launcher.h",
            "include/experimaestro/task.h",
            "share/experimaestro/templates/body.sh",
            "share/experimaestro/templates/local.sh",
            "share/experimaestro/templates/slurm.sh",
            "share/experimaestro/examples/heat/heat.yaml",
            "share/experimaestro/completions/xpm.bash",
            "share/experimaestro/experiment.schema.json",
            "share/man/man1/xpm.1",
        ):
            self.assertTrue((prefix / name).exists(), name)
        moved = prefix / "bin" / "xpm"
        self.write("e.yaml", EXPERIMENT)
        result = self.command(moved, "run-experiment", "--workdir", self.workspace, "e.yaml")
        self.assertEqual(result.status, 0, result)
        for job in self.job_directories("t"):
            self.assertTrue((job / "t.done").exists())
        self.command("rm", "-rf", self.workspace)
        self.command(moved, "run-experiment", "--run-mode", "generate", "--workdir", self.workspace, "e.yaml")
        for job in self.job_directories("t"):
            text = (job / "t.sh").read_text()
            self.assertIn(str(moved), text.replace("'", "").replace("\\", ""))
            self.assertEqual(self.command("sh", job / "t.sh").status, 0)

    def test_an_executable_that_was_renamed_runs_itself(self):
        renamed = self.install() / "bin" / "xpm-old"
        (renamed.parent / "xpm").rename(renamed)
        self.write("e.yaml", EXPERIMENT)
        result = self.command(renamed, "run-experiment", "--workdir", self.workspace, "e.yaml")
        self.assertEqual(result.status, 0, result)
        self.command(renamed, "run-experiment", "--run-mode", "generate", "--workdir", "other", "e.yaml")
        scripts = list((self.here / "other" / "jobs" / "t").glob("*/t.sh"))
        self.assertEqual([self.command("sh", script).status for script in scripts], [0, 0])

    def test_nothing_in_it_names_the_build_tree(self):
        prefix = self.install()
        for path in prefix.rglob("*"):
            if path.is_file() and path.suffix in ("", ".so", ".pc", ".h"):
                dynamic = subprocess.run(["readelf", "-d", path], capture_output=True, text=True).stdout
                for line in dynamic.splitlines():
                    if "RPATH" in line or "RUNPATH" in line:
                        self.assertIn("$ORIGIN", line, f"{path}: {line}")

    def test_a_program_in_c_is_built_with_pkg_config(self):
        if self.sanitized():
            self.skipTest("a sanitized library needs a sanitized program")
        prefix = self.install()
        self.write("program.c", PROGRAM)
        self.write("e.yaml", EXPERIMENT)
        flags = self.command(
            "pkg-config", "--cflags", "--libs", "experimaestro", env={"PKG_CONFIG_PATH": str(prefix / "lib/pkgconfig")}
        )
        self.assertEqual(flags.status, 0, flags)
        build = self.command("sh", "-c", f"cc -o program program.c {flags.out}")
        self.assertEqual(build.status, 0, build)
        result = self.command("./program", "e.yaml", "ws", env={"LD_LIBRARY_PATH": str(prefix / "lib")})
        self.assertEqual((result.status, result.out), (0, "moved 2\n"), result)
        self.assertFalse(self.workspace.exists())

    def test_a_program_in_c_finds_xpm_beside_its_library_or_in_the_path(self):
        if self.sanitized():
            self.skipTest("a sanitized library needs a sanitized program")
        prefix = self.install()
        self.write("program.c", RUNNER)
        self.write("e.yaml", EXPERIMENT)
        include = f"-I{prefix}/include"
        build = self.command("cc", "-o", "program", "program.c", include, f"-L{prefix}/lib", "-lexperimaestro")
        self.assertEqual(build.status, 0, build)
        library = {"LD_LIBRARY_PATH": str(prefix / "lib")}
        (self.here / "xpm").mkdir()
        result = self.command("./program", "e.yaml", "one", env=library)
        self.assertEqual((result.status, result.out), (0, "2 done\n"), result)
        (prefix / "bin" / "xpm").rename(self.here / "xpm-bin")
        result = self.command("./program", "e.yaml", "two", env=library)
        self.assertEqual(result.status, 1, result)
        self.assertIn(f"'{prefix}/bin/xpm'", result.err)
        self.assertIn("PATH", result.err)
        (self.here / "bin").mkdir()
        (self.here / "xpm-bin").rename(self.here / "bin" / "xpm")
        path = f"relative:{self.here}:{self.here}/bin:{self.env['PATH']}"
        result = self.command("./program", "e.yaml", "two", env={**library, "PATH": path})
        self.assertEqual((result.status, result.out), (0, "2 done\n"), result)

    def test_a_static_build_is_one_file_that_runs_alone(self):
        if self.sanitized():
            self.skipTest("once is enough")
        build = self.top / "static"
        for words in (
            ["cmake", "-S", xpmtest.SOURCE, "-B", build, "-G", "Ninja", "-DXPM_STATIC=ON", "-DBUILD_TESTING=OFF"],
            ["cmake", "--build", build, "--target", "xpm"],
        ):
            result = self.command(*words)
            self.assertEqual(result.status, 0, result)
        alone = self.here / "xpm"
        shutil.copy(build / "bin" / "xpm", alone)
        shutil.rmtree(build)
        needed = re.findall(r"NEEDED.*\[(.*?)\.so", self.command("readelf", "-d", alone).out)
        self.assertLessEqual(set(needed), {"libc", "libm", "ld-linux-x86-64", "ld-linux-aarch64"})
        self.write("e.yaml", EXPERIMENT)
        result = self.command(alone, "run-experiment", "--workdir", self.workspace, "e.yaml")
        self.assertEqual(result.status, 0, result)

    def test_the_library_exports_what_the_public_headers_declare_and_nothing_else(self):
        declared = set()
        for header in (xpmtest.SOURCE / "src/include/experimaestro").glob("*.h"):
            declared |= set(re.findall(r"\bXPM_API\b[^;(]*?(xpm_\w+)\(", header.read_text()))
        library = xpmtest.BUILD / "lib" / "libexperimaestro.so"
        symbols = self.command("nm", "-D", "--defined-only", library).out
        exported = {line.split()[-1] for line in symbols.splitlines() if " T " in line}
        self.assertEqual(exported, declared)


class Completions(xpmtest.Case):
    def complete(self, *words):
        script = (
            f"source {xpmtest.SOURCE}/share/completions/xpm.bash; compopt() {{ :; }}; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1));"
            " _xpm; printf '%s\\n' \"${COMPREPLY[@]}\""
        )
        return self.command("bash", "-c", script, "bash", *words).out.split()

    def test_bash(self):
        self.assertEqual(self.complete("xpm", "run"), ["run-experiment"])
        self.assertEqual(self.complete("xpm", "jobs", "l"), ["list", "log"])
        self.assertEqual(self.complete("xpm", "run-experiment", "--run-mode", "d"), ["dry-run"])
        self.assertEqual(self.complete("xpm", "run-experiment", "--w"), ["--workdir", "--workspace", "--where"])
        self.write("e.yaml", "")
        self.assertEqual(self.complete("xpm", "run-experiment", "e"), ["e.yaml"])

    def test_every_shell_and_the_manual_know_every_option(self):
        manual = (xpmtest.SOURCE / "docs/man/xpm.1").read_text().replace("\\-", "-")
        for command in ("run-experiment", "experiments list", "jobs list", "jobs log", "jobs path"):
            options = set(re.findall(r"^  (?:-\w, )?(--[\w-]+)", self.xpm(*command.split(), "--help").out, re.M))
            self.assertIn("--workdir", options)
            for option in options - {"--help"}:
                self.assertIn(option, manual)
                for name in ("xpm.bash", "_xpm", "xpm.fish"):
                    text = (xpmtest.SOURCE / "share/completions" / name).read_text()
                    word = f"-l {option[2:]} " if name == "xpm.fish" else option
                    self.assertIn(word, text, name)

    def test_scripts_are_accepted_by_their_shells(self):
        for shell, name in (("bash", "xpm.bash"), ("zsh", "_xpm"), ("fish", "xpm.fish")):
            if shutil.which(shell):
                result = self.command(shell, "-n", xpmtest.SOURCE / "share/completions" / name)
                self.assertEqual(result.status, 0, result)


if __name__ == "__main__":
    unittest.main()
