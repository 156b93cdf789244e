//! Subrosa beside webrtc-rs.
