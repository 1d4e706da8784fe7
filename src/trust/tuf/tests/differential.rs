//! The same repositories, read by us by the specification's rules and by another implementation.
