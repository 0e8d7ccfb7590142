//! Wire types of the REST API and its HTTP client, shared by api-service and tfx.
