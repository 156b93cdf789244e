//! Invite links that were typed, cut or changed: what is read says the same when it is written.

use subrosa::Invite;

use crate::Target;
use crate::pair::Pair;

/// Layout: the text, UTF-8 (what is not is replaced).
pub const TARGET: Target = Target { name: "invite_link", run, seeds };

fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(invite) = Invite::parse(&text) else { return };
    let fragment = invite.to_fragment();
    assert!(text.trim().ends_with(fragment.as_str()), "another link");
    assert_eq!(Invite::parse(&invite.to_link("https://meet.example/#/room")).as_ref(), Ok(&invite));
    assert!(!format!("{invite:?}").contains(&fragment[30..70]), "the secret shows");
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let invite = Pair::new().ann.invite();
    let (link, fragment) = (invite.to_link("https://meet.example/standup"), invite.to_fragment());
    vec![
        ("link".to_owned(), link.as_bytes().to_vec()),
        ("fragment".to_owned(), fragment.as_bytes().to_vec()),
        ("spaces".to_owned(), format!(" \n{}\t", *link).into_bytes()),
        ("version".to_owned(), format!("Ag{}", &fragment[2..]).into_bytes()),
        ("short".to_owned(), fragment.as_bytes()[..113].to_vec()),
        ("two".to_owned(), format!("{}#{}", *link, *fragment).into_bytes()),
    ]
}
