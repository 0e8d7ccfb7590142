"""The package and the tarball of `make dist` on a bare Debian: nothing but its base system, no compiler, no network.

`make check-dist` runs it, as root: the base system is unpacked into a folder, which everything below happens in."""

import glob
import os
import shutil
import subprocess
import tempfile
import textwrap
import unittest

import tools

DIST = os.path.join(tools.ROOT, "target", "dist")
SUITE = "bookworm"
# What every step begins with. The services are started as their units start them: that user, that file, that folder.
KIT = textwrap.dedent("""\
    set -eu
    export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
    data=/var/lib/traffoflex settings=/etc/traffoflex/traffoflex.env
    say() { echo "$*"; }
    fails() { echo "FAILED: $*"; exit 1; }
    same() { [ "$1" = "$2" ] || fails "$3: '$1', not '$2'"; }
    as_its_user() { setpriv --reuid traffoflex --regid traffoflex --clear-groups env -i TFX_DATA_DIR=$data $(grep -v '^#' $settings) "$@"; }
    """)


def mmdebstrap(part):
    """The base system, once; later ones are copies."""
    into = os.path.join(part, "debian")
    os.mkdir(into)
    tools.say(f"making a bare Debian {SUITE} (180 MB, once) in {os.path.dirname(part)}")
    command = [tools.program("mmdebstrap"), "--quiet", "--mode=root", "--variant=minbase", SUITE, os.path.join(into, "bare.tar")]
    if subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode:
        raise tools.Trouble("mmdebstrap could not make a bare Debian (its message is above): check the network and that you are root")
    return into


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cached = tools.packages.cached(f"debian-{SUITE}", tools.SPACE, mmdebstrap)
        cls.root = tempfile.mkdtemp(prefix="tfx-bare-debian-")
        cls.addClassCleanup(shutil.rmtree, cls.root)
        subprocess.run(["tar", "-C", cls.root, "-xf", os.path.join(cached, "bare.tar")], check=True)

    def only(self, pattern):
        found = glob.glob(os.path.join(DIST, pattern))
        self.assertEqual(len(found), 1, f"{pattern}: {found}; make dist")
        return found[0]

    def given(self, path, name):
        shutil.copy(path, os.path.join(self.root, "root", name))

    def inside(self, script):
        """Runs a script inside, with a loopback device of its own and no other network; what it started ends with it."""
        inside = 'ip link set lo up && mount -t proc proc "$0/proc" && mount --bind /dev "$0/dev" && exec chroot "$0" sh -c "$1"'
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--net", "sh", "-c", inside, self.root, KIT + script]
        env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
        done = subprocess.run(command, env=env, text=True, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=300)
        self.assertEqual(done.returncode, 0, f"{done.stdout}\n{done.stderr}")
        return done.stdout + done.stderr

    def test_it_is_installed_runs_is_upgraded_and_leaves(self):
        self.given(self.only("*.deb"), "traffoflex.deb")
        self.inside("""
            for tool in cc gcc make cargo python3 curl; do ! command -v $tool >/dev/null || fails "$tool is here"; done
            dpkg --install /root/traffoflex.deb
            same "$(dpkg-query --show --showformat '${db:Status-Abbrev}' traffoflex)" 'ii ' 'its state'
            dpkg --verify traffoflex
            for program in tfx api-service traffic-service postback-service; do $program --version; done
            same "$(stat --format '%a %U %G' $data)" '700 traffoflex traffoflex' 'the data folder'
            same "$(stat --format '%a %U' $settings)" '600 root' 'the settings'
            dpkg-query --show --showformat '${Conffiles}' traffoflex | grep -q $settings || fails 'the settings are no conffile'
            for file in man/man1/tfx.1 man/man1/tfx-campaign.1 bash-completion/completions/tfx fish/vendor_completions.d/tfx.fish \\
              zsh/vendor-completions/_tfx doc/traffoflex/LICENSE-MIT doc/traffoflex/copyright; do
                ls /usr/share/$file* >/dev/null || fails "no $file"
            done
            grep -q '^ExecStart=/usr/bin/%i$' /usr/lib/systemd/system/traffoflex@.service || fails 'the unit starts something else'
            ls /usr/lib/systemd/system/traffoflex.target /usr/lib/sysusers.d/traffoflex.conf
            tfx smoke --stack embedded
            """)
        # The three services, as their units would start them, and the whole way of a click through them.
        self.inside("""
            printf 'INTERNAL_TOKEN=of-this-very-test-0123456789\\n' >>$settings
            for service in api traffic postback; do as_its_user $service-service 2>/root/$service.log & done
            for _ in $(seq 100); do [ -e $data/admin.token ] && tfx --data-dir $data whoami 2>/dev/null && break; sleep 0.2; done
            TFX_DATA_DIR=$data INTERNAL_TOKEN=of-this-very-test-0123456789 tfx smoke --stack attach || { cat /root/*.log; fails 'smoke'; }
            same "$(stat --format '%U' $data/config.db)" traffoflex 'the owner of config.db'
            """)
        self.inside("""
            dpkg --install /root/traffoflex.deb
            grep -q '^INTERNAL_TOKEN=' $settings || fails 'an upgrade forgot the settings'
            dpkg --remove traffoflex
            ! command -v tfx || fails 'tfx is still here'
            [ ! -e /usr/lib/systemd/system/traffoflex.target ] || fails 'the units are still here'
            grep -q '^INTERNAL_TOKEN=' $settings && [ -e $data/config.db ] || fails 'a removal took settings or data'
            """)
        said = self.inside("""
            dpkg --purge traffoflex
            [ ! -e /etc/traffoflex ] || fails 'settings are left'
            [ ! -e $data/admin.token ] && [ ! -e $data/internal.token ] || fails 'tokens are left'
            [ -e $data/config.db ] && [ -e $data/events.db ] || fails 'a purge took clicks and sales'
            rm -r $data
            same "$(find / -xdev -path /proc -prune -o -name '*traffoflex*' -not -path '/root/*' -print)" '' 'what is left'
            """)
        self.assertIn("/var/lib/traffoflex is kept", said)

    def test_without_data_a_purge_leaves_nothing(self):
        self.given(self.only("*.deb"), "traffoflex.deb")
        self.inside("""
            dpkg --install /root/traffoflex.deb
            dpkg --purge traffoflex
            [ ! -e $data ] && [ ! -e /etc/traffoflex ] || fails 'something is left'
            """)

    def test_the_tarball_runs_where_it_is_unpacked(self):
        self.given(self.only("*.tar.gz"), "traffoflex.tar.gz")
        self.inside("""
            tar -C /usr/local --strip-components=1 -xzf /root/traffoflex.tar.gz
            for program in tfx api-service traffic-service postback-service; do /usr/local/bin/$program --version; done
            grep -q '^ExecStart=/usr/local/bin/%i$' /usr/local/lib/systemd/system/traffoflex@.service || fails 'the unit'
            tfx smoke --stack embedded
            rm -r /usr/local/bin/* /usr/local/share/doc /usr/local/lib/systemd /usr/local/lib/sysusers.d
            """)

    def test_each_program_is_under_50_mb(self):
        for program in ("tfx", "api-service", "traffic-service", "postback-service"):
            size = os.path.getsize(os.path.join(DIST, "deb", "usr", "bin", program))
            self.assertLess(size, 50_000_000, program)


if __name__ == "__main__":
    unittest.main()
