"""A million conversions from a file into the embedded store: rows a second, memory, and what is there after a kill -9 half way.

    python3 cli/benches/imports.py target/release/tfx [ROWS] [FOLDER]

Starts `tfx up` on its usual ports. Networks do not write in order: the clicks of rows are in no order, a tenth of the rows are leads, a
twentieth are rejected, every payout is another one. FOLDER, the one for temporary files unless it is named, needs 3 GB.
"""

import decimal
import http.client
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request

CLICKS = 20_000
API, LINKS, POSTBACKS = 8080, 8081, 8082


def until_ready():
    for port in (API, LINKS, POSTBACKS):
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz").close()
                break
            except OSError:
                time.sleep(0.05)


def asked(env, path, body=None):
    with open(os.path.join(env["TFX_DATA_DIR"], "admin.token")) as file:
        head = {"authorization": f"Bearer {file.read().strip()}", "content-type": "application/json"}
    data = json.dumps(body).encode() if body else None
    with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{API}/api/v1{path}", data, head)) as answer:
        return json.load(answer)


def clicks():
    ids, link = [], http.client.HTTPConnection("127.0.0.1", LINKS)
    while len(ids) < CLICKS:
        link.request("GET", "/c/summer", headers={"user-agent": "Mozilla/5.0 Chrome/138.0"})
        answer = link.getresponse()
        answer.read()
        at = answer.getheader("location") or ""
        ids += [at.split("click_id=")[1]] if "click_id=" in at else []
    return ids


def written(path, rows, ids):
    """The file, and what it brings by status."""
    chance, sums = random.Random(7), {}
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with open(path, "w") as file:
        file.write("click_id,transaction_id,status,payout,currency,time\n")
        for n in range(rows):
            status = chance.choices(["sale", "lead", "rejected"], [17, 2, 1])[0]
            payout = decimal.Decimal(chance.randrange(1, 10_000_000)) / 10_000
            file.write(f"{chance.choice(ids)},T{n},{status},{payout},USD,{now}\n")
            count, sum_ = sums.get(status, (0, 0))
            sums[status] = (count + 1, sum_ + payout)
    return sums


def imported(tfx, env, path, kill_after=None):
    """How long it took, and its most memory in MiB."""
    line = [tfx, "conversion", "import", path, "--network", "adnet", "--yes", "-q"]
    began, memory = time.monotonic(), 0
    process = subprocess.Popen(line, env=env, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        memory = peak(process.pid) or memory
        if kill_after and there(env)[0] >= kill_after:
            process.send_signal(signal.SIGKILL)
        time.sleep(1)
    if process.returncode and not kill_after:
        sys.exit(f"the import ended by {process.returncode}")
    return time.monotonic() - began, memory


def there(env):
    """How many conversions there are."""
    with sqlite3.connect(f"file:{env['TFX_DATA_DIR']}/config.db?mode=ro", uri=True) as db:
        return db.execute("SELECT count(*) FROM conversions").fetchone()


def peak(pid):
    """The most memory of a process that runs, MiB; what the system says of one that has ended counts this program's too."""
    with open(f"/proc/{pid}/status") as status:
        return next((int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM")), 0)


def main(tfx, rows, folder):
    env = {**os.environ, "TFX_DATA_DIR": os.path.join(folder, "data"), "TMPDIR": folder, "LOG_LEVEL": "error"}
    up = subprocess.Popen([tfx, "up"], env=env, stdout=subprocess.DEVNULL)
    try:
        measured(tfx, rows, folder, env, up)
    finally:
        up.send_signal(signal.SIGTERM)
        up.wait()


def measured(tfx, rows, folder, env, up):
    until_ready()
    asked(env, "/networks", {"slug": "adnet", "name": "AdNet"})
    url = "https://offer.example/?click_id={click_id}"
    asked(env, "/destinations", {"slug": "offer", "name": "O", "url": url, "network": "adnet", "allow_upsell": True})
    asked(env, "/campaigns", {"slug": "summer", "name": "S"})
    asked(env, "/streams", {"campaign": "summer", "slug": "main", "name": "M", "destinations": [{"destination": "offer"}]})
    path = os.path.join(folder, "rows.csv")
    wanted = written(path, rows, clicks())
    time.sleep(2)
    before = peak(up.pid)
    first, memory = imported(tfx, env, path, kill_after=rows // 2)
    print(f"killed after {first:.0f} s, peak {memory:.0f} MiB; {there(env)[0]:,} of {rows:,} are there", flush=True)
    second, memory = imported(tfx, env, path)
    took = first + second
    print(f"and again: {took:.0f} s in all, {rows / took:,.0f} rows a second, peak {memory:.0f} MiB; "
          f"tfx up {before:.0f} MiB before and {peak(up.pid):.0f} MiB at most", flush=True)
    found = {}
    with sqlite3.connect(f"file:{env['TFX_DATA_DIR']}/config.db?mode=ro", uri=True) as db:
        for (body,) in db.execute("SELECT body FROM conversions"):
            conversion = json.loads(body)
            count, sum_ = found.get(conversion["status"], (0, 0))
            found[conversion["status"]] = (count + 1, sum_ + decimal.Decimal(str(conversion["revenue"]["amount"])))
    for status, (count, sum_) in sorted(wanted.items()):
        print(f"{status}: {count:,} of {sum_:,} in the file, {found.get(status)} there")
    if found != wanted:
        sys.exit("they are not the same")
    print("exact")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory(dir=sys.argv[3] if len(sys.argv) > 3 else None) as made:
        main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000, made)
