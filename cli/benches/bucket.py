"""1 GB of embedded stores into a bucket and back: how long it takes, and how much memory `tfx` has meanwhile.

    python3 cli/benches/bucket.py target/quick/tfx [FOLDER]

The server of S3 is that of the tests (Moto, in memory, on 127.0.0.1). FOLDER, the one for temporary files unless it is named, needs 6 GB.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
SERVER = os.path.join(HERE, "..", "tests", "transcripts", "bucket", "server.py")
ROWS = 1_000_000  # of 1,000 random bytes each, which no packing makes smaller


def run(line, env):
    began = time.monotonic()
    process = subprocess.Popen(line, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(line)}: {said.decode()}")
    took = time.monotonic() - began
    print(f"{' '.join(line[1:4])}: {took:.0f} s, {1000 * ROWS / took / 1e6:.0f} MB/s, peak {used.ru_maxrss / 1024:.0f} MiB", flush=True)


def copied(path, to):
    began = time.monotonic()
    shutil.copyfile(path, to)
    subprocess.run(["sync", to], check=True)
    took = time.monotonic() - began
    print(f"plain copy, synced: {took:.1f} s, {os.path.getsize(path) / took / 1e6:.0f} MB/s", flush=True)


def main(tfx, folder):
    server = subprocess.Popen([sys.executable, SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    port = int(server.stdout.readline())
    urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/bench", method="PUT")).close()
    data, new = os.path.join(folder, "data"), os.path.join(folder, "new")
    env = {**os.environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ALLOW_HTTP": "true",
           "AWS_ACCESS_KEY_ID": "test-key", "AWS_SECRET_ACCESS_KEY": "secret", "TFX_DATA_DIR": data, "TMPDIR": folder}
    up = subprocess.Popen([tfx, "up"], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    while not os.path.exists(os.path.join(data, "events.db")):
        time.sleep(0.1)
    time.sleep(2)
    up.terminate()
    up.wait()
    events = os.path.join(data, "events.db")
    with sqlite3.connect(events) as db:
        db.execute("INSERT INTO bodies (id, json) WITH RECURSIVE n(i) AS (SELECT 1000000 UNION ALL SELECT i + 1 FROM n LIMIT ?) "
                   "SELECT i, randomblob(1000) FROM n", (ROWS,))
    db.close()
    run([tfx, "backup", "embedded", "s3://bench/one.tar.zst", "-q"], env)
    run([tfx, "backup", "embedded", os.path.join(folder, "one.tar.zst"), "-q"], env)
    run([tfx, "restore", "embedded", "s3://bench/one.tar.zst", "--data-dir", new, "-q"], env)
    copied(events, os.path.join(folder, "copy"))
    server.stdin.close()
    server.wait()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as made:
        main(sys.argv[1], made)
