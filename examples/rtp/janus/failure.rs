//! Why the program ends early, and with which exit code.

use std::fmt::Display;

/// The program cannot go on.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What the machine or the user gave cannot be used: arguments, directories, Janus, an address. Exit code 2.
    Input(String),
    /// A promise was broken, or the call did not go as it should. Exit code 1.
    Broken(String),
}

/// Says what failed where an error only says why.
pub(crate) trait Context<T> {
    fn or_input(self, what: impl Display) -> Result<T, Failure>;
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
