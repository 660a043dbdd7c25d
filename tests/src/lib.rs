//! The kit that the tests of this package share.
