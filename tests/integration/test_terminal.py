"""What a person sees on a terminal, and what happens when there is nothing to write to."""
import fcntl
import os
import pty
import struct
import termios
import unittest

import xpmtest

SWEEP = """\
id: seen
tasks:
  t:
    params: {n: int}
    command: sleep 0.3
plan:
  s: {task: t, sweep: {n: {range: [0, 4]}}}
"""


class Terminal(xpmtest.Case):
    def on_terminal(self, columns, *words, interrupts=()):
        """Exit status and everything that a command writes to a terminal of so many columns.

        Ctrl-C is typed whenever the next of INTERRUPTS was shown, or is true.
        """
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(self.here)
            os.execvpe(words[0], [str(word) for word in words], {**self.env, "TERM": "xterm"})
        interrupts = list(interrupts)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        shown = b""
        try:
            while True:
                piece = os.read(terminal, 4096)
                if not piece:
                    break
                shown += piece
                if interrupts and (interrupts[0]() if callable(interrupts[0]) else interrupts[0].encode() in shown):
                    interrupts.pop(0)
                    os.write(terminal, b"\x03")
        except OSError:
            pass  # the terminal of a process that has ended
        os.close(terminal)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.decode()

    def test_the_live_line_fits_a_narrow_terminal(self):
        self.write("e.yaml", SWEEP)
        status, shown = self.on_terminal(30, xpmtest.XPM, "run-experiment", "--workdir", self.workspace, "-j", "1", "e.yaml")
        self.assertEqual(status, 0, shown)
        live = [piece.split("\x1b")[0] for piece in shown.split("\r") if "running" in piece]
        self.assertTrue(live, shown)
        self.assertLessEqual(max(map(len, live)), 29, live)
        self.expect_match("4 jobs: 4 done", shown)

    def test_what_is_wrong_in_a_requirement_is_pointed_at_where_there_is_room(self):
        text = "cpu(cores=1) | cpu(mem=32)"
        message = f"xpm: '{text}', character 24: a memory size needs a unit: 32G?"
        for columns, requirement, lines in (
            (80, text, [message, f"  {text}", " " * 25 + "^"]),
            (29, text, [message, f"  {text}", " " * 25 + "^"]),
            (28, text, [message]),
            (80, text.replace("| ", "|\n"), None),
        ):
            status, shown = self.on_terminal(columns, xpmtest.XPM, "find-launchers", requirement)
            self.assertEqual(status, 2)
            if lines:
                self.assertEqual(shown.splitlines(), lines)
            self.assertEqual("^" in shown, bool(lines and len(lines) > 1))

    def test_the_picture_of_the_host_is_as_wide_as_the_terminal(self):
        self.env["HWLOC_SYNTHETIC"] = "pack:1 numa:1(memory=64GiB) l3:16 core:8 pu:1"
        for columns, rows in ((80, 4), (200, 1), (40, 16)):
            # The size is set once the command runs, so a shell waits until the terminal has it.
            status, shown = self.on_terminal(columns, "sh", "-c", 'until [ "$(stty size)" = "24 $2" ]; do :; done; "$1" resources', "sh", xpmtest.XPM, columns)
            self.assertEqual(status, 0, shown)
            self.assertEqual(sum("........" in line for line in shown.splitlines()), rows, shown)

    def test_the_first_interrupt_waits_and_the_second_ends_what_runs(self):
        self.write("e.yaml", SWEEP.replace("sleep 0.3", "sleep 600"))
        status, shown = self.on_terminal(
            100, xpmtest.XPM, "run-experiment", "--workdir", self.workspace, "-j", "1", "e.yaml", interrupts=("1 running", "nothing new")
        )
        self.assertEqual(status, 130, shown)
        self.assertIn("interrupted: nothing new is started; waiting for 1 running job (Ctrl-C again kills it)", shown)
        self.assertIn("interrupted again: ending 1 running job", shown)
        self.assertIn("the same command again continues", shown)

    def test_the_third_interrupt_kills_what_does_not_want_to_end(self):
        self.write("e.yaml", SWEEP.replace("sleep 0.3", "trap '' TERM; touch ready; sleep 600"))
        status, shown = self.on_terminal(
            100,
            xpmtest.XPM,
            "run-experiment",
            "--workdir",
            self.workspace,
            "--limit",
            "1",
            "e.yaml",
            interrupts=(lambda: list(self.workspace.glob("jobs/t/*/ready")), "nothing new", "interrupted again"),
        )
        self.assertEqual(status, 130, shown)
        self.assertIn("killed by signal 9 (SIGKILL)", shown)

    def test_an_interrupted_run_file_says_so_by_its_exit_status(self):
        self.write("e.yaml", SWEEP.replace("sleep 0.3", "sleep 600"))
        self.run_experiment("--run-mode", "generate", "e.yaml")
        status, shown = self.on_terminal(100, "sh", self.job_directories("t")[0] / "t.sh", interrupts=("running: logs",))
        self.assertEqual(status, 130, shown)


class Logs(xpmtest.Case):
    def test_the_end_of_an_error_log_does_not_steer_the_terminal(self):
        self.write(
            "e.yaml",
            "id: raw\ntasks: {t: {command: \"printf '1%%\\\\r2%%\\\\r\\\\n\\\\033[2Jred\\\\0\\\\tend\\\\nlast\\\\n' >&2; exit 1\"}}\n"
            "plan: {s: {task: t}}\n",
        )
        result = self.run_experiment("e.yaml", status=1)
        self.assertIn("    | 2%\n    | ?[2Jred?\tend\n    | last\n", result.err)


class Descriptors(xpmtest.Case):
    def test_closed_descriptors_are_nobody_elses(self):
        self.write("e.yaml", SWEEP.replace("sleep 0.3", "echo {{n}}"))
        script = 'exec "$0" run-experiment --workdir "$1" e.yaml <&- >&- 2>&-'
        result = self.command("sh", "-c", script, xpmtest.XPM, self.workspace)
        self.assertEqual((result.status, result.out, result.err), (0, "", ""))
        for job in self.job_directories("t"):
            self.assertTrue((job / "t.done").exists())


if __name__ == "__main__":
    unittest.main()
