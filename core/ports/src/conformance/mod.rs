//! The suite every adapter must pass, stamped onto it by its tests.
