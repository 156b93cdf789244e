//! Real media, sealed in the codec-aware form, goes through real RTP stacks and comes out byte for byte.

#![expect(clippy::unwrap_used, reason = "clippy lets `#[test]` functions unwrap, but not what they call")]

mod clips;
mod held;
mod hostile;
mod pair;
mod secrecy;
mod str0m_frames;
mod tampering;
mod webrtc_payloads;
