"""A machine of the fleet: a systemd of its own, an sshd of its own, a cable to the switch."""

import shlex
import subprocess
import sys
from pathlib import Path

import readers

sys.path.insert(0, str(Path(__file__).parents[1] / "systemd"))

from booted import Booted, until

SSHD = """\
HostKey /etc/fleet/host_key
PidFile none
UsePAM yes
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
AuthorizedKeysFile /etc/fleet/authorized_keys
"""
HELD = """\
#!/bin/sh
verb=$(cat /opt/holding/verb 2>/dev/null)
case " $* " in
  *" ${verb:-nothing} "*)
    touch /opt/holding/now
    while [ -e /opt/holding/verb ]; do sleep 0.1; done ;;
esac
exec /usr/bin/systemctl "$@"
"""
UNIT = "fleet-sshd.service"


class Machine(Booted):
    """One host; ``login`` is who comes in by ssh."""

    def __init__(self, switch, name, address, login, public):
        super().__init__(alone=True, label=name)
        self.label, self.address, self.login, self.switch = name, address, login, switch
        switch.plug(self.pid, name, address)
        self._clean_home()
        self.must("systemctl", "start", "systemd-user-sessions.service")
        self.must("useradd", "--system", "--user-group", "llm")
        if login != "root":
            self.must("useradd", "--create-home", "--shell", "/bin/sh", login)
        # Without it the user's manager ends ten seconds after each connection, and a login that comes
        # while it ends waits for that.
        self.must("loginctl", "enable-linger", login)
        self.must("mkdir", "-p", "/etc/fleet", "/opt/models", "/opt/keys", "/run/sshd")
        self.must("chmod", "755", "/run/sshd")
        self.path("/etc/fleet/sshd_config").write_text(SSHD)
        self.path("/etc/fleet/authorized_keys").write_text(public)
        self._quick_llmgen()
        self.new_host_key()
        self.listen()

    def _clean_home(self):
        """Root's shell reads nothing of whose machine this is.

        pyenv's `init` takes a lock in its folder. Seen through an overlay while another process has it,
        it stays for good, and each login waits a minute for it.
        """
        files = (".bashrc", ".bash_login", ".bash_profile", ".profile", ".zshenv", ".zshrc")
        self.must("rm", "-f", *(f"/root/{name}" for name in files))

    def _quick_llmgen(self):
        """Compiled modules stay, for all users; and its `systemctl` can be held."""
        self.must("install", "-d", "-m", "1777", "/opt/pyc", "/opt/holding")
        self.must("mkdir", "/opt/before")
        words = [word for word in self.python() if word != "PYTHONDONTWRITEBYTECODE=1"]
        words.insert(1, "PYTHONPYCACHEPREFIX=/opt/pyc")
        own = f'#!/bin/sh\nPATH=/opt/before:$PATH\nexec {shlex.join(words)} -m llmgen "$@"\n'
        self.path("/opt/llmgen").write_text(own)
        self.path("/opt/before/systemctl").write_text(HELD)
        self.must("chmod", "755", "/opt/llmgen", "/opt/before/systemctl")

    def hold(self, verb):
        """From now on `systemctl VERB` of llmgen waits."""
        self.path("/opt/holding/verb").write_text(verb)

    def is_held(self):
        return self.path("/opt/holding/now").exists()

    def let_go(self):
        self.must("sh", "-c", "rm -f /opt/holding/*")

    def new_host_key(self):
        """The machine is another one from now on, as far as ssh can tell."""
        key = "/etc/fleet/host_key"
        self.must("rm", "-f", key, f"{key}.pub")
        self.must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)

    def known(self):
        """Its line of known_hosts."""
        kind, key, *_ = self.path("/etc/fleet/host_key.pub").read_text().split()
        return f"{self.address} {kind} {key}\n"

    def listen(self):
        """Start its sshd, with everything of it in one unit."""
        sshd = [str(readers.find("sshd")), "-D", "-e", "-f", "/etc/fleet/sshd_config"]
        self.must("systemd-run", "-q", f"--unit={UNIT}", "-pKillMode=process", *sshd)
        until(lambda: self.can_connect(22))

    def deaf(self):
        """No sshd any longer; the connections that there are stay."""
        self.run("systemctl", "stop", UNIT)
        self.run("systemctl", "reset-failed", UNIT)

    def drop_connections(self):
        """Kill what serves the connections that there are; the machine itself goes on."""
        ids = self.processes(f"^sshd(-session)?: {self.login}")
        self.must("kill", "-9", *ids)

    def says(self):
        """What it does, and what it has done last, for the message of a failure."""
        jobs = self.run("systemctl", "list-jobs", "--no-pager").stdout
        processes = self.run("ps", "axf", "-o", "pid,stat,wchan:20,etime,args").stdout
        return jobs + processes + self.run("journalctl", "-n", "60", "--no-pager").stdout

    def busy(self):
        """What was started from afar, and what it waits for."""
        script = (
            "ps -eo pid,stat,wchan:24,time,etime,args | grep -E 'llmgen|python3 -I' | cut -c-160; "
            "for id in $(pgrep -f 'llmgen|python3 -I'); do cat /proc/$id/stack; done; "
            "cat /proc/loadavg /proc/pressure/*"
        )
        return self.run("sh", "-c", script).stdout

    def kill_llmgen(self):
        """Kill every llmgen here at once, as a machine without memory would."""
        for pid in self.processes("-m llmgen"):
            self.run("kill", "-9", pid)

    def is_free_of_llmgen(self):
        """Nothing that was started from afar is left, nor the folder that it had."""
        words = ("sh", "-c", "ls -d /tmp/llmgen-remote-* 2>/dev/null")
        return not self.processes("-m llmgen") and not self.run(*words).stdout

    def can_connect(self, port):
        script = "import socket,sys; socket.create_connection((sys.argv[1],int(sys.argv[2])),2)"
        words = self.switch.words(sys.executable, "-c", script, self.address, port)
        return subprocess.run(words, capture_output=True, check=False).returncode == 0

    def processes(self, pattern):
        """Ids, inside, of the processes whose command line matches."""
        return self.run("pgrep", "-f", "--", pattern).stdout.split()

    def files(self, *folders):
        """Every file below these folders with its content."""
        script = (
            "import sys,pathlib\n"
            "for top in sys.argv[1:]:\n"
            "  for p in sorted(pathlib.Path(top).rglob('*')):\n"
            "    if p.is_symlink() or p.is_file():\n"
            "      print(p, p.readlink() if p.is_symlink() else hash(p.read_bytes()))\n"
        )
        return self.must("env", "PYTHONHASHSEED=0", "python3", "-c", script, *folders)
