"""Processes of the local engines: started in sessions of their own, found again, and never mistaken for others.

Each one carries `TFX_STACK=DIR/SERVICE` in its environment. A process counts as ours only while that mark can be read from
it; it is signalled through a file descriptor of the process, which no other process can take over.
"""

import os
import select
import signal
import subprocess

MARK = "TFX_STACK"


def spawn(name, mark, command, log, env):
    """Starts a service that outlives this command; gives its process id."""
    with open(log, "ab") as out:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                                 env={**os.environ, **env, MARK: mark}, cwd=os.path.dirname(log))
    return Process(child.pid, name, child)


def find(name, mark, hint):
    """The running process with this mark, or None. The hint, a process id, only saves the search."""
    if hint and marked(hint, mark):
        return Process(hint, name)
    for entry in os.listdir("/proc"):
        if entry.isdigit() and marked(int(entry), mark):
            return Process(int(entry), name)
    return None


def marked(pid, mark):
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            entries = file.read().split(b"\0")
        return f"{MARK}={mark}".encode() in entries and stat(pid)[0] not in "ZX"
    except (OSError, IndexError):
        return False


def stat(pid):
    """The fields of /proc/PID/stat from the state on."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rsplit(b") ", 1)[1].decode().split()


class Process:
    """One of our processes, held by a descriptor."""

    def __init__(self, pid, name, child=None):
        self.pid, self.name, self.child = pid, name, child
        self.fd = os.pidfd_open(pid)

    def alive(self):
        if self.child:
            return self.child.poll() is None
        return not select.select([self.fd], [], [], 0)[0]

    def paused(self):
        try:
            return stat(self.pid)[0] == "T"
        except (OSError, IndexError):
            return False

    def memory(self):
        """Resident bytes, 0 when it is gone."""
        try:
            with open(f"/proc/{self.pid}/statm", encoding="ascii") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError):
            return 0

    def signal(self, number):
        try:
            signal.pidfd_send_signal(self.fd, number)
        except ProcessLookupError:
            pass

    def end(self, kill=False, patience=60):
        """Asks it to end, and waits; insists when it does not. True when it ended by itself."""
        self.signal(signal.SIGKILL if kill else signal.SIGTERM)
        self.signal(signal.SIGCONT)
        if self.wait(patience):
            return True
        self.signal(signal.SIGKILL)
        self.wait(patience)
        return False

    def wait(self, seconds):
        """True when it has ended within the time."""
        ended = bool(select.select([self.fd], [], [], seconds)[0])
        if ended and self.child:
            self.child.wait()
        return ended
