//! traffic-service: a click in, a decision, an event, a redirect out.
