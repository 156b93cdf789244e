//! Stories of small calls, told with everybody in one thread, on a clock that the story moves.

mod attacks;
mod door;
mod entering;
mod epochs;
mod found;
mod hosts;
mod liveness;
mod lobby;
mod log;
mod repair;
mod room;
mod stranded;
mod talk;
mod wedges;
mod withheld;

/// What an app moves to its threads can be moved there.
#[test]
fn calls_sealers_and_openers_can_be_sent_to_other_threads() {
    fn is_send<T: Send>() {}
    is_send::<super::Call>();
    is_send::<super::Guest>();
    is_send::<crate::Sealer>();
    is_send::<crate::Opener>();
}
