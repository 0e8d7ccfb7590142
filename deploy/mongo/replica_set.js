// The health check of the MongoDB container, for mongosh: makes the replica set of one when there is none yet, gives
// the one that the script of a new volume made its name, and ends well only when the server can be written to under
// that name.

const HOST = process.env.MONGO_HOST || "mongo:27017";
const OF_A_NEW_VOLUME = /^127\.0\.0\.1:/;

try {
  rs.status();
} catch (error) {
  if (error.codeName !== "NotYetInitialized") throw error;
  rs.initiate({ _id: "rs0", members: [{ _id: 0, host: HOST }] });
}
if (!db.hello().isWritablePrimary) {
  print("not primary yet");
  quit(1);
}
const config = rs.conf();
if (config.members.length === 1 && config.members[0].host !== HOST && OF_A_NEW_VOLUME.test(config.members[0].host)) {
  config.members[0].host = HOST;
  config.version += 1;
  rs.reconfig(config);
  print(`named ${HOST}`);
  if (!db.hello().isWritablePrimary) quit(1);
}
