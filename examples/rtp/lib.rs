//! What the programs share: clips to send, files of what arrived, and peers on either stack.

pub mod clips;
pub mod failure;
pub mod media;
pub mod peer;
