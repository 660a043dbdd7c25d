//! What may be asked for, and what is told of what may not.
