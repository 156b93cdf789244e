//! Why the program ends early, and with which exit code.

use std::fmt::Display;

/// The program cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What the machine or the user gave cannot be used: arguments, directories, Janus, an address. Exit code 2.
    #[error("{0}")]
    Input(String),
    /// A promise was broken, or the call did not go as it should. Exit code 1.
    #[error("{0}")]
    Broken(String),
}

/// Says what failed where an error only says why.
pub trait Context<T> {
    /// What was given cannot be used.
    ///
    /// # Errors
    ///
    /// [`Failure::Input`] of the error.
    fn or_input(self, what: impl Display) -> Result<T, Failure>;

    /// It did not go as it should.
    ///
    /// # Errors
    ///
    /// [`Failure::Broken`] of the error.
    fn or_broken(self, what: impl Display) -> Result<T, Failure>;
}

impl<T, E: Display> Context<T> for Result<T, E> {
    fn or_input(self, what: impl Display) -> Result<T, Failure> {
        self.map_err(|why| Failure::Input(format!("{what}: {why}")))
    }

    fn or_broken(self, what: impl Display) -> Result<T, Failure> {
        self.map_err(|why| Failure::Broken(format!("{what}: {why}")))
    }
}
