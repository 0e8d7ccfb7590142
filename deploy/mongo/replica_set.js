// The health check of the MongoDB container, for mongosh: makes the replica set of one when there is none yet, and
// ends well only when the server can be written to.

const HOST = process.env.MONGO_HOST || "mongo:27017";

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
