// The indexes of TraffoFlex's collections, for mongosh:
//
//   mongosh "$MONGO_URI" deploy/mongo/init/001_indexes.js
//
// Run as often as you like; what is there stays. The database is MONGO_DATABASE, else traffoflex. `tfx migrate up
// mongo` does the same, replaces indexes that are defined otherwise, and records what it did; the services make sure
// of the indexes before their first write.
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
  ]}
];

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
