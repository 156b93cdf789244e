//! What the programs share: clips to send, and files of what arrived.

pub mod clips;
