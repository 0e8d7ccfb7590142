// The indexes of TraffoFlex's collections, for mongosh:
//
//   mongosh "$MONGO_URI" deploy/mongo/init/001_indexes.js
//
// Run as often as you like; what is there stays. The database is MONGO_DATABASE, else traffoflex. `tfx migrate up
// mongo` does the same, replaces indexes that are defined otherwise, and records what it did; the services make sure
// of the indexes before their first write.
//
// The image of MongoDB runs it on the first start of a volume, on a member of a replica set that is not made yet and
// that listens on 127.0.0.1 alone. It makes the set under that address; replica_set.js then gives it its name.
//
// The list is held equal to core/mongo/src/indexes.rs by a test there, which reads it as JSON: keys are pairs of
// field and direction, onlyWith makes an index of only those documents that have the field.

const INDEXES = [
  {"collection": "sources", "indexes": [
    {"name": "slug", "keys": [["parent", 1], ["slug", 1]], "unique": true},
    {"name": "in_order", "keys": [["seq", 1]]}
  ]},
  {"collection": "networks", "indexes": [
    {"name": "slug", "keys": [["parent", 1], ["slug", 1]], "unique": true},
    {"name": "in_order", "keys": [["seq", 1]]}
  ]},
  {"collection": "templates", "indexes": [
    {"name": "slug", "keys": [["parent", 1], ["slug", 1]], "unique": true},
    {"name": "in_order", "keys": [["seq", 1]]},
    {"name": "of_network", "keys": [["parent", 1], ["seq", 1]]}
  ]},
  {"collection": "destinations", "indexes": [
    {"name": "slug", "keys": [["parent", 1], ["slug", 1]], "unique": true},
    {"name": "in_order", "keys": [["seq", 1]]}
  ]},
  {"collection": "campaigns", "indexes": [
    {"name": "slug", "keys": [["parent", 1], ["slug", 1]], "unique": true},
    {"name": "in_order", "keys": [["seq", 1]]}
  ]},
  {"collection": "streams", "indexes": [
    {"name": "slug", "keys": [["parent", 1], ["slug", 1]], "unique": true},
    {"name": "in_order", "keys": [["seq", 1]]},
    {"name": "of_campaign", "keys": [["parent", 1], ["seq", 1]]}
  ]},
  {"collection": "audit", "indexes": [
    {"name": "of_entity", "keys": [["entity", 1], ["_id", -1]]}
  ]},
  {"collection": "conversions", "indexes": [
    {"name": "once", "keys": [["network", 1], ["key", 1]], "unique": true},
    {"name": "one_sale", "keys": [["network", 1], ["sale_claim", 1]], "unique": true, "onlyWith": "sale_claim"},
    {"name": "in_order", "keys": [["created", -1], ["_id", -1]]},
    {"name": "of_click", "keys": [["click", 1]]},
    {"name": "unpublished", "keys": [["unpublished", 1]], "onlyWith": "unpublished"}
  ]},
  {"collection": "parked", "indexes": [
    {"name": "once", "keys": [["network", 1], ["click", 1], ["digest", 1]], "unique": true},
    {"name": "due", "keys": [["next_try", 1]]}
  ]},
  {"collection": "postback_logs", "indexes": [
    {"name": "of_network", "keys": [["network_id", 1], ["created_at", -1]]},
    {"name": "of_click", "keys": [["click_id", 1]]}
  ]},
  {"collection": "destination_health", "indexes": [
    {"name": "of_destination", "keys": [["destination_id", 1]], "unique": true}
  ]},
  {"collection": "destination_health_history", "indexes": [
    {"name": "of_destination", "keys": [["destination_id", 1], ["at", -1]]}
  ]},
  {"collection": "networks", "indexes": [
    {"name": "aliases", "keys": [["parent", 1], ["aliases", 1]], "unique": true, "onlyWith": "aliases"}
  ]},
  {"collection": "templates", "indexes": [
    {"name": "aliases", "keys": [["parent", 1], ["aliases", 1]], "unique": true, "onlyWith": "aliases"}
  ]},
  {"collection": "campaigns", "indexes": [
    {"name": "aliases", "keys": [["parent", 1], ["aliases", 1]], "unique": true, "onlyWith": "aliases"}
  ]},
  {"collection": "jobs", "indexes": [
    {"name": "in_lane", "keys": [["lane", 1], ["died", 1], ["came", 1], ["_id", 1]]},
    {"name": "of_kind", "keys": [["kind", 1], ["died", 1], ["_id", 1]]},
    {"name": "by_age", "keys": [["kind", 1], ["died", 1], ["came", 1]]}
  ]},
  {"collection": "job_lanes", "indexes": [
    {"name": "due", "keys": [["kind", 1], ["due", 1]]}
  ]},
  {"collection": "destination_health", "indexes": [
    {"name": "down", "keys": [["down", 1]], "onlyWith": "down"}
  ]},
  {"collection": "destination_health_history", "indexes": [
    {"name": "in_order", "keys": [["at", -1], ["_id", -1]]},
    {"name": "unpublished", "keys": [["unpublished", 1]], "onlyWith": "unpublished"}
  ]},
  {"collection": "accounts", "indexes": [
    {"name": "by_name", "keys": [["kind", 1], ["name", 1]], "unique": true},
    {"name": "in_order", "keys": [["kind", 1], ["id", 1]]},
    {"name": "until", "keys": [["until", 1]], "onlyWith": "until"}
  ]},
  {"collection": "audit", "indexes": [
    {"name": "by_revision", "keys": [["revision", 1]], "onlyWith": "revision"}
  ]},
  {"collection": "alerts", "indexes": [
    {"name": "slug", "keys": [["parent", 1], ["slug", 1]], "unique": true},
    {"name": "in_order", "keys": [["seq", 1]]}
  ]},
  {"collection": "alert_states", "indexes": [
    {"name": "of_alert", "keys": [["alert", 1], ["_id", 1]]}
  ]},
  {"collection": "alert_log", "indexes": [
    {"name": "in_order", "keys": [["at", -1], ["_id", -1]]},
    {"name": "of_alert", "keys": [["alert", 1], ["at", -1], ["_id", -1]]}
  ]},
  {"collection": "rates", "indexes": [
    {"name": "from", "keys": [["from", 1], ["day", 1]]},
    {"name": "to", "keys": [["to", 1], ["day", 1]]}
  ]},
  {"collection": "kept_versions", "indexes": [
    {"name": "of_entity", "keys": [["entity", 1], ["_id", 1]]}
  ]}
];

