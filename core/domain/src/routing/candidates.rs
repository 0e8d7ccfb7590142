//! Which destinations of a stream can take a click.
