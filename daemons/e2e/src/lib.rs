//! Whole flows across processes, and the tidy test of the house.