// A member that is told of a set which nobody made takes no writes, and one that was just told becomes primary in time.
const PATIENCE_MS = 60000;

function waitForPrimary() {
  const until = Date.now() + PATIENCE_MS;
  for (let hello = db.hello(); !hello.isWritablePrimary; hello = db.hello()) {
    if (/does not have a valid replica set config/i.test(hello.info || "")) {
      const { replication, net } = db.adminCommand({ getCmdLineOpts: 1 }).parsed;
      const host = `127.0.0.1:${(net && net.port) || 27017}`;
      rs.initiate({ _id: replication.replSet || replication.replSetName, members: [{ _id: 0, host }] });
    } else if (Date.now() > until) {
      const primary = hello.primary ? `the primary is ${hello.primary}` : "there is no primary";
      throw new Error(`this member takes no writes; ${primary}: run the script with a URI that names the replica set`);
    }
    sleep(100);
  }
}

waitForPrimary();

const database = db.getSiblingDB(process.env.MONGO_DATABASE || "traffoflex");

for (const { collection, indexes } of INDEXES) {
  for (const { name, keys, unique, onlyWith } of indexes) {
    const options = { name };
    if (unique) options.unique = true;
    if (onlyWith) options.partialFilterExpression = { [onlyWith]: { $exists: true } };
    database.getCollection(collection).createIndex(Object.fromEntries(keys), options);
  }
  print(`${database.getName()}.${collection}: ${indexes.map((i) => i.name).join(", ")}`);
}
