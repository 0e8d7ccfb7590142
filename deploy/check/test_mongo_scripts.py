"""The scripts of `deploy/mongo` on a real server, by a real mongosh, in the order in which a new volume sees them: the indexes
on a member whose replica set nobody made, which listens on 127.0.0.1 alone, then the health check on the server as it stays.
Held against what `tfx migrate` makes."""

import json
import os
import subprocess
import tempfile
import time
import unittest

import tools
import packages
import services
import stand

INDEXES = os.path.join(tools.DEPLOY, "mongo", "init", "001_indexes.js")
REPLICA_SET = os.path.join(tools.DEPLOY, "mongo", "replica_set.js")
# Of each database, by collection, without what the server adds by itself; fields in their order, which counts.
LIST = """const found = {};
for (const database of process.env.DATABASES.split(",").map((name) => db.getSiblingDB(name))) {
  const made = found[database.getName()] = {};
  for (const name of database.getCollectionNames()) {
    const indexes = database.getCollection(name).getIndexes().filter((index) => index.name !== "_id_");
    for (const index of indexes) index.key = Object.entries(index.key);
    if (indexes.length) made[name] = Object.fromEntries(indexes.map((index) => [index.name, index]));
  }
}
print(EJSON.stringify(found))"""
CONFIG = "print(EJSON.stringify(rs.conf()))"


class Scripts(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="tfx-deploy-check-")
        self.addCleanup(temporary.cleanup)
        self.home = temporary.name
        self.data = os.path.join(self.home, "data")
        os.mkdir(self.data)
        self.port = stand.free_port()
        self.direct = f"mongodb://127.0.0.1:{self.port}/?directConnection=true"

    def start(self, replica_set):
        """The server of the local stack, on data of its own."""
        command = services.Mongo.command(packages.install(), self.data, self.port)
        if not replica_set:
            at = command.index("--replSet")
            del command[at:at + 2]
        log = os.path.join(self.home, "mongod.log")
        with open(log, "ab") as out:
            server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self.addCleanup(self.end, server)
        deadline = time.monotonic() + stand.PATIENCE
        while stand.port_free(self.port):
            if server.poll() is not None or time.monotonic() > deadline:
                self.fail(f"mongod does not answer. The end of its log:\n{stand.read_tail(log, 12)}")
            time.sleep(0.02)
        return server

    @staticmethod
    def end(server):
        if server.poll() is None:
            server.terminate()
            server.wait(60)

    def mongosh(self, *arguments, **env):
        return tools.mongosh(self.home, self.direct, *arguments, **env)

    def done(self, result):
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result.stdout

    def script(self, database):
        return self.done(self.mongosh(INDEXES, **({"MONGO_DATABASE": database} if database else {})))

    def told(self, code, **env):
        return json.loads(self.done(self.mongosh("--eval", code, **env)))

    def indexes(self, *databases):
        found = self.told(LIST, DATABASES=",".join(databases))
        return [found[database] for database in databases]

    def migrate(self, database):
        self.done(tools.tfx("migrate", "up", "mongo", cwd=self.home, MONGO_DATABASE=database,
                            MONGO_URI=f"mongodb://127.0.0.1:{self.port}/?replicaSet={services.REPLICA_SET}"))

    def becomes_healthy(self, host):
        deadline = time.monotonic() + stand.PATIENCE
        while (checked := self.mongosh(REPLICA_SET, MONGO_HOST=host)).returncode:
            self.assertIn("not primary yet", checked.stdout, checked.stderr)
            self.assertLess(time.monotonic(), deadline, "it does not become primary")

    def members(self):
        config = self.told(CONFIG)
        return config["_id"], [member["host"] for member in config["members"]]

    def test_a_new_volume_is_made_as_the_product_makes_it(self):
        # As the image starts it for its scripts: the replica set is asked for, and nobody has made it. The image takes
        # --replSet away only where a root user is set, which compose does not set.
        server = self.start(replica_set=True)
        self.assertIn("traffoflex.conversions: once, one_sale,", self.script(None))
        self.script("of_the_script")
        made, by_default = self.indexes("of_the_script", "traffoflex")
        self.assertEqual(made, by_default)
        self.assertGreaterEqual(len(made), 12)
        self.assertEqual(self.members(), (services.REPLICA_SET, [f"127.0.0.1:{self.port}"]))
        self.end(server)

        self.start(replica_set=True)
        host = f"localhost:{self.port}"
        self.becomes_healthy(host)
        self.assertEqual(self.members(), (services.REPLICA_SET, [host]), "it has its name before anybody uses it")
        config = self.told(CONFIG)
        # The health check of every ten seconds after that changes nothing.
        self.done(self.mongosh(REPLICA_SET, MONGO_HOST="elsewhere:27017"))
        self.assertEqual(self.told(CONFIG), config)

        self.script("of_the_script")
        self.migrate("of_the_product")
        again, product = self.indexes("of_the_script", "of_the_product")
        self.assertEqual(again, made, "the second run of the script changes nothing")
        self.assertEqual(product, made)
        self.migrate("of_the_script")
        self.script("of_the_product")
        for after in self.indexes("of_the_script", "of_the_product"):
            self.assertEqual(after, made, "one after the other changes nothing")

    def test_a_volume_whose_scripts_did_not_run_is_made_by_the_health_check(self):
        self.start(replica_set=True)
        host = f"127.0.0.1:{self.port}"
        self.becomes_healthy(host)
        self.assertEqual(self.members(), (services.REPLICA_SET, [host]))

    def test_a_server_in_no_replica_set_takes_the_indexes_and_is_never_healthy(self):
        self.start(replica_set=False)
        self.assertIn("traffoflex.conversions: once, one_sale,", self.script(None))
        self.assertNotEqual(self.mongosh(REPLICA_SET).returncode, 0)


if __name__ == "__main__":
    unittest.main()
