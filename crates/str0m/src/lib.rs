//! Subrosa in str0m's RTP mode.
