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
    def on_terminal(self, columns, *words):
        """Exit status and everything that xpm writes to a terminal of so many columns."""
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(self.here)
            os.execve(xpmtest.XPM, [str(word) for word in (xpmtest.XPM, *words)], {**self.env, "TERM": "xterm"})
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        shown = b""
        try:
            while True:
                piece = os.read(terminal, 4096)
                if not piece:
                    break
                shown += piece
        except OSError:
            pass  # the terminal of a process that has ended
        os.close(terminal)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.decode()

    def test_the_live_line_fits_a_narrow_terminal(self):
        self.write("e.yaml", SWEEP)
        status, shown = self.on_terminal(30, "run-experiment", "--workdir", self.workspace, "-j", "1", "e.yaml")
        self.assertEqual(status, 0, shown)
        live = [piece.split("\x1b")[0] for piece in shown.split("\r") if "running" in piece]
        self.assertTrue(live, shown)
        self.assertLessEqual(max(map(len, live)), 29, live)
        self.expect_match("4 jobs: 4 done", shown)


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
